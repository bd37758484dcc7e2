/* The time of faults: crashes, cuts, losses, slow and failing origins, member lists that lag. */
#include "stages.h"

#define STEPS    200
#define LEASE_MS 3000 /* after which a dead node is taken off the member list, in some runs */

static unsigned members_up(const struct sim_world *world)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        count += world->nodes[i] != NULL;
    return count;
}

static enum larder_operation some_operation(struct sim_world *world)
{
    uint64_t dice = sim_draw(world, 10);
    return dice < 6 ? LARDER_OP_GET : dice < 8 ? LARDER_OP_SET : dice < 9 ? LARDER_OP_DELETE : LARDER_OP_TOUCH;
}

static void ask_something(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    enum larder_operation operation = some_operation(world);
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    if (operation == LARDER_OP_GET && sim_chance(world, 200))
        key = SIM_KEYS_NONE - 1 - (unsigned)sim_draw(world, 4);
    else if (operation == LARDER_OP_GET && sim_chance(world, 50))
        key = SIM_KEYS_NONE;
    uint64_t timeout = 1 + sim_draw(world, sim_chance(world, 300) ? 50 : SIM_REQUEST_MS);
    if (operation == LARDER_OP_TOUCH)
        key = SIM_KEYS_TOUCH + key % (SIM_KEYS_READ - SIM_KEYS_TOUCH);
    if (operation == LARDER_OP_SET && key < SIM_KEYS_TOUCH && sim_chance(world, 500))
        sim_set(world, sim_some_node(world), key, 100 + (int64_t)sim_draw(world, 1000), timeout);
    else
        sim_ask(world, sim_some_node(world), operation, key, timeout);
}

static void change_faults(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    bool lossy = sim_chance(world, 500);
    world->network.faults = (struct sim_faults){
        .delay_ns = (1 + sim_draw(world, 5)) * SIM_MS,
        .slow_permille = (unsigned)sim_draw(world, 30),
        .lost_permille = lossy ? (unsigned)sim_draw(world, 100) : 0,
        .broken_permille = lossy ? (unsigned)sim_draw(world, 100) : 0,
        .doubled_permille = sim_chance(world, 200) ? 50 : 0,
    };
    world->origin.delay_ns = (1 + sim_draw(world, 300)) * SIM_MS;
    world->origin.failing_permille = (unsigned)sim_draw(world, 100);
    world->origin.hanging_permille = (unsigned)sim_draw(world, 50);
}

static void crash_or_restart(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned node = (unsigned)sim_draw(world, SIM_NODES);
    if (world->nodes[node] == NULL) {
        sim_members_change(world, node, true);
        sim_node_start(world, node);
    } else if (members_up(world) > 2) {
        sim_node_crash(world, node, sim_chance(world, 500));
        scenario->down_since[node] = larder_now(&world->runtime);
    }
}

static void cut_or_mend(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned from = (unsigned)sim_draw(world, SIM_NODES), to = (unsigned)sim_draw(world, SIM_NODES);
    bool cut = !world->network.cut[from][to];
    world->network.cut[from][to] = cut;
    if (sim_chance(world, 500))
        world->network.cut[to][from] = cut;
    sim_tell(world, "the link from node %s to node %s is %s", sim_node_name(from), sim_node_name(to),
             cut ? "cut" : "mended");
}

static void expire_leases(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    for (unsigned i = 0; scenario->dynamic && i < SIM_MEMBERS; i++)
        if (world->nodes[i] == NULL && larder_now(&world->runtime) - scenario->down_since[i] > LEASE_MS * SIM_MS)
            sim_members_change(world, i, false);
}

void sim_storm(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    sim_tell(world, "storm");
    change_faults(scenario);
    world->members.lag_ns = 500 * SIM_MS;
    for (unsigned step = 0; step < STEPS && world->failure[0] == '\0'; step++) {
        sim_wait(world, sim_draw(world, 100));
        expire_leases(scenario);
        uint64_t dice = sim_draw(world, 100);
        if (dice < 4)
            crash_or_restart(scenario);
        else if (dice < 8)
            cut_or_mend(scenario);
        else if (dice < 10)
            change_faults(scenario);
        else
            for (uint64_t burst = 1 + sim_draw(world, 4); burst > 0; burst--)
                ask_something(scenario);
    }
    sim_settle(world);
    world->network.faults.lost_permille = world->network.faults.broken_permille = 300;
    sim_wait(world, SIM_LONGEST_MS);
    for (unsigned i = 0; i < 8 && world->failure[0] == '\0'; i++)
        sim_alone(scenario, some_operation(world), (unsigned)sim_draw(world, SIM_KEYS_READ), 1 + SIM_RETRIES);
}
