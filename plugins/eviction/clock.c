/*
 * CLOCK, or second chance: F. J. Corbató, "A Paging Experiment with the Multics System", MIT Project MAC report
 * MAC-M-384, 1968. Entries stand in a circle; the hand passes over those that were used since it was there last, once,
 * and takes the first one that was not.
 *
 * The circle is the order of the slots, so it costs one bit a slot, that of being resident, beside the host's hit byte.
 * As the slot that was freed last is used first, a newcomer stands where its victim stood, right behind the hand, as in
 * the paper. Only after a removal, or when several small entries follow a large one, a newcomer takes a hole elsewhere in
 * the circle, and is looked at when the hand comes by.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

struct clock {
    uint8_t *hits;
    uint64_t *resident; /* a bit a slot */
    uint32_t words;     /* of them hold slots that were ever used: the circle */
    uint32_t allocated; /* words, one more than slots need: the hand may stand behind the last slot */
    uint32_t count;     /* of resident slots */
    uint32_t hand;      /* the slot that is looked at next */
};

static void *clock_open(const struct larder_eviction_env *env)
{
    struct clock *clock = calloc(1, sizeof *clock);
    if (clock == NULL)
        return NULL;
    clock->hits = env->hits;
    clock->allocated = env->max_slots / 64 + 1;
    clock->resident = calloc(clock->allocated, sizeof *clock->resident);
    if (clock->resident == NULL) {
        free(clock);
        return NULL;
    }
    return clock;
}

static void clock_close(void *state)
{
    struct clock *clock = state;
    free(clock->resident);
    free(clock);
}

/* The first resident slot from the hand on, around the circle; there is one. Holes are passed 64 at a time. */
static uint32_t next_resident(const struct clock *clock)
{
    uint32_t word = clock->hand / 64;
    uint64_t bits = clock->resident[word] & UINT64_MAX << clock->hand % 64;
    while (bits == 0) {
        word = word + 1 < clock->words ? word + 1 : 0;
        bits = clock->resident[word];
    }
    return word * 64 + (uint32_t)__builtin_ctzll(bits);
}

static void clock_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct clock *clock = state;
    (void)object;
    clock->resident[slot / 64] |= UINT64_C(1) << slot % 64;
    if (slot / 64 >= clock->words)
        clock->words = slot / 64 + 1;
    clock->count++;
}

static void clock_remove(void *state, uint32_t slot)
{
    struct clock *clock = state;
    clock->resident[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    clock->count--;
}

/* A full turn clears every hit, so what is found used again after that was used meanwhile: then the next one goes. */
static uint32_t clock_evict(void *state)
{
    struct clock *clock = state;
    if (clock->count == 0)
        return LARDER_NO_SLOT;
    for (uint32_t left = clock->count;; left--) {
        uint32_t slot = next_resident(clock);
        clock->hand = slot + 1;
        if (left == 0 || larder_hits_take(clock->hits, slot) == 0) {
            clock_remove(clock, slot);
            return slot;
        }
    }
}

static uint64_t clock_extra_bytes(const void *state)
{
    const struct clock *clock = state;
    return clock->allocated * sizeof *clock->resident;
}

LARDER_EVICTION("clock", "second chance: an entry that was used stays for another round", NULL, .hit_max = 1,
                .slot_bytes = 0, .open = clock_open, .close = clock_close, .evict = clock_evict, .insert = clock_insert,
                .remove = clock_remove, .extra_bytes = clock_extra_bytes);
