/* LRU: the entry that was used longest ago goes first. One list from the newest use to the oldest. */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

struct lru {
    struct larder_link *links;
    struct larder_list list;
};

static void *lru_open(const struct larder_eviction_env *env)
{
    struct lru *lru = calloc(1, sizeof *lru);
    if (lru == NULL)
        return NULL;
    lru->links = calloc(env->max_slots, sizeof *lru->links);
    if (lru->links == NULL) {
        free(lru);
        return NULL;
    }
    return lru;
}

static void lru_close(void *state)
{
    struct lru *lru = state;
    free(lru->links);
    free(lru);
}

static uint32_t lru_evict(void *state)
{
    struct lru *lru = state;
    return larder_list_pop(&lru->list, lru->links);
}

static void lru_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct lru *lru = state;
    (void)object;
    larder_list_push(&lru->list, lru->links, slot);
}

static void lru_remove(void *state, uint32_t slot)
{
    struct lru *lru = state;
    larder_list_remove(&lru->list, lru->links, slot);
}

static void lru_hit(void *state, uint32_t slot)
{
    struct lru *lru = state;
    larder_list_touch(&lru->list, lru->links, slot);
}

LARDER_EVICTION("lru", "the entry used longest ago goes first", NULL, .hit_max = 0,
                .slot_bytes = sizeof(struct larder_link), .open = lru_open, .close = lru_close, .evict = lru_evict,
                .insert = lru_insert, .remove = lru_remove, .hit = lru_hit);
