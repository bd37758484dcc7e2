#include "core/group/holders.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/spin.h"

#define WAYS 3

/* A key: 40 bytes, so that a set has two lines. */
struct way {
    uint64_t digest;
    uint64_t members; /* 0: free */
    uint64_t news;    /* those of them that came after the last write */
    uint64_t until;
    uint32_t telling; /* writes whose holders are being told */
    bool missed;      /* somebody was not told of one of them */
};

struct set {
    _Alignas(64) struct ldr_spin lock;
    struct way ways[WAYS];
};

struct ldr_holders {
    size_t count;
    struct set sets[];
};

struct ldr_holders *ldr_holders_open(size_t sets)
{
    if (sets > SIZE_MAX / sizeof(struct set) / 2)
        return NULL;
    size_t bytes = sizeof(struct ldr_holders) + sets * sizeof(struct set);
    struct ldr_holders *holders = aligned_alloc(_Alignof(struct set), bytes);
    if (holders == NULL)
        return NULL;
    memset(holders, 0, bytes);
    holders->count = sets;
    return holders;
}

void ldr_holders_close(struct ldr_holders *holders)
{
    free(holders);
}

size_t ldr_holders_bytes(const struct ldr_holders *holders)
{
    return sizeof *holders + holders->count * sizeof *holders->sets;
}

static struct set *lock_set(struct ldr_holders *holders, uint64_t digest)
{
    struct set *set = &holders->sets[(digest >> 32) * holders->count >> 32];
    ldr_spin_lock(&set->lock);
    return set;
}

static struct way *find(struct set *set, uint64_t digest)
{
    for (struct way *way = set->ways; way < set->ways + WAYS; way++)
        if (way->digest == digest && way->members != 0)
            return way;
    return NULL;
}

/* One that is free, or whose copies have ended; NULL: none. */
static struct way *find_room(struct set *set, uint64_t now)
{
    for (struct way *way = set->ways; way < set->ways + WAYS; way++)
        if (way->members == 0 || way->until <= now)
            return way;
    return NULL;
}

bool ldr_holders_add(struct ldr_holders *holders, uint64_t digest, uint64_t member, uint64_t now, uint64_t until)
{
    struct set *set = lock_set(holders, digest);
    struct way *way = find(set, digest);
    if (way == NULL && (way = find_room(set, now)) != NULL)
        *way = (struct way){.digest = digest};
    if (way != NULL) {
        way->members |= member;
        way->news |= member;
        way->until = way->until > until ? way->until : until;
    }
    ldr_spin_unlock(&set->lock);
    return way != NULL;
}

bool ldr_holders_held(struct ldr_holders *holders, uint64_t digest, uint64_t now)
{
    struct set *set = lock_set(holders, digest);
    const struct way *way = find(set, digest);
    bool held = way != NULL && way->until > now;
    ldr_spin_unlock(&set->lock);
    return held;
}

uint64_t ldr_holders_tell(struct ldr_holders *holders, uint64_t digest, uint64_t now, uint64_t *until)
{
    struct set *set = lock_set(holders, digest);
    struct way *way = find(set, digest);
    uint64_t members = 0;
    if (way != NULL && way->until > now) {
        members = way->members;
        *until = way->until;
        way->news = 0;
        way->telling++;
    }
    ldr_spin_unlock(&set->lock);
    return members;
}

void ldr_holders_told(struct ldr_holders *holders, uint64_t digest, bool all)
{
    struct set *set = lock_set(holders, digest);
    struct way *way = find(set, digest);
    /* It may have been given up meanwhile, and come again. */
    if (way != NULL && way->telling != 0) {
        way->missed |= !all;
        if (--way->telling == 0) {
            way->members = way->missed ? way->members : way->news;
            way->missed = false;
        }
    }
    ldr_spin_unlock(&set->lock);
}
