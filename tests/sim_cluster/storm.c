/* The time of faults. */
#include "stages.h"

#define STEPS 250

void sim_storm(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    sim_tell(world, "storm");
    if (world->plan.kind != SIM_STRICT)
        sim_checker_begin(world, false);
    sim_some_weather(scenario);
    for (unsigned step = 0; step < STEPS && world->failure[0] == '\0'; step++) {
        sim_wait(world, sim_draw(world, 150));
        sim_pass_time(scenario);
        if (sim_chance(world, 80))
            sim_some_fault(scenario);
        else
            for (uint64_t burst = 1 + sim_draw(world, 4); burst > 0; burst--)
                sim_ask_something(world);
    }
    sim_settle(world);
}
