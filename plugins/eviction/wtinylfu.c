/*
 * W-TinyLFU: G. Einziger, R. Friedman and B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions
 * on Storage 13, 2017, as in Caffeine, without its hill climber. Newcomers stand in a small LRU window. What is pushed out
 * of it stays only if a sketch has seen it more often lately than the coldest entry of the main part, which is a segmented
 * LRU: of entries on probation, and of those that were used there, which are protected.
 *
 * Shares are parts of the capacity, by charge; the window always has room for one entry.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

enum { WINDOW, PROBATION, PROTECTED };

struct entry {
    uint32_t seen; /* the digest as the sketch knows it: 32 bits are more than it can tell apart */
    uint32_t charge;
    uint32_t where; /* WINDOW, PROBATION or PROTECTED */
};

struct wtinylfu {
    struct larder_link *links;
    struct entry *entries;       /* by slot */
    struct larder_list lists[3]; /* as `where` says */
    uint64_t charges[3];
    uint64_t window_share, protected_share;
    struct larder_sketch sketch;
    uint64_t prepared; /* the digest of the newcomer on its way */
    uint32_t newcomer; /* its charge; 0: there is none */
};

static void wtinylfu_close(void *state)
{
    struct wtinylfu *lfu = state;
    larder_sketch_free(&lfu->sketch);
    free(lfu->links);
    free(lfu->entries);
    free(lfu);
}

static void *wtinylfu_open(const struct larder_eviction_env *env)
{
    struct wtinylfu *lfu = calloc(1, sizeof *lfu);
    if (lfu == NULL)
        return NULL;
    lfu->links = calloc(env->max_slots, sizeof *lfu->links);
    lfu->entries = calloc(env->max_slots, sizeof *lfu->entries);
    double window = (double)env->capacity * env->params[0].number, main = (double)env->capacity - window;
    lfu->window_share = (uint64_t)window;
    lfu->protected_share = (uint64_t)(main * env->params[1].number);
    if (lfu->links == NULL || lfu->entries == NULL || !larder_sketch_reserve(&lfu->sketch, env->expected)) {
        wtinylfu_close(lfu);
        return NULL;
    }
    return lfu;
}

static void put_in(struct wtinylfu *lfu, uint32_t slot, uint32_t where)
{
    lfu->entries[slot].where = where;
    larder_list_push(&lfu->lists[where], lfu->links, slot);
    lfu->charges[where] += lfu->entries[slot].charge;
}

static void wtinylfu_remove(void *state, uint32_t slot)
{
    struct wtinylfu *lfu = state;
    const struct entry *entry = &lfu->entries[slot];
    larder_list_remove(&lfu->lists[entry->where], lfu->links, slot);
    lfu->charges[entry->where] -= entry->charge;
}

static void move(struct wtinylfu *lfu, uint32_t slot, uint32_t where)
{
    wtinylfu_remove(lfu, slot);
    put_in(lfu, slot, where);
}

static uint32_t seen(uint64_t digest)
{
    return (uint32_t)(digest * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static void wtinylfu_prepare(void *state, const struct larder_object *object)
{
    struct wtinylfu *lfu = state;
    larder_sketch_add(&lfu->sketch, seen(object->digest));
    lfu->prepared = object->digest;
    lfu->newcomer = object->charge;
}

static void wtinylfu_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct wtinylfu *lfu = state;
    uint64_t count = UINT64_C(1) + lfu->lists[WINDOW].count + lfu->lists[PROBATION].count + lfu->lists[PROTECTED].count;
    lfu->entries[slot] = (struct entry){.seen = seen(object->digest), .charge = object->charge};
    if (lfu->newcomer == 0 || lfu->prepared != object->digest)
        larder_sketch_add(&lfu->sketch, lfu->entries[slot].seen);
    else
        lfu->newcomer = 0;
    larder_sketch_reserve(&lfu->sketch, count); /* a sketch that is too small only tells less */
    put_in(lfu, slot, WINDOW);
    while (lfu->charges[WINDOW] > lfu->window_share && lfu->lists[WINDOW].count > 1)
        move(lfu, lfu->lists[WINDOW].oldest - 1, PROBATION);
}

/* The coldest of the main part, and of the window when there is none on probation. LARDER_NO_SLOT: nothing is resident. */
static uint32_t coldest(const struct wtinylfu *lfu)
{
    static const uint32_t order[] = {PROBATION, WINDOW, PROTECTED};
    for (uint32_t i = 0; i < 3; i++)
        if (lfu->lists[order[i]].count != 0)
            return lfu->lists[order[i]].oldest - 1;
    return LARDER_NO_SLOT;
}

/* When the window is full, with the newcomer, its oldest entry contends with the coldest one for a place in the main part. */
static uint32_t wtinylfu_evict(void *state)
{
    struct wtinylfu *lfu = state;
    uint32_t slot = coldest(lfu);
    if (slot == LARDER_NO_SLOT)
        return slot;
    if (lfu->lists[WINDOW].count != 0 && lfu->charges[WINDOW] + lfu->newcomer > lfu->window_share) {
        uint32_t candidate = lfu->lists[WINDOW].oldest - 1;
        if (larder_sketch_count(&lfu->sketch, lfu->entries[candidate].seen) >
            larder_sketch_count(&lfu->sketch, lfu->entries[slot].seen))
            move(lfu, candidate, PROBATION);
        else
            slot = candidate;
    }
    wtinylfu_remove(lfu, slot);
    return slot;
}

static void demote(struct wtinylfu *lfu)
{
    while (lfu->charges[PROTECTED] > lfu->protected_share)
        move(lfu, lfu->lists[PROTECTED].oldest - 1, PROBATION);
}

static void wtinylfu_hit(void *state, uint32_t slot)
{
    struct wtinylfu *lfu = state;
    const struct entry *entry = &lfu->entries[slot];
    larder_sketch_add(&lfu->sketch, entry->seen);
    /* What is larger than the share would push everybody else out of it. */
    if (entry->where == PROBATION && entry->charge <= lfu->protected_share) {
        move(lfu, slot, PROTECTED);
        demote(lfu);
    } else {
        larder_list_touch(&lfu->lists[entry->where], lfu->links, slot);
    }
}

static void wtinylfu_update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct wtinylfu *lfu = state;
    struct entry *entry = &lfu->entries[slot];
    lfu->charges[entry->where] += (uint64_t)object->charge - entry->charge;
    entry->charge = object->charge;
    if (entry->where == PROTECTED && entry->charge > lfu->protected_share)
        move(lfu, slot, PROBATION);
    demote(lfu);
}

static uint64_t wtinylfu_extra_bytes(const void *state)
{
    const struct wtinylfu *lfu = state;
    return larder_sketch_bytes(&lfu->sketch);
}

static const struct larder_param params[] = {
    {.name = "window_share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.01",
     .minimum = 0,
     .maximum = 1,
     .help = "part of the capacity for newcomers"},
    {.name = "protected_share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.8",
     .minimum = 0,
     .maximum = 1,
     .help = "part of the rest for entries that were used there"},
    {0},
};

LARDER_EVICTION("wtinylfu", "a newcomer stays if it was asked for more often lately than the entry it would replace",
                params, .hit_max = 0, .slot_bytes = sizeof(struct larder_link) + sizeof(struct entry),
                .open = wtinylfu_open, .close = wtinylfu_close, .evict = wtinylfu_evict, .insert = wtinylfu_insert,
                .remove = wtinylfu_remove, .hit = wtinylfu_hit, .prepare = wtinylfu_prepare, .update = wtinylfu_update,
                .extra_bytes = wtinylfu_extra_bytes);
