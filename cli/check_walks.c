/* Checks of an eviction module by random walks, which the model follows. */
#include "check_list.h"
#include "check_memory.h"
#include "check_random.h"
#include "check_walk.h"

void check_walks(const struct check_subject *subject)
{
    static const struct {
        uint32_t slots, charge, steps;
        uint64_t capacity;
    } shapes[] = {
        {64, 128, 20000, 4096}, /* the first one is repeated by check_states() */
        {2, 1, 5000, 2},        {3, 10, 5000, 10},        {16, 1, 20000, 16},           {100, 1000, 20000, 1000},
        {1000, 1, 100000, 900}, {4096, 8, 200000, 16384}, {1000, 4, 50000, 1000000000},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint64_t victims = check_walk_whole(subject->eviction, shapes[i].slots, shapes[i].capacity, shapes[i].charge,
                                            shapes[i].steps, subject->seed + i);
        if (i == 0)
            check_board()->walk_victims = victims;
    }
}

/* A walk with a mixture of its own, from open() to close(). */
static void walk_with(const struct check_spec *spec, const struct check_mixture *mixture, uint32_t charge,
                      uint32_t steps, uint64_t seed)
{
    struct check_state state;
    check_state_open(&state, spec);
    struct check_walk walk = check_walk_on(&state, mixture, charge, seed);
    check_walk_run(&walk, steps);
    check_state_drain(&state);
    check_state_close(&state);
}

static struct check_spec spec_of(const struct check_subject *subject, uint32_t slots, uint64_t capacity)
{
    return (struct check_spec){.module = subject->eviction,
                               .max_slots = slots,
                               .expected = slots,
                               .capacity = capacity,
                               .keys = 4 * slots,
                               .salt = subject->seed};
}

void check_updates(const struct check_subject *subject)
{
    static const struct check_mixture often = {.updates = 500, .removes = 50, .once = 50};
    const struct check_spec spec = spec_of(subject, 200, 5000);
    walk_with(&spec, &often, 100, 50000, subject->seed);
    walk_with(&spec, &often, 5000, 50000, subject->seed);
}

void check_large_charges(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject, 100, UINT64_C(100) << 31);
    walk_with(&spec, &check_mixed, UINT32_MAX, 50000, subject->seed);
    const struct check_spec tight = spec_of(subject, 100, UINT32_MAX);
    walk_with(&tight, &check_mixed, UINT32_MAX, 20000, subject->seed);
}

/* Also by a host that does not know how many entries it will have. */
void check_unprepared(const struct check_subject *subject)
{
    static const struct check_mixture never = {.unprepared = 850, .removes = 50, .updates = 50};
    struct check_spec spec = spec_of(subject, 100, 100);
    walk_with(&spec, &never, 1, 20000, subject->seed);
    spec.expected = 0;
    walk_with(&spec, &never, 50, 20000, subject->seed);
}

void check_bounds(const struct check_subject *subject)
{
    static const uint32_t sizes[] = {2, 7, 64, 65, 512, 1000};
    check_memory_needed();
    check_memory_fence(true);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct check_spec spec = spec_of(subject, sizes[i], 10 * sizes[i]);
        walk_with(&spec, &check_mixed, 20, 5000, subject->seed + i);
        spec.expected = sizes[i] / 2;
        walk_with(&spec, &check_mixed, 1, 5000, subject->seed + i);
    }
}

/* ------------------------------------------------------------------------------------------------ capacity */

/* What a host does: in the order of evict(), under new slots and without prepare(). */
static void move(struct check_state *from, struct check_state *to)
{
    while (from->count > 0) {
        uint32_t slot = check_state_evict(from);
        const struct check_entry entry = from->entries[slot];
        if (entry.charge > to->spec.capacity)
            continue;
        check_state_make_room(to, entry.charge);
        check_state_insert(to, entry.key, entry.charge);
    }
    check_state_drain(from);
    check_state_close(from);
}

void check_capacity_change(const struct check_subject *subject)
{
    static const uint32_t sizes[] = {64, 1000, 10, 1, 300, 300};
    struct check_state states[2];
    struct check_spec spec = spec_of(subject, sizes[0], 20 * sizes[0]);
    spec.keys = 1200;
    check_state_open(&states[0], &spec);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct check_state *now = &states[i % 2], *next = &states[(i + 1) % 2];
        struct check_walk walk = check_walk_on(now, &check_mixed, 20, subject->seed + i);
        check_walk_run(&walk, 5000);
        spec.max_slots = spec.expected = sizes[(i + 1) % (sizeof sizes / sizeof *sizes)];
        spec.capacity = 20 * spec.max_slots;
        check_state_open(next, &spec);
        move(now, next);
    }
    check_state_drain(&states[0]);
    check_state_close(&states[0]);
}
