/*
 * The second look into the store, inside the flight. On a simulated clock, a whole get of another caller happens at each
 * moment at which a get reads the clock; one of them lies between its look into the store and its flight.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/runtime.h"
#include "core/node/node.h"

#define LOAD_MS 100 /* far more than a load takes here, far less than any deadline */

/* A simulated runtime that lets something happen when its clock is read. */
struct world {
    struct larder_runtime runtime; /* first: now() finds the world by it */
    const struct larder_runtime *sim;
    unsigned readings; /* of the clock, until it happens; 0: nothing will */
    enum larder_status origin;
    unsigned loads;
    struct larder_node *node;
    struct larder_group *group;
};

struct answer {
    unsigned count;
    enum larder_status status;
};

static void answered(void *arg, enum larder_status status, struct larder_value *value)
{
    struct answer *answer = arg;
    answer->count++;
    answer->status = status;
    larder_value_release(value);
}

static void let_loads_end(struct world *world)
{
    ldr_sim_run(world->sim, world->sim->now(world->sim) + LOAD_MS * LARDER_NS_PER_MS);
}

static uint64_t now(const struct larder_runtime *runtime)
{
    struct world *world = (struct world *)(uintptr_t)runtime;
    if (world->readings != 0 && --world->readings == 0) {
        struct answer ignored = {0};
        larder_get_async(world->group, "Tom", 3, 2 * LOAD_MS, answered, &ignored);
        let_loads_end(world);
        /* It waits for the other get's flight when that had begun; then only its deadline ends it in here. */
        let_loads_end(world);
        assert_int_equal(ignored.count, 1);
    }
    return world->sim->now(world->sim);
}

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    struct world *world = arg;
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    world->loads++;
    return world->origin == LARDER_OK ? larder_loaded_set(loaded, "630", 3, 0) : world->origin;
}

static struct larder_statistics stats_of(struct world *world)
{
    struct larder_statistics stats;
    assert_int_equal(larder_group_stats(world->group, &stats), LARDER_OK);
    return stats;
}

/* One get with the other one at the given reading of the clock. False: the get reads the clock less often than that. */
static bool race(struct world *world, unsigned reading, bool *missed_both)
{
    struct larder_statistics before = stats_of(world);
    struct answer answer = {0};
    world->loads = 0;
    world->readings = reading;
    larder_get_async(world->group, "Tom", 3, 10 * LOAD_MS, answered, &answer);
    bool happened = world->readings == 0;
    world->readings = 0;
    let_loads_end(world);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, world->origin);
    assert_int_equal(world->loads, 1);
    struct larder_statistics after = stats_of(world);
    *missed_both = after.misses - before.misses == 2 && after.loads_deduplicated == before.loads_deduplicated;
    larder_delete(world->group, "Tom", 3, 0);
    return happened;
}

static void one_load_whenever_another_get_comes(enum larder_status origin)
{
    struct world world = {.sim = ldr_sim_open(1), .origin = origin};
    assert_non_null(world.sim);
    world.runtime = *world.sim;
    world.runtime.now = now;
    world.node = ldr_node_open_on(NULL, &world.runtime);
    assert_non_null(world.node);
    world.group = larder_group_open(
        world.node, "g",
        &(struct larder_group_options){.load = load, .load_arg = &world, .negative_ttl_ms = 60 * LOAD_MS});
    assert_non_null(world.group);
    unsigned reading = 1, in_between = 0;
    for (bool missed_both; race(&world, reading, &missed_both); reading++)
        in_between += missed_both;
    /* Else no reading of the clock lies where it matters any more, and this test shows nothing. */
    assert_true(in_between > 0);
    larder_group_close(world.group);
    larder_node_close(world.node);
    ldr_sim_close(world.sim);
}

static void fault_23_the_store_is_looked_at_again_inside_the_flight(void **state)
{
    (void)state;
    one_load_whenever_another_get_comes(LARDER_OK);
}

static void fault_23_so_is_a_remembered_not_found(void **state)
{
    (void)state;
    one_load_whenever_another_get_comes(LARDER_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_23_the_store_is_looked_at_again_inside_the_flight),
        cmocka_unit_test(fault_23_so_is_a_remembered_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
