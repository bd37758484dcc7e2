/*
 * LFU: the entry with the fewest hits since it came goes first, and of those with as few the one that was touched longest
 * ago. Counts are forgotten with their entries and do not age. Constant time as in K. Shah, A. Mitra and D. Matani, "An
 * O(1) Algorithm for Implementing the LFU Cache Eviction Scheme", 2010: a bucket for each count that there is, in order,
 * each with a list of its slots.
 *
 * Few counts are different at a time, so buckets are allocated as they are needed. Without memory for one, what was hit
 * keeps its count and is the newest of its bucket.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

/* Its number is its place in the array. Bucket 0, of the newcomers, is always there, and the first. */
struct bucket {
    struct larder_list list;
    uint32_t hits;
    uint32_t more, fewer; /* the buckets beside it; more is 0 at the last. Of a free one: more is the next free one */
};

struct lfu {
    struct larder_link *links;
    uint32_t *bucket_of; /* by slot */
    struct bucket *buckets;
    uint32_t allocated, used; /* buckets; those from `used` on are fresh */
    uint32_t free;            /* 0: none */
};

#define FIRST_BUCKETS 16u

static void lfu_close(void *state)
{
    struct lfu *lfu = state;
    free(lfu->links);
    free(lfu->bucket_of);
    free(lfu->buckets);
    free(lfu);
}

static void *lfu_open(const struct larder_eviction_env *env)
{
    struct lfu *lfu = calloc(1, sizeof *lfu);
    if (lfu == NULL)
        return NULL;
    lfu->links = calloc(env->max_slots, sizeof *lfu->links);
    lfu->bucket_of = calloc(env->max_slots, sizeof *lfu->bucket_of);
    lfu->buckets = calloc(FIRST_BUCKETS, sizeof *lfu->buckets);
    lfu->allocated = FIRST_BUCKETS;
    lfu->used = 1;
    if (lfu->links == NULL || lfu->bucket_of == NULL || lfu->buckets == NULL) {
        lfu_close(lfu);
        return NULL;
    }
    return lfu;
}

/* An empty bucket for one hit more than `number` has, right behind it; 0 when out of memory. May move the buckets. */
static uint32_t add_bucket(struct lfu *lfu, uint32_t number)
{
    uint32_t added = lfu->free;
    if (added != 0) {
        lfu->free = lfu->buckets[added].more;
    } else if (lfu->used < lfu->allocated) {
        added = lfu->used++;
    } else {
        struct bucket *more = realloc(lfu->buckets, 2 * (size_t)lfu->allocated * sizeof *more);
        if (more == NULL)
            return 0;
        lfu->buckets = more;
        lfu->allocated *= 2;
        added = lfu->used++;
    }
    struct bucket *bucket = &lfu->buckets[number];
    lfu->buckets[added] = (struct bucket){.hits = bucket->hits + 1, .more = bucket->more, .fewer = number};
    if (bucket->more != 0)
        lfu->buckets[bucket->more].fewer = added;
    bucket->more = added;
    return added;
}

static void take_out(struct lfu *lfu, uint32_t slot)
{
    uint32_t number = lfu->bucket_of[slot];
    struct bucket *bucket = &lfu->buckets[number];
    larder_list_remove(&bucket->list, lfu->links, slot);
    if (bucket->list.count != 0 || number == 0)
        return;
    lfu->buckets[bucket->fewer].more = bucket->more;
    if (bucket->more != 0)
        lfu->buckets[bucket->more].fewer = bucket->fewer;
    bucket->more = lfu->free;
    lfu->free = number;
}

static void put_in(struct lfu *lfu, uint32_t number, uint32_t slot)
{
    lfu->bucket_of[slot] = number;
    larder_list_push(&lfu->buckets[number].list, lfu->links, slot);
}

static uint32_t lfu_evict(void *state)
{
    struct lfu *lfu = state;
    uint32_t number = lfu->buckets[0].list.count != 0 ? 0 : lfu->buckets[0].more;
    uint32_t oldest = lfu->buckets[number].list.oldest;
    if (oldest == 0)
        return LARDER_NO_SLOT;
    take_out(lfu, oldest - 1);
    return oldest - 1;
}

static void lfu_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    (void)object;
    put_in(state, 0, slot);
}

static void lfu_remove(void *state, uint32_t slot)
{
    take_out(state, slot);
}

static void lfu_hit(void *state, uint32_t slot)
{
    struct lfu *lfu = state;
    uint32_t number = lfu->bucket_of[slot];
    struct bucket *bucket = &lfu->buckets[number];
    uint32_t next = bucket->more, hits = bucket->hits;
    if (next == 0 || lfu->buckets[next].hits != hits + 1) {
        if (number != 0 && bucket->list.count == 1 && hits != UINT32_MAX) {
            bucket->hits++;
            return;
        }
        next = hits != UINT32_MAX ? add_bucket(lfu, number) : 0;
    }
    if (next == 0) {
        larder_list_touch(&lfu->buckets[number].list, lfu->links, slot);
        return;
    }
    take_out(lfu, slot);
    put_in(lfu, next, slot);
}

static uint64_t lfu_extra_bytes(const void *state)
{
    const struct lfu *lfu = state;
    return lfu->allocated * sizeof *lfu->buckets;
}

LARDER_EVICTION("lfu", "the entry with the fewest hits goes first, of those the one used longest ago", NULL,
                .hit_max = 0, .slot_bytes = sizeof(struct larder_link) + sizeof(uint32_t), .open = lfu_open,
                .close = lfu_close, .evict = lfu_evict, .insert = lfu_insert, .remove = lfu_remove, .hit = lfu_hit,
                .extra_bytes = lfu_extra_bytes);
