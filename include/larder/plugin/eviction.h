/*
 * An eviction module: a policy that orders small integers.
 *
 * The host gives every resident entry of a shard a slot, an integer from 0 to max_slots - 1, and asks the policy which
 * slot to give up when room is needed. A policy never sees keys, values, pointers of the host, threads or locks: the
 * host serialises all calls on one state, so authors write single-threaded code. Plain arrays of max_slots elements from
 * calloc() are the intended storage: slots are dense, filled upward, and the one freed last is used first. They count
 * whole in the group's budget, so the host opens a state with few more slots than it needs, or, where a group limits its
 * entries (max_entries; charges are 1 then), with all it may ever need. When they run out, or most of them are free, all
 * entries move to a new state, coldest first, under new slots. Store links as slot + 1, so that zeroed memory is an empty
 * list.
 *
 * For a newcomer the order of calls is prepare, evict until it fits, insert: the order of the papers. Everything up to
 * the capacity is inserted.
 *
 * The ABI is stable: a module built against this header keeps working. Any call may meet a failed allocation of its
 * own and must go on, worse but correct.
 */
#ifndef LARDER_PLUGIN_EVICTION_H
#define LARDER_PLUGIN_EVICTION_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_EVICTION_ABI 1

#define LARDER_NO_SLOT UINT32_MAX

/* hit_max: hits do not matter to this policy (FIFO); the host neither counts nor reports them. */
#define LARDER_HITS_NONE UINT32_MAX

/* What a policy learns of an entry. */
struct larder_object {
    uint64_t digest; /* the same for the same key as long as the state lives; for ghosts */
    uint32_t charge; /* at least 1; in the unit of the capacity, which the policy never learns */
};

/* What a state is opened with. Copy what is kept: it is gone when open() returns, but for `hits`. */
struct larder_eviction_env {
    uint64_t size;      /* bytes of this struct as the host knows it */
    uint32_t max_slots; /* slots are below this; at least 1 */
    uint32_t expected;  /* how many entries are resident when full; 0: unknown. Sketches are sized by it */
    /*
     * What the charges of resident entries add up to when the state is full. They are over it for a while after an
     * update() that lengthens an entry, when a budget was made smaller, and when shards of one budget have drifted in size.
     */
    uint64_t capacity;
    /*
     * One byte a slot, at a fixed place until close(), when hit_max is 1 to 15: the host counts hits here, without a
     * lock, up to hit_max. Read and clear it with larder_hits_get(), _set() and _take() below. Else NULL.
     */
    uint8_t *hits;
    const struct larder_param_value *params; /* one for each row of the module's table, in its order */
};

struct larder_eviction {
    struct larder_plugin head;
    /*
     * 0: hit() is called for each hit (through a lossy buffer when the group does not ask for exact hits).
     * 1 to 15: the host counts hits in env->hits, saturating here. LARDER_HITS_NONE: hits do not matter.
     */
    uint32_t hit_max;
    /* The most bytes the policy keeps for one slot, for the budget of the group. */
    uint32_t slot_bytes;

    /* Required. A new empty state; NULL when out of memory, with nothing leaked. */
    void *(*open)(const struct larder_eviction_env *env);
    /* Required. Frees the state; slots may still be resident. */
    void (*close)(void *state);
    /*
     * Required. Chooses the coldest resident slot, unlinks it and returns it, in one step. LARDER_NO_SLOT only when
     * nothing is resident. Ends after at most entries * hit_max steps, whatever readers do to the hit bytes meanwhile.
     * Without a prepared newcomer it is a drain, a shrink, or room for an entry that is rewritten or goes elsewhere.
     */
    uint32_t (*evict)(void *state);
    /* Required. `slot` is not resident and its hit byte is 0. With or without prepare() before it. Cannot fail. */
    void (*insert)(void *state, uint32_t slot, const struct larder_object *object);
    /* Required. The entry was deleted or has expired: unlink the slot, leave no ghost. */
    void (*remove)(void *state, uint32_t slot);
    /* Required if and only if hit_max is 0. The entry was used. Resident slots only. */
    void (*hit)(void *state, uint32_t slot);
    /*
     * Optional. A newcomer is on its way; called once, before its evictions; ghosts are looked up here. insert() may
     * not follow, so match what is remembered by digest.
     */
    void (*prepare)(void *state, const struct larder_object *object);
    /* Optional. The entry was rewritten: same digest, new charge. Not a hit. Absent: the policy keeps no charges. */
    void (*update)(void *state, uint32_t slot, const struct larder_object *object);
    /* Optional. Bytes kept now besides those of the slots: ghosts, sketches. */
    uint64_t (*extra_bytes)(const void *state);
};

/*
 * LARDER_EVICTION("lru", "least recently used goes first", NULL, .slot_bytes = 8, .open = lru_open, ...);
 * In C++, in the order of the table: LARDER_EVICTION("lru", "...", NULL, 0, 8, lru_open, lru_close, ...);
 */
#define LARDER_EVICTION(name, help, params, ...)                                                                       \
    LARDER_PLUGIN_DEFINE(struct larder_eviction, LARDER_PLUGIN_EVICTION, LARDER_EVICTION_ABI, name, help, params,      \
                         __VA_ARGS__)

/* ------------------------------------------------------------------------------------------------ hit bytes */

/* The host writes these bytes from other threads: relaxed atomics, whole bytes. A stale count is harmless. */
static inline uint8_t larder_hits_get(const uint8_t *hits, uint32_t slot)
{
    return __atomic_load_n(&hits[slot], __ATOMIC_RELAXED);
}

/*
 * A module that is built with LARDER_HITS_STICK defined never changes a byte, as if readers were always faster than it:
 * whether its evict() ends all the same can be tried that way, and for nothing else is it of use.
 */
static inline void larder_hits_set(uint8_t *hits, uint32_t slot, uint8_t count)
{
#ifdef LARDER_HITS_STICK
    (void)hits, (void)slot, (void)count;
#else
    __atomic_store_n(&hits[slot], count, __ATOMIC_RELAXED);
#endif
}

/* Reads the count and clears it. */
static inline uint8_t larder_hits_take(uint8_t *hits, uint32_t slot)
{
    uint8_t count = larder_hits_get(hits, slot);
    if (count != 0)
        larder_hits_set(hits, slot, 0);
    return count;
}

/* ------------------------------------------------------------------------------------------------ list of slots */

/* Links of one slot, in an array from calloc(max_slots, sizeof(struct larder_link)). Zero is "none": slot + 1. */
struct larder_link {
    uint32_t newer, older;
};

/* A doubly linked list of slots over a shared array of links; a slot is in at most one list. Zeroed: empty. */
struct larder_list {
    uint32_t newest, oldest; /* slot + 1; 0: empty */
    uint32_t count;
};

static inline void larder_list_push(struct larder_list *list, struct larder_link *links, uint32_t slot)
{
    links[slot].newer = 0;
    links[slot].older = list->newest;
    if (list->newest != 0)
        links[list->newest - 1].newer = slot + 1;
    else
        list->oldest = slot + 1;
    list->newest = slot + 1;
    list->count++;
}

static inline void larder_list_remove(struct larder_list *list, struct larder_link *links, uint32_t slot)
{
    uint32_t newer = links[slot].newer, older = links[slot].older;
    if (newer != 0)
        links[newer - 1].older = older;
    else
        list->newest = older;
    if (older != 0)
        links[older - 1].newer = newer;
    else
        list->oldest = newer;
    list->count--;
}

/* Makes a slot of the list its newest. */
static inline void larder_list_touch(struct larder_list *list, struct larder_link *links, uint32_t slot)
{
    uint32_t newer = links[slot].newer, older = links[slot].older;
    if (newer == 0)
        return;
    links[newer - 1].older = older;
    if (older != 0)
        links[older - 1].newer = newer;
    else
        list->oldest = newer;
    links[slot].newer = 0;
    links[slot].older = list->newest;
    links[list->newest - 1].newer = slot + 1;
    list->newest = slot + 1;
}

/* Unlinks and returns the oldest slot; LARDER_NO_SLOT when the list is empty. */
static inline uint32_t larder_list_pop(struct larder_list *list, struct larder_link *links)
{
    uint32_t oldest = list->oldest;
    if (oldest == 0)
        return LARDER_NO_SLOT;
    larder_list_remove(list, links, oldest - 1);
    return oldest - 1;
}

#ifdef __cplusplus
}
#endif

#include "eviction_ghosts.h"
#include "eviction_sketch.h"

#endif
