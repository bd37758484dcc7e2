/* The last one who was caught up is told to leave: it stays until another one is. */
#include "core/base/runtime.h"
#include "core/cluster/peer.h"
#include "core/node/node.h"
#include "stages.h"

#define CUT_MS 3000 /* for longer than a leave takes, and less than a lease */

static bool is_seasoned(const struct sim_world *world, unsigned node)
{
    return world->nodes[node].node->context.cluster->seasoned;
}

static unsigned next_member(const struct sim_world *world, unsigned from, bool that_belongs)
{
    while (world->nodes[from].belongs != that_belongs)
        from = (from + 1) % SIM_MEMBERS;
    return from;
}

static unsigned join(struct sim_world *world)
{
    unsigned node = next_member(world, (unsigned)sim_draw(world, SIM_MEMBERS), false);
    sim_tell(world, "node %s joins", sim_node_name(node));
    world->nodes[node].belongs = true;
    sim_node_start(world, node);
    return node;
}

/* What two newcomers have for each other they cannot say, while the one who was there before gives them all it has. */
static void part(struct scenario *scenario, unsigned leaver)
{
    struct sim_world *world = scenario->world;
    unsigned first = join(world), second = join(world);
    sim_node_leave(world, leaver);
    uint64_t until = larder_now(&world->runtime) + SIM_SETTLED_MS * SIM_MS;
    while (!(sim_registry_list(world)->members[leaver].leaving && sim_node_acts(world, first) &&
             sim_node_acts(world, second)) &&
           larder_now(&world->runtime) < until)
        if (!ldr_sim_step(&world->runtime))
            break;
    sim_link_cut(world, first, second, true);
    sim_link_cut(world, second, first, true);
    for (unsigned waited = 0; waited < CUT_MS; waited += 50) {
        sim_wait(world, 50);
        sim_nodes_look(world);
    }
    if (world->nodes[leaver].node == NULL && !is_seasoned(world, first) && !is_seasoned(world, second))
        sim_fail(world, "node %s has left, although nobody stays who was caught up", sim_node_name(leaver));
    sim_links_mend(world);
}

void sim_parting(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned leaver = next_member(world, (unsigned)sim_draw(world, SIM_MEMBERS), true);
    sim_tell(world, "node %s is the last one", sim_node_name(leaver));
    world->registry.lag_ns = 100 * SIM_MS;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        if (i != leaver && world->nodes[i].belongs)
            sim_node_leave(world, i);
    if (sim_await_order(scenario))
        part(scenario, leaver);
    sim_await_order(scenario);
}
