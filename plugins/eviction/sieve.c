/*
 * SIEVE: Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson and K. V. Rashmi, "SIEVE is Simpler than LRU: an Efficient Turn-Key
 * Eviction Algorithm for Web Caches", NSDI 2024. One list in the order of arrival. The hand goes from the oldest to the
 * newest, spares what was used since it was there last, takes the first that was not, and stays there; so newcomers are
 * looked at soon, and what was spared stays where it is.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

struct sieve {
    uint8_t *hits;
    struct larder_link *links;
    struct larder_list list;
    uint32_t hand; /* the slot that is looked at next, plus 1; 0: the oldest */
};

static void *sieve_open(const struct larder_eviction_env *env)
{
    struct sieve *sieve = calloc(1, sizeof *sieve);
    if (sieve == NULL)
        return NULL;
    sieve->hits = env->hits;
    sieve->links = calloc(env->max_slots, sizeof *sieve->links);
    if (sieve->links == NULL) {
        free(sieve);
        return NULL;
    }
    return sieve;
}

static void sieve_close(void *state)
{
    struct sieve *sieve = state;
    free(sieve->links);
    free(sieve);
}

static void sieve_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct sieve *sieve = state;
    (void)object;
    larder_list_push(&sieve->list, sieve->links, slot);
}

static void sieve_remove(void *state, uint32_t slot)
{
    struct sieve *sieve = state;
    if (sieve->hand == slot + 1)
        sieve->hand = sieve->links[slot].newer;
    larder_list_remove(&sieve->list, sieve->links, slot);
}

/* A full turn clears every hit; what is found used again after that was used meanwhile, and then goes. */
static uint32_t sieve_evict(void *state)
{
    struct sieve *sieve = state;
    if (sieve->list.count == 0)
        return LARDER_NO_SLOT;
    uint32_t slot = (sieve->hand != 0 ? sieve->hand : sieve->list.oldest) - 1;
    for (uint32_t left = sieve->list.count; left > 0 && larder_hits_take(sieve->hits, slot) != 0; left--)
        slot = (sieve->links[slot].newer != 0 ? sieve->links[slot].newer : sieve->list.oldest) - 1;
    sieve->hand = sieve->links[slot].newer;
    larder_list_remove(&sieve->list, sieve->links, slot);
    return slot;
}

LARDER_EVICTION("sieve", "a hand sifts out, from old to new, what was not used since it came by last", NULL,
                .hit_max = 1, .slot_bytes = sizeof(struct larder_link), .open = sieve_open, .close = sieve_close,
                .evict = sieve_evict, .insert = sieve_insert, .remove = sieve_remove);
