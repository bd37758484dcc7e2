/*
 * A policy driven by a textbook loop, as its paper would be: objects of size 1, one state, exact hits; or hits as a shard
 * hands them on. What the store is compared with.
 */
#ifndef LIVE_REFERENCE_H
#define LIVE_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "larder/plugin/eviction.h"

struct reference {
    const struct larder_eviction *module;
    void *state;
    uint8_t *hits;
    uint32_t capacity, count, used, free_count;
    uint32_t *free;  /* slots that were freed, the last one on top */
    uint32_t *slots; /* of each key, by its number; LARDER_NO_SLOT: not resident */
    uint32_t *keys;  /* of each slot */
    uint64_t misses;
    /* Of core/store/hits.h: with marks, hits that wait, and those handed on and new entries of this generation. */
    bool marks;
    uint32_t waiting, told, news;
};

static inline bool reference_open(struct reference *reference, const struct larder_eviction *module,
                                  const struct larder_param_value *params, uint32_t capacity, uint32_t keys)
{
    *reference = (struct reference){.module = module, .capacity = capacity};
    reference->hits = calloc(capacity, 1);
    reference->free = calloc(capacity, sizeof *reference->free);
    reference->keys = calloc(capacity, sizeof *reference->keys);
    reference->slots = malloc(keys * sizeof *reference->slots);
    if (reference->hits == NULL || reference->free == NULL || reference->keys == NULL || reference->slots == NULL)
        return false;
    for (uint32_t i = 0; i < keys; i++)
        reference->slots[i] = LARDER_NO_SLOT;
    const struct larder_eviction_env env = {
        .size = sizeof env,
        .max_slots = capacity,
        .expected = capacity,
        .capacity = capacity,
        .hits = module->hit_max >= 1 && module->hit_max <= 15 ? reference->hits : NULL,
        .params = params,
    };
    reference->state = module->open(&env);
    return reference->state != NULL;
}

static inline void reference_close(struct reference *reference)
{
    if (reference->state != NULL)
        reference->module->close(reference->state);
    free(reference->hits);
    free(reference->free);
    free(reference->keys);
    free(reference->slots);
}

static inline void reference_hand_on(struct reference *reference)
{
    reference->told += reference->waiting;
    reference->waiting = 0;
    if (reference->told > reference->count / 2 || reference->news > reference->count / 8) {
        memset(reference->hits, 0, reference->used);
        reference->told = reference->news = 0;
    }
}

/* Whether the shard has put the slot into its ring in this generation already; else it does. */
static inline bool reference_is_marked(struct reference *reference, uint32_t slot)
{
    if (reference->hits[slot] != 0)
        return true;
    reference->hits[slot] = 1;
    if (++reference->waiting == 128)
        reference_hand_on(reference);
    return false;
}

static inline void reference_hit(struct reference *reference, uint32_t slot)
{
    uint32_t most = reference->module->hit_max;
    if (most == 0 && reference->marks && reference_is_marked(reference, slot))
        return;
    if (most == 0)
        reference->module->hit(reference->state, slot);
    else if (most != LARDER_HITS_NONE && reference->hits[slot] < most)
        reference->hits[slot]++;
}

static inline void reference_evict(struct reference *reference)
{
    uint32_t slot = reference->module->evict(reference->state);
    if (slot == LARDER_NO_SLOT || reference->slots[reference->keys[slot]] != slot)
        abort();
    reference->slots[reference->keys[slot]] = LARDER_NO_SLOT;
    reference->free[reference->free_count++] = slot;
    reference->count--;
}

/* True when it was a hit. */
static inline bool reference_request(struct reference *reference, uint32_t key, uint64_t digest)
{
    const struct larder_object object = {.digest = digest, .charge = 1};
    if (reference->slots[key] != LARDER_NO_SLOT) {
        reference_hit(reference, reference->slots[key]);
        return true;
    }
    reference->misses++;
    if (reference->marks)
        reference_hand_on(reference);
    if (reference->module->prepare != NULL)
        reference->module->prepare(reference->state, &object);
    while (reference->count >= reference->capacity)
        reference_evict(reference);
    uint32_t slot = reference->free_count > 0 ? reference->free[--reference->free_count] : reference->used++;
    reference->hits[slot] = 0;
    reference->slots[key] = slot;
    reference->keys[slot] = key;
    reference->count++;
    reference->news++;
    reference->module->insert(reference->state, slot, &object);
    return false;
}

#endif
