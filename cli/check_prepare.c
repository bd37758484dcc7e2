/* Checks of an eviction module with newcomers that were announced and do not come. */
#include <inttypes.h>

#include "check_list.h"
#include "check_memory.h"
#include "check_twins.h"

#define SLOTS   32
#define UNKNOWN 1000 /* keys from here on were never seen */

static struct check_spec spec_of(const struct check_subject *subject)
{
    return (struct check_spec){.module = subject->eviction,
                               .max_slots = SLOTS,
                               .expected = SLOTS,
                               .capacity = SLOTS,
                               .keys = 4 * SLOTS,
                               .salt = subject->seed};
}

void check_aborted(const struct check_subject *subject)
{
    static const struct check_mixture often = {.aborted = 400, .unprepared = 100, .removes = 50, .once = 50};
    const struct check_spec spec = spec_of(subject);
    struct check_state state;
    check_state_open(&state, &spec);
    struct check_walk walk = check_walk_on(&state, &often, 4, subject->seed);
    check_walk_run(&walk, 20000);
    for (uint64_t key = 0; key < UNKNOWN; key++)
        check_state_prepare(&state, UNKNOWN + key, 1);
    check_state_drain(&state);
    check_state_close(&state);
    check_memory_none_left(" after many calls of prepare() that no insert() followed");
}

/* ------------------------------------------------------------------------------------------------ by digest */

/*
 * Twice as many entries as there are slots, some of them used, so that what leaves is remembered where a module does that.
 */
static void fill(struct check_state *state)
{
    for (uint64_t key = 0; key < 2 * SLOTS; key++) {
        uint32_t slot = check_state_add(state, key, 1);
        if (key % 4 == 0)
            check_state_hit(state, slot);
    }
}

/*
 * Two newcomers are announced, one that may be remembered and one that was never seen, and neither comes. A third one
 * comes unannounced. What a module forgets to make room for a new one it has forgotten before: the new one was announced
 * once already.
 */
static void play(struct check_state *state, uint64_t first, uint64_t second)
{
    fill(state);
    check_state_evict(state);
    check_state_evict(state);
    check_state_prepare(state, UNKNOWN, 1);
    check_state_prepare(state, first, 1);
    check_state_prepare(state, second, 1);
    check_state_insert(state, UNKNOWN + 1, 1);
}

/* How entries leave must not depend on who was announced last: while others come as usual, and when all are drained. */
static void compare_victims(struct check_state *known, struct check_state *unknown)
{
    for (uint64_t i = 0; i < SLOTS || known->count > 0; i++) {
        struct check_state *const states[] = {known, unknown};
        for (unsigned k = 0; k < 2; k++)
            if (i < SLOTS)
                check_state_add(states[k], UNKNOWN + 2 + i, 1);
            else
                check_state_evict(states[k]);
        if (known->victims != unknown->victims)
            check_fail("prepare() of two newcomers that did not come, and insert() of a third one: then evict() came "
                       "back with slot %" PRIu32 " where the last of the two had been evicted before, and with slot "
                       "%" PRIu32 " where it was new, wanted no difference: match what prepare() learned by digest",
                       known->last_victim, unknown->last_victim);
    }
    check_state_drain(known);
    check_state_drain(unknown);
}

void check_by_digest(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject);
    if (!check_repeats(subject))
        return;
    /* Those that went first may be forgotten at any time. */
    for (uint64_t key = SLOTS / 2; key < 2 * SLOTS; key++) {
        struct check_state one, other;
        check_state_open(&one, &spec);
        check_state_open(&other, &spec);
        fill(&one);
        bool gone = check_state_find(&one, key) == LARDER_NO_SLOT;
        check_state_close(&one);
        check_state_open(&one, &spec);
        if (gone) {
            play(&one, UNKNOWN, key);
            play(&other, key, UNKNOWN);
            compare_victims(&one, &other);
        }
        check_state_close(&one);
        check_state_close(&other);
    }
}
