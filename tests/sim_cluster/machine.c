#include "machine.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/runtime.h"
#include "world.h"

#define DRIFT       327 /* of 65536: half a percent */
#define JUMP_MOST_S 7200

void sim_machines_open(struct sim_world *world)
{
    for (unsigned node = 0; node < SIM_NODES; node++) {
        struct sim_machine *machine = &world->machines[node];
        const struct ldr_sim_clock clock = {
            .ahead_ns = sim_draw(world, 1000 * 1000 * SIM_MS),
            .drift = (int32_t)sim_draw(world, 2 * DRIFT + 1) - DRIFT,
        };
        const struct larder_runtime *table = ldr_sim_machine(&world->runtime, &clock);
        if (table == NULL) {
            fputs("sim_cluster: out of memory\n", stderr);
            exit(2);
        }
        *machine = (struct sim_machine){.runtime = *table, .world = world, .node = node};
    }
}

void sim_machine_stop(struct sim_world *world, unsigned node, bool stopped)
{
    struct sim_machine *machine = &world->machines[node];
    if (machine->stopped == stopped)
        return;
    sim_tell(world, "node %s %s", sim_node_name(node), stopped ? "is stopped" : "goes on");
    machine->stopped = stopped;
    if (!stopped)
        machine->went_on = larder_now(&world->runtime);
    ldr_sim_stop(&machine->runtime, stopped);
}

void sim_machine_jump(struct sim_world *world, unsigned node)
{
    int64_t ms = (int64_t)sim_draw(world, 2000 * JUMP_MOST_S) - 1000 * JUMP_MOST_S;
    if (sim_chance(world, 500))
        ms /= 1000;
    sim_tell(world, "the wall clock of node %s jumps by %lld ms", sim_node_name(node), (long long)ms);
    ldr_sim_jump(&world->machines[node].runtime, ms);
}

void sim_machine_timer(struct sim_world *world, unsigned node, struct larder_timer *timer, uint64_t delay)
{
    const struct larder_runtime *runtime = &world->machines[node].runtime;
    runtime->timer_start(runtime, timer, larder_now(runtime) + delay);
}

void sim_machine_cancel(struct sim_world *world, unsigned node, struct larder_timer *timer)
{
    const struct larder_runtime *runtime = &world->machines[node].runtime;
    runtime->timer_cancel(runtime, timer);
}
