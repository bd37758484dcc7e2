#include "check_walk.h"

#include "check_random.h"

const struct check_mixture check_mixed = {
    .removes = 50, .updates = 50, .evictions = 10, .aborted = 20, .unprepared = 50, .once = 50, .drains = 50};

struct check_walk check_walk_on(struct check_state *state, const struct check_mixture *mixture, uint32_t charge,
                                uint64_t seed)
{
    return (struct check_walk){
        .state = state, .mixture = mixture, .random = seed, .next_key = state->spec.keys, .charge = charge};
}

static uint32_t any_charge(struct check_walk *walk)
{
    return 1 + check_random_below(&walk->random, walk->charge);
}

/* Some keys are asked for much more often than others: the product of two draws. */
static uint64_t any_key(struct check_walk *walk)
{
    uint32_t below = check_random_below(&walk->random, walk->state->spec.keys) + 1;
    return check_random_below(&walk->random, below);
}

static void request(struct check_walk *walk, uint64_t key, bool prepared)
{
    struct check_state *state = walk->state;
    uint32_t slot = check_state_find(state, key);
    if (slot != LARDER_NO_SLOT) {
        check_state_hit(state, slot);
        return;
    }
    uint32_t charge = any_charge(walk);
    if (prepared)
        check_state_prepare(state, key, charge);
    check_state_make_room(state, charge);
    check_state_insert(state, key, charge);
}

/* A load that fails, after room was made for some of it. */
static void abort_newcomer(struct check_walk *walk, uint64_t key)
{
    if (check_state_find(walk->state, key) != LARDER_NO_SLOT)
        return;
    check_state_prepare(walk->state, key, any_charge(walk));
    for (uint32_t i = check_random_below(&walk->random, 3); i > 0 && walk->state->count > 0; i--)
        check_state_evict(walk->state);
}

static void rewrite(struct check_walk *walk, uint32_t slot)
{
    check_state_update(walk->state, slot, any_charge(walk));
}

void check_walk_step(struct check_walk *walk)
{
    const struct check_mixture *mixture = walk->mixture;
    struct check_state *state = walk->state;
    uint32_t die = check_random_below(&walk->random, 1000);
    uint64_t key = any_key(walk);
    uint32_t slot = check_state_find(state, key);
    if (die == 0 && check_random_below(&walk->random, 100) < mixture->drains)
        check_state_drain(state);
    else if (die < mixture->aborted)
        abort_newcomer(walk, key);
    else if ((die -= mixture->aborted) < mixture->unprepared)
        request(walk, key, false);
    else if ((die -= mixture->unprepared) < mixture->once)
        request(walk, walk->next_key++, true);
    else if ((die -= mixture->once) < mixture->evictions)
        check_state_evict(state);
    else if ((die -= mixture->evictions) < mixture->removes && slot != LARDER_NO_SLOT)
        check_state_remove(state, slot);
    else if (die >= mixture->removes && die - mixture->removes < mixture->updates && slot != LARDER_NO_SLOT)
        rewrite(walk, slot);
    else
        request(walk, key, true);
}

void check_walk_run(struct check_walk *walk, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++)
        check_walk_step(walk);
}

uint64_t check_walk_whole(const struct larder_eviction *module, uint32_t slots, uint64_t capacity, uint32_t charge,
                          uint32_t steps, uint64_t seed)
{
    const struct check_spec spec = {
        .module = module, .max_slots = slots, .expected = slots, .capacity = capacity, .keys = 4 * slots, .salt = seed};
    struct check_state state;
    check_state_open(&state, &spec);
    struct check_walk walk = check_walk_on(&state, &check_mixed, charge, seed);
    check_walk_run(&walk, steps);
    check_state_drain(&state);
    uint64_t victims = state.victims;
    check_state_close(&state);
    return victims;
}
