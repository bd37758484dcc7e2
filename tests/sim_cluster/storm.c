/* The time of faults. */
#include "stages.h"

#define WILD_STEPS 250
#define TURNS      8 /* of a careful storm */

/* What clients do for a while. */
static void work(struct scenario *scenario, unsigned steps)
{
    struct sim_world *world = scenario->world;
    for (unsigned step = 0; step < steps && world->failure[0] == '\0'; step++) {
        sim_wait(world, sim_draw(world, 150));
        sim_pass_time(scenario);
        for (uint64_t burst = 1 + sim_draw(world, 4); burst > 0; burst--)
            sim_ask_something(world);
        if (world->plan.hot && sim_chance(world, 20))
            sim_ask_hot(world);
    }
}

/* Anything at any time, several at a time. */
static void wild(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    sim_some_weather(scenario);
    for (unsigned step = 0; step < WILD_STEPS && world->failure[0] == '\0'; step++) {
        work(scenario, 1);
        if (sim_chance(world, 80))
            sim_some_fault(scenario);
        sim_look_for_order(world);
    }
}

/* One thing at a time, or few, and the next when all is in order again: nothing that was acknowledged may be lost. */
static void careful(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    for (unsigned turn = 0; turn < TURNS && world->failure[0] == '\0'; turn++) {
        if (sim_chance(world, 300))
            sim_some_weather(scenario);
        sim_some_fault(scenario);
        while (sim_chance(world, 400)) { /* another one in the midst of what comes of it */
            work(scenario, (unsigned)sim_draw(world, 15));
            sim_some_fault(scenario);
        }
        work(scenario, 5 + (unsigned)sim_draw(world, 60));
        sim_end_faults(scenario);
        work(scenario, 5 + (unsigned)sim_draw(world, 20));
        sim_settle_down(scenario);
    }
}

void sim_storm(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    bool strict = world->plan.strict;
    sim_tell(world, "storm");
    if (!strict)
        sim_checker_begin(world, false);
    if (strict && sim_chance(world, 700))
        careful(scenario);
    else
        wild(scenario);
    sim_settle(world);
}
