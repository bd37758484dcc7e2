/*
 * A member whose lease has run out goes on by the word of the others. In the moment in which they act under a list without it,
 * and it has not heard of that, what it writes must not be acknowledged.
 */
#include "core/base/runtime.h"
#include "stages.h"

static bool acts_without(const struct sim_world *world, unsigned node, unsigned other)
{
    return !sim_registry_list(world)->members[other].in && sim_node_acts(world, node);
}

static void write_at(struct sim_world *world, unsigned node, unsigned key)
{
    sim_await(sim_ask(world, node, LARDER_OP_SET, key, SIM_CALM_MS));
}

void sim_lapsed(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = SIM_KEYS_PLAIN + (unsigned)sim_draw(world, SIM_KEYS - SIM_KEYS_PLAIN), stays = 0;
    unsigned lapsed = sim_owner_of(world, key, SIM_GATEWAY);
    while (stays == lapsed || !world->nodes[stays].belongs)
        stays++;
    sim_tell(world, "node %s, which owns key k%u, loses the registry", sim_node_name(lapsed), key);
    sim_link_cut(world, lapsed, SIM_REGISTRY, true);
    sim_link_cut(world, SIM_REGISTRY, lapsed, true);
    uint64_t until = larder_now(&world->runtime) + SIM_SETTLED_MS * SIM_MS;
    while (!acts_without(world, stays, lapsed) && larder_now(&world->runtime) < until)
        if (!ldr_sim_step(&world->runtime))
            break;
    write_at(world, stays, key);
    sim_wait(world, 1); /* what comes next comes later, beyond doubt */
    write_at(world, lapsed, key);
    sim_wait(world, 2 * SIM_FENCE_MS); /* for so long something older may be brought while a lease has run out */
    sim_await(sim_ask(world, stays, LARDER_OP_GET, key, SIM_CALM_MS));
    sim_links_mend(world);
    sim_await_order(scenario);
}
