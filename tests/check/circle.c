/* A policy that reads hit bytes, CLOCK as a list, and the mistakes one may make in its sweep: FAULT says which. */
#include <stdlib.h>

#include "larder/plugin/eviction.h"

enum fault {
    FAULT_NONE,
    FAULT_SWEEPS_FOR_EVER,
    FAULT_GIVES_UP,
    FAULT_TRUSTS_ITS_STORE,
    FAULT_WRITES_BEHIND_HITS,
};

#define IS(fault) (FAULT == FAULT_##fault)

struct circle {
    uint8_t *hits;
    struct larder_link *links;
    struct larder_list list;
    uint32_t max_slots;
};

static void *open_circle(const struct larder_eviction_env *env)
{
    struct circle *circle = calloc(1, sizeof *circle);
    if (circle == NULL)
        return NULL;
    circle->hits = env->hits;
    circle->max_slots = env->max_slots;
    circle->links = calloc(env->max_slots, sizeof *circle->links);
    if (circle->links == NULL) {
        free(circle);
        return NULL;
    }
    return circle;
}

static void close_circle(void *state)
{
    struct circle *circle = state;
    free(circle->links);
    free(circle);
}

static void insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct circle *circle = state;
    (void)object;
    if (IS(WRITES_BEHIND_HITS))
        larder_hits_set(circle->hits, slot + 1, 0);
    larder_list_push(&circle->list, circle->links, slot);
}

static void remove_slot(void *state, uint32_t slot)
{
    struct circle *circle = state;
    larder_list_remove(&circle->list, circle->links, slot);
}

static uint32_t evict(void *state)
{
    struct circle *circle = state;
    if (circle->list.count == 0)
        return LARDER_NO_SLOT;
    for (uint32_t left = circle->list.count;; left--) {
        uint32_t slot = larder_list_pop(&circle->list, circle->links);
        bool ends = !IS(SWEEPS_FOR_EVER) && !IS(GIVES_UP) && left == 0;
        if (ends || larder_hits_take(circle->hits, slot) == 0)
            return slot;
        if (IS(TRUSTS_ITS_STORE) && larder_hits_get(circle->hits, slot) != 0)
            abort();
        larder_list_push(&circle->list, circle->links, slot);
        if (IS(GIVES_UP) && left == 0)
            return LARDER_NO_SLOT;
    }
}

LARDER_EVICTION(NAME, "a circle of slots", NULL, .hit_max = 1, .slot_bytes = sizeof(struct larder_link),
                .open = open_circle, .close = close_circle, .evict = evict, .insert = insert, .remove = remove_slot);
