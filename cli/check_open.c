/* Checks of an eviction module's open() and close(): parameters, and memory that is not there. */
#include <inttypes.h>

#include "check_list.h"
#include "check_memory.h"
#include "check_walk.h"

#define SLOTS       256
#define ALLOCATIONS 10000 /* more in one open() are not tried one by one */

static struct check_spec spec_of(const struct check_subject *subject)
{
    return (struct check_spec){.module = subject->eviction,
                               .max_slots = SLOTS,
                               .expected = SLOTS,
                               .capacity = 64 * SLOTS,
                               .keys = 4 * SLOTS,
                               .salt = subject->seed};
}

/* A short life, from open to close. */
static void live(struct check_state *state, uint64_t seed, uint32_t steps)
{
    struct check_walk walk = check_walk_on(state, &check_mixed, 128, seed);
    if (walk.charge > state->spec.capacity)
        walk.charge = (uint32_t)state->spec.capacity;
    check_walk_run(&walk, steps);
    check_state_drain(state);
    check_state_close(state);
}

/* ------------------------------------------------------------------------------------------------ parameters */

void check_defaults(const struct check_subject *subject)
{
    static const struct {
        uint32_t slots, expected;
        uint64_t capacity;
    } shapes[] = {{1, 0, 1},          {1, 1, UINT64_C(1) << 40},     {64, 0, 64},
                  {1000, 900, 10000}, {16384, 0, UINT64_C(1) << 40}, {16384, 12000, UINT64_C(1) << 30}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct check_spec spec = spec_of(subject);
        struct check_state state;
        spec.max_slots = shapes[i].slots;
        spec.expected = shapes[i].expected;
        spec.capacity = shapes[i].capacity;
        spec.keys = 4 * shapes[i].slots;
        check_state_open(&state, &spec);
        live(&state, subject->seed, 1000);
    }
}

static void try_setting(const struct check_subject *subject, struct check_setting *setting)
{
    struct check_spec spec = spec_of(subject);
    struct check_state state;
    uint64_t failed = check_memory_now().failed;
    spec.setting = setting;
    if (check_state_try_open(&state, &spec))
        live(&state, subject->seed, 3000);
    else if (check_memory_now().failed == failed)
        check_fail("open() with %s came back with NULL, though no allocation failed, wanted a state", setting->text);
}

void check_limits(const struct check_subject *subject)
{
    unsigned tried = 0;
    for (const struct larder_param *row = subject->head->params; row != NULL && row->name != NULL; row++)
        for (unsigned i = 0; i < check_setting_count(row); i++) {
            struct check_setting setting = {.row = row, .index = i};
            try_setting(subject, &setting);
            tried++;
        }
    if (tried == 0)
        check_note("it has no parameters with limits");
}

/* ------------------------------------------------------------------------------------------------ failed allocations */

/* False when open() does not ask that often. */
static bool fail_one(const struct check_subject *subject, uint64_t which)
{
    const struct check_spec spec = spec_of(subject);
    struct check_state state;
    struct check_memory before = check_memory_now();
    check_memory_fail(which, 0);
    bool opened = check_state_try_open(&state, &spec);
    check_memory_fail(0, 0);
    struct check_memory after = check_memory_now();
    if (opened)
        live(&state, subject->seed, 1000);
    else if (after.failed == before.failed)
        check_fail("open() came back with NULL, though no allocation failed, wanted a state");
    else if (after.blocks > before.blocks)
        check_fail("open(), whose allocation number %" PRIu64 " failed, came back with NULL and left %" PRIu64
                   " bytes allocated, wanted none",
                   which, after.bytes - before.bytes);
    return after.failed > before.failed;
}

void check_open_no_memory(const struct check_subject *subject)
{
    uint64_t which = 1;
    check_memory_needed();
    while (which <= ALLOCATIONS && fail_one(subject, which))
        which++;
    check_memory_none_left(" of a state that was opened while an allocation failed");
    if (which == 1)
        check_note("open() allocates nothing");
}

void check_no_memory(const struct check_subject *subject)
{
    static const struct {
        uint64_t first, every;
    } ways[] = {{1, 2}, {2, 2}, {1, 1}, {50, 7}};
    check_memory_needed();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const struct check_spec spec = spec_of(subject);
        struct check_state state;
        check_state_open(&state, &spec);
        check_memory_fail(ways[i].first, ways[i].every);
        live(&state, subject->seed + i, 20000);
        check_memory_fail(0, 0);
        check_memory_none_left(" of a state whose allocations failed");
    }
}

/* ------------------------------------------------------------------------------------------------ close */

void check_close(const struct check_subject *subject)
{
    check_memory_needed();
    for (uint32_t steps = 0; steps <= 10000; steps = 10 * steps + 10) {
        const struct check_spec spec = spec_of(subject);
        struct check_state state;
        check_state_open(&state, &spec);
        struct check_walk walk = check_walk_on(&state, &check_mixed, 128, subject->seed);
        check_walk_run(&walk, steps);
        check_state_close(&state);
        check_memory_none_left(steps > 0 ? " of a state with entries" : " of a state that was never used");
    }
}
