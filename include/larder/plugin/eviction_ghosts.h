/*
 * Ghosts: what an eviction policy remembers of entries that are gone. eviction.h includes this file.
 *
 * A set of digests with their charges, first in, first out, bounded by the sum of the charges and by number. It holds what
 * is remembered in a ring in the order of arrival, which grows as it is filled, and finds it through buckets of a hash
 * table: 16 bytes and about 8 for the table, a third more where ghosts are often taken out of the middle. Nothing
 * here fails: when there is no memory to grow, the oldest are forgotten early.
 *
 * A policy looks a newcomer up with larder_ghosts_claim() in prepare(), and in insert() asks larder_ghosts_redeem() whether
 * it was there. What happens between the two, and whether both are called, does not matter.
 */
#ifndef LARDER_PLUGIN_EVICTION_GHOSTS_H
#define LARDER_PLUGIN_EVICTION_GHOSTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct larder_ghost {
    uint64_t digest;
    uint32_t charge; /* 0: was taken out */
    uint32_t next;   /* an older one of its bucket: place + 1; 0: none */
};

/* Read `charge` and `count`, and leave the rest to the functions. */
struct larder_ghosts {
    uint64_t charge; /* of all that are remembered */
    uint32_t count;
    uint32_t most;        /* how many may be remembered */
    uint64_t most_charge; /* and the sum of their charges */

    struct larder_ghost *ring; /* the buckets lie behind it */
    uint32_t *buckets;         /* a power of two: place + 1 of the newest */
    uint32_t size;             /* places of the ring */
    uint32_t first, used;      /* those in use, with those that were taken out; the first one was not */
    uint32_t bucket_bits;

    uint64_t claimed;        /* the digest that was claimed last */
    uint32_t claimed_charge; /* 0: it was not there */
    bool is_claimed;         /* and not redeemed */
};

static inline void larder_ghosts_init(struct larder_ghosts *ghosts, uint32_t most, uint64_t most_charge)
{
    memset(ghosts, 0, sizeof *ghosts);
    ghosts->most = most;
    ghosts->most_charge = most_charge;
}

static inline void larder_ghosts_free(struct larder_ghosts *ghosts)
{
    free(ghosts->ring);
}

static inline uint64_t larder_ghosts_bytes(const struct larder_ghosts *ghosts)
{
    if (ghosts->size == 0)
        return 0;
    return ghosts->size * sizeof *ghosts->ring + (sizeof *ghosts->buckets << ghosts->bucket_bits);
}

/* ---- inside */

/* Multiplying spreads digests that are numbers in a row, too. */
static inline uint32_t *larder_ghosts_bucket_(const struct larder_ghosts *ghosts, uint64_t digest)
{
    return &ghosts->buckets[digest * UINT64_C(0x9e3779b97f4a7c15) >> (64 - ghosts->bucket_bits)];
}

/* The place that is `steps` behind the first one, at most a round. */
static inline uint32_t larder_ghosts_place_(const struct larder_ghosts *ghosts, uint32_t steps)
{
    uint64_t place = (uint64_t)ghosts->first + steps;
    return (uint32_t)(place < ghosts->size ? place : place - ghosts->size);
}

static inline void larder_ghosts_link_(struct larder_ghosts *ghosts, uint32_t place)
{
    uint32_t *bucket = larder_ghosts_bucket_(ghosts, ghosts->ring[place].digest);
    ghosts->ring[place].next = *bucket;
    *bucket = place + 1;
}

/* Takes out what `link` leads to; its charge. */
static inline uint32_t larder_ghosts_unlink_(struct larder_ghosts *ghosts, uint32_t *link)
{
    struct larder_ghost *ghost = &ghosts->ring[*link - 1];
    uint32_t charge = ghost->charge;
    *link = ghost->next;
    ghost->charge = 0;
    ghosts->charge -= charge;
    ghosts->count--;
    while (ghosts->used != 0 && ghosts->ring[ghosts->first].charge == 0) {
        ghosts->first = larder_ghosts_place_(ghosts, 1);
        ghosts->used--;
    }
    return charge;
}

/* Closes the gaps, in the same order. */
static inline void larder_ghosts_compact_(struct larder_ghosts *ghosts)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ghosts->used; i++) {
        const struct larder_ghost *ghost = &ghosts->ring[larder_ghosts_place_(ghosts, i)];
        if (ghost->charge != 0)
            ghosts->ring[larder_ghosts_place_(ghosts, kept++)] = *ghost;
    }
    ghosts->used = kept;
    memset(ghosts->buckets, 0, sizeof *ghosts->buckets << ghosts->bucket_bits);
    for (uint32_t i = 0; i < kept; i++)
        larder_ghosts_link_(ghosts, larder_ghosts_place_(ghosts, i));
}

/* Half as large again, up to what `most` need with a quarter of gaps. */
static inline bool larder_ghosts_grow_(struct larder_ghosts *ghosts)
{
    uint64_t size = (uint64_t)ghosts->size + ghosts->size / 2 + 16,
             limit = (uint64_t)ghosts->most + ghosts->most / 3 + 1;
    uint32_t bits = 4;
    size = size < limit ? size : limit;
    while (size >> bits != 0)
        bits++;
    if (size > UINT32_MAX - 1)
        return false;
    struct larder_ghost *ring = (struct larder_ghost *)malloc((size_t)size * sizeof *ring +
                                                              (sizeof *ghosts->buckets << bits));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < ghosts->used; i++)
        ring[i] = ghosts->ring[larder_ghosts_place_(ghosts, i)];
    free(ghosts->ring);
    ghosts->ring = ring;
    ghosts->buckets = (uint32_t *)(void *)(ring + size);
    ghosts->bucket_bits = bits;
    ghosts->size = (uint32_t)size;
    ghosts->first = 0;
    larder_ghosts_compact_(ghosts);
    return true;
}

/* ---- what policies call */

/* Forgets the oldest; there is one. */
static inline void larder_ghosts_forget(struct larder_ghosts *ghosts)
{
    uint32_t *link = larder_ghosts_bucket_(ghosts, ghosts->ring[ghosts->first].digest);
    while (*link != ghosts->first + 1)
        link = &ghosts->ring[*link - 1].next;
    larder_ghosts_unlink_(ghosts, link);
}

/* Remembers what is not in the set, and forgets the oldest until it fits. Something larger than all ghosts may be is not kept. */
static inline void larder_ghosts_push(struct larder_ghosts *ghosts, uint64_t digest, uint32_t charge)
{
    if (ghosts->most == 0 || charge > ghosts->most_charge)
        return;
    while (ghosts->count == ghosts->most || ghosts->charge > ghosts->most_charge - charge)
        larder_ghosts_forget(ghosts);
    if (ghosts->used == ghosts->size) {
        bool gaps = ghosts->count < ghosts->used - ghosts->used / 4;
        if (!gaps && !larder_ghosts_grow_(ghosts)) {
            if (ghosts->count == 0)
                return;
            larder_ghosts_forget(ghosts);
        } else if (gaps) {
            larder_ghosts_compact_(ghosts);
        }
    }
    uint32_t place = larder_ghosts_place_(ghosts, ghosts->used++);
    ghosts->ring[place].digest = digest;
    ghosts->ring[place].charge = charge;
    larder_ghosts_link_(ghosts, place);
    ghosts->charge += charge;
    ghosts->count++;
}

/* Takes a digest out. Its charge; 0 when it was not there. */
static inline uint32_t larder_ghosts_remove(struct larder_ghosts *ghosts, uint64_t digest)
{
    if (ghosts->count == 0)
        return 0;
    for (uint32_t *link = larder_ghosts_bucket_(ghosts, digest); *link != 0; link = &ghosts->ring[*link - 1].next) {
        if (ghosts->ring[*link - 1].digest == digest)
            return larder_ghosts_unlink_(ghosts, link);
    }
    return 0;
}

/* For prepare(): whether the newcomer is remembered. It is taken out, as the room of ghosts is for others then. One that was
   claimed before and has not come is put back. */
static inline bool larder_ghosts_claim(struct larder_ghosts *ghosts, uint64_t digest)
{
    if (ghosts->is_claimed && ghosts->claimed_charge != 0)
        larder_ghosts_push(ghosts, ghosts->claimed, ghosts->claimed_charge);
    ghosts->is_claimed = true;
    ghosts->claimed = digest;
    ghosts->claimed_charge = larder_ghosts_remove(ghosts, digest);
    return ghosts->claimed_charge != 0;
}

/* Whether this newcomer was claimed last, and has not come: prepare() may be called again for it. */
static inline bool larder_ghosts_is_claimed(const struct larder_ghosts *ghosts, uint64_t digest)
{
    return ghosts->is_claimed && ghosts->claimed == digest;
}

/* For insert(): whether the newcomer was remembered, claimed or not. */
static inline bool larder_ghosts_redeem(struct larder_ghosts *ghosts, uint64_t digest)
{
    if (!ghosts->is_claimed || ghosts->claimed != digest)
        return larder_ghosts_remove(ghosts, digest) != 0;
    ghosts->is_claimed = false;
    return ghosts->claimed_charge != 0;
}

#ifdef __cplusplus
}
#endif
#endif
