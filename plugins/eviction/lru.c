/*
 * LRU: the entry that was used longest ago goes first. One list from the newest use to the oldest.
 *
 * To make an entry the newest takes three links that are as a rule in no cache: its own, and then, when that has come,
 * those of its neighbours. So uses wait for some more of them, for all of which links are asked for together, and are
 * made up for before anything else happens to the list.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

#define WAITING 8u /* a power of two */

struct lru {
    struct larder_link *links;
    struct larder_list list;
    uint32_t used[WAITING]; /* the uses that wait, in a ring */
    uint32_t first, end;    /* of them; count on and on */
};

static void ask_for_neighbours(const struct lru *lru, uint32_t slot)
{
    const struct larder_link *link = &lru->links[slot];
    __builtin_prefetch(&lru->links[link->newer != 0 ? link->newer - 1 : slot], 1);
    __builtin_prefetch(&lru->links[link->older != 0 ? link->older - 1 : slot], 1);
}

static void catch_up(struct lru *lru)
{
    for (uint32_t i = lru->first; i != lru->end; i++)
        ask_for_neighbours(lru, lru->used[i % WAITING]);
    for (; lru->first != lru->end; lru->first++)
        larder_list_touch(&lru->list, lru->links, lru->used[lru->first % WAITING]);
}

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
    catch_up(lru);
    return larder_list_pop(&lru->list, lru->links);
}

static void lru_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct lru *lru = state;
    (void)object;
    catch_up(lru);
    larder_list_push(&lru->list, lru->links, slot);
}

static void lru_remove(void *state, uint32_t slot)
{
    struct lru *lru = state;
    catch_up(lru);
    larder_list_remove(&lru->list, lru->links, slot);
}

static void lru_hit(void *state, uint32_t slot)
{
    struct lru *lru = state;
    __builtin_prefetch(&lru->links[slot], 1);
    lru->used[lru->end++ % WAITING] = slot;
    if (lru->end - lru->first == WAITING)
        catch_up(lru);
}

LARDER_EVICTION("lru", "the entry used longest ago goes first", NULL, .hit_max = 0,
                .slot_bytes = sizeof(struct larder_link), .open = lru_open, .close = lru_close, .evict = lru_evict,
                .insert = lru_insert, .remove = lru_remove, .hit = lru_hit);
