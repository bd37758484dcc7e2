/*
 * Checks of an eviction module for charges that stay counted, or are counted twice.
 *
 * A module that adds up charges does so where nobody sees it. So two states are treated alike, but that the entries of
 * one are heavy and those of the other light. None of them is left in the end, so both must then choose alike: what they
 * remember of their past (frequencies, ghosts, a hand in a circle) is the same, unless a charge stayed behind. evict() is
 * only called where nothing can depend on charges: before they differ, and when there is one entry. Nor is a newcomer
 * heavy that may be remembered: how far ARC adapts to it is a matter of its charge.
 */
#include <inttypes.h>

#include "check_random.h"
#include "check_twins.h"

#define SLOTS    64
#define SHARE    1024 /* of the capacity, for each slot */
#define CAPACITY (SLOTS * SHARE)
#define ROUNDS   4
#define STEPS    10000
#define ONCE     UINT64_C(1000000) /* keys from here on come once */

/* One way for heavy or light entries to come and go; `key` is the first of those that were not used yet. */
typedef void (*churn)(struct check_state *state, uint64_t key, bool heavy);

static void fill(struct check_state *state, uint64_t key, uint32_t charge)
{
    for (uint64_t i = 0; i < SLOTS; i++)
        check_state_add(state, key + i, charge);
}

static void remove_all(struct check_state *state)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (state->entries[slot].fate == CHECK_RESIDENT)
            check_state_remove(state, slot);
}

static void update_all(struct check_state *state, uint32_t charge)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (state->entries[slot].fate == CHECK_RESIDENT)
            check_state_update(state, slot, charge);
}

static void hit_often(struct check_state *state, uint32_t slot)
{
    for (unsigned time = 0; time < 3; time++)
        check_state_hit(state, slot);
}

/*
 * Light entries wherever a module may have them: new, used, looked at by evict(), and come again after they went. The
 * keys that can be found again do that.
 */
static void spread(struct check_state *state, uint64_t key)
{
    for (uint64_t i = 0; i < SLOTS; i++)
        check_state_add(state, i < SLOTS / 2 ? i : key + i, 1);
    for (uint32_t slot = 0; slot < SLOTS; slot += 3)
        hit_often(state, slot);
    for (unsigned i = 0; i < SLOTS / 2; i++)
        check_state_evict(state);
    for (uint64_t i = 0; i < SLOTS / 2; i++)
        if (check_state_find(state, i) == LARDER_NO_SLOT)
            check_state_add(state, i, 1);
}

static void churn_removed(struct check_state *state, uint64_t key, bool heavy)
{
    spread(state, key);
    update_all(state, heavy ? SHARE : 1);
    remove_all(state);
}

/* The same for a module that keeps charges and has no update(). Not after spread(): newcomers may push out ghosts. */
static void churn_filled(struct check_state *state, uint64_t key, bool heavy)
{
    fill(state, key, heavy ? SHARE : 1);
    remove_all(state);
}

static void churn_updated(struct check_state *state, uint64_t key, bool heavy)
{
    spread(state, key);
    update_all(state, heavy ? SHARE : 1);
    update_all(state, heavy ? SHARE / 2 : 1);
    remove_all(state);
}

static void churn_hit(struct check_state *state, uint64_t key, bool heavy)
{
    fill(state, key, heavy ? SHARE : 1);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        hit_often(state, slot);
    for (uint32_t slot = 0; slot < SLOTS; slot += 2)
        hit_often(state, slot);
    remove_all(state);
}

static void evict_alone(struct check_state *state, uint64_t key, uint32_t charge)
{
    uint32_t slot = check_state_add(state, key, charge);
    if (key % 2 == 1)
        hit_often(state, slot);
    check_state_evict(state);
}

static void churn_evicted(struct check_state *state, uint64_t key, bool heavy)
{
    for (uint64_t i = 0; i < SLOTS; i++)
        evict_alone(state, key + i, heavy ? CAPACITY : 1);
}

/* What is remembered of evicted entries is pushed out by others, the same for both. */
static void push_out(struct check_state *state)
{
    for (uint64_t i = 0; i < UINT64_C(8) * SLOTS; i++)
        evict_alone(state, 2 * ONCE + i, 1);
}

static void compare_walks(struct check_state *heavy, struct check_state *light, uint32_t charge, const char *what,
                          uint64_t seed)
{
    static const struct check_mixture plain = {.removes = 20, .once = 100};
    struct check_walk one = check_walk_on(heavy, &plain, charge, seed);
    struct check_walk other = check_walk_on(light, &plain, charge, seed);
    one.next_key = other.next_key = (3 + charge) * ONCE;
    for (unsigned step = 0; step < STEPS; step++) {
        check_walk_step(&one);
        check_walk_step(&other);
        if (heavy->victims != light->victims)
            check_fail("evict() came back with slot %" PRIu32 " in a state whose large entries, all gone, were %s, and "
                       "with slot %" PRIu32 " where they were small, wanted no difference: some charge stays counted, "
                       "or is taken back twice",
                       heavy->last_victim, what, light->last_victim);
    }
}

static void check_churn(const struct check_subject *subject, churn run, const char *what)
{
    const struct check_spec spec = {.module = subject->eviction,
                                    .max_slots = SLOTS,
                                    .expected = SLOTS,
                                    .capacity = CAPACITY,
                                    .keys = 4 * SLOTS,
                                    .salt = subject->seed};
    struct check_state states[2];
    for (unsigned i = 0; i < 2; i++) {
        check_state_open(&states[i], &spec);
        for (uint64_t round = 0; round < ROUNDS; round++)
            run(&states[i], ONCE + SLOTS * round, i == 0);
        push_out(&states[i]);
        states[i].victims = 0;
    }
    /* First with entries that are as nothing beside what stayed behind, and then as a host has them. */
    compare_walks(&states[0], &states[1], 1, what, subject->seed);
    compare_walks(&states[0], &states[1], 2 * SHARE, what, subject->seed);
    for (unsigned i = 0; i < 2; i++) {
        check_state_drain(&states[i]);
        check_state_close(&states[i]);
    }
}

void check_charges_removed(const struct check_subject *subject)
{
    if (!check_repeats(subject))
        return;
    check_churn(subject, churn_filled, "inserted and removed");
    check_churn(subject, churn_removed, "updated and removed");
}

void check_charges_evicted(const struct check_subject *subject)
{
    if (!check_repeats(subject))
        return;
    check_churn(subject, churn_evicted, "evicted, one at a time,");
}

void check_charges_updated(const struct check_subject *subject)
{
    if (!check_repeats(subject))
        return;
    check_churn(subject, churn_updated, "updated and removed");
}

void check_charges_hit(const struct check_subject *subject)
{
    if (!check_repeats(subject))
        return;
    check_churn(subject, churn_hit, "hit several times and removed");
}
