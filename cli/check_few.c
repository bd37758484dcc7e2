/* Checks of an eviction module with none, one and many entries. */
#include "check_list.h"
#include "check_memory.h"
#include "check_walk.h"

#define MANY 1000

static struct check_spec spec_of(const struct check_subject *subject, uint32_t slots, uint64_t capacity)
{
    return (struct check_spec){.module = subject->eviction,
                               .max_slots = slots,
                               .expected = slots,
                               .capacity = capacity,
                               .keys = 4 * slots,
                               .salt = subject->seed};
}

void check_empty(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject, 64, 64);
    struct check_state state;
    check_state_open(&state, &spec);
    check_state_drain(&state);
    check_state_prepare(&state, 1, 1);
    check_state_drain(&state);
    check_state_remove(&state, check_state_add(&state, 1, 1));
    check_state_drain(&state);
    check_state_close(&state);
}

/* Every way in, with every way out. */
static void come_and_go(struct check_state *state, uint32_t charge)
{
    for (unsigned way = 0; way < 16; way++) {
        uint32_t slot = (way & 1) != 0 ? check_state_add(state, way, charge) : check_state_insert(state, way, charge);
        if ((way & 2) != 0)
            check_state_hit(state, slot);
        if ((way & 4) != 0)
            check_state_update(state, slot, charge > 1 ? charge / 2 : charge);
        if ((way & 8) != 0)
            check_state_remove(state, slot);
        check_state_drain(state);
    }
}

void check_one_entry(const struct check_subject *subject)
{
    static const uint64_t capacities[] = {1, 2, 100, 1 << 20};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        const struct check_spec spec = spec_of(subject, 64, capacities[i]);
        struct check_state state;
        check_state_open(&state, &spec);
        come_and_go(&state, 1);
        come_and_go(&state, (uint32_t)capacities[i]);
        check_state_close(&state);
    }
}

void check_one_slot(const struct check_subject *subject)
{
    static const uint64_t capacities[] = {1, 1000};
    check_memory_fence(true);
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        const struct check_spec spec = spec_of(subject, 1, capacities[i]);
        struct check_state state;
        check_state_open(&state, &spec);
        come_and_go(&state, 1);
        struct check_walk walk = check_walk_on(&state, &check_mixed, (uint32_t)capacities[i], subject->seed);
        check_walk_run(&walk, 2000);
        check_state_drain(&state);
        check_state_close(&state);
    }
}

/*
 * A module may get its memory from mmap(), say, for all of a state or for the large parts of it. Then what is counted comes
 * nowhere near what it tells.
 */
static void note_unseen(const struct check_state *state)
{
    uint64_t told = (uint64_t)MANY * state->spec.module->slot_bytes + check_state_extra_bytes(state);
    check_board()->unseen = check_memory_now().bytes < told / 2;
}

void check_many_entries(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject, MANY, MANY);
    struct check_state state;
    check_state_open(&state, &spec);
    for (uint64_t round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < MANY; i++)
            check_state_add(&state, round * MANY / 2 + i, 1);
        note_unseen(&state);
        for (uint32_t slot = 0; slot < MANY; slot += 3)
            check_state_hit(&state, slot);
        for (uint32_t slot = 0; slot < MANY && round % 2 == 1; slot += 2)
            check_state_remove(&state, slot);
        check_state_drain(&state);
    }
    check_state_close(&state);
}

void check_same_again(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject, 8, 8);
    struct check_state state;
    check_state_open(&state, &spec);
    for (uint64_t i = 0; i < 4; i++)
        check_state_add(&state, i, 1);
    for (unsigned round = 0; round < 400; round++) {
        uint64_t key = round % 5;
        uint32_t slot = check_state_find(&state, key);
        if (slot == LARDER_NO_SLOT)
            slot = check_state_add(&state, key, 1 + round % 2);
        if (round % 3 == 0)
            check_state_hit(&state, slot);
        if (round % 7 < 3)
            check_state_remove(&state, slot);
        else if (round % 7 < 5)
            check_state_evict(&state);
    }
    check_state_drain(&state);
    check_state_close(&state);
}
