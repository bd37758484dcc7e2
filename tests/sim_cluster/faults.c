/* What may go wrong, one thing at a time, and how it ends. */
#include "stages.h"

#define LEASE_MS 3000 /* after which a dead node is taken off a dynamic list */

/* Fewest members that go on in spite of all faults. */
static unsigned fewest(const struct sim_world *world)
{
    return world->plan.registry ? 1 : 3;
}

void sim_some_weather(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    bool lossy = sim_chance(world, 500);
    world->links.faults = (struct sim_faults){
        .delay_ns = (1 + sim_draw(world, 5)) * SIM_MS,
        .slow_permille = sim_chance(world, 200) ? 200 : (unsigned)sim_draw(world, 30),
        .lost_permille = lossy ? (unsigned)sim_draw(world, 100) : 0,
        .broken_permille = lossy ? (unsigned)sim_draw(world, 100) : 0,
        .doubled_permille = sim_chance(world, 300) ? 200 : 0,
        .untold_permille = sim_chance(world, 200) ? 500 : 0,
    };
    world->origin.delay_ns = (1 + sim_draw(world, 300)) * SIM_MS;
    world->origin.failing_permille = (unsigned)sim_draw(world, 100);
    world->origin.hanging_permille = (unsigned)sim_draw(world, 50);
    world->members.lag_ns = 500 * SIM_MS;
    world->registry.lag_ns = (sim_chance(world, 500) ? 6000 : 200) * SIM_MS;
    world->registry.lying_permille = sim_chance(world, 300) ? 300 : 0;
}

/* ------------------------------------------------------------------------------------------------ nodes */

static void crash_or_restart(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned node = (unsigned)sim_draw(world, SIM_NODES);
    if (!world->nodes[node].belongs)
        return;
    if (world->nodes[node].node == NULL) {
        sim_members_change(world, node, true);
        sim_node_start(world, node);
    } else if (node == SIM_GATEWAY || sim_members_up(world) > fewest(world)) {
        sim_node_crash(world, node, sim_chance(world, 500));
        scenario->down_since[node] = larder_now(&world->runtime);
    }
}

/* For less than a lease, or for longer. */
static void stop(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned node = (unsigned)sim_draw(world, SIM_NODES);
    if (!sim_node_runs(world, node) || (node != SIM_GATEWAY && sim_members_up(world) <= fewest(world)))
        return;
    uint64_t most = sim_chance(world, 500) ? 1000 : 3 * SIM_LEASE_MS;
    sim_machine_stop(world, node, true);
    scenario->stopped_until[node] = larder_now(&world->runtime) + (1 + sim_draw(world, most)) * SIM_MS;
}

static void join_or_leave(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned node = (unsigned)sim_draw(world, SIM_MEMBERS);
    struct sim_node *machine = &world->nodes[node];
    if (!world->plan.registry)
        return;
    if (machine->leaving)
        return;
    if (!machine->belongs) {
        sim_tell(world, "node %s joins", sim_node_name(node));
        machine->belongs = true;
        sim_node_start(world, node);
    } else if (sim_node_runs(world, node) && sim_members_up(world) > fewest(world)) {
        machine->belongs = false;
        if (sim_chance(world, 250))
            sim_node_close(world, node);
        else
            sim_node_leave(world, node);
    }
}

static void jump(struct scenario *scenario)
{
    sim_machine_jump(scenario->world, (unsigned)sim_draw(scenario->world, SIM_NODES));
}

/* ------------------------------------------------------------------------------------------------ links */

static void cut_or_mend(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned places = world->plan.registry ? SIM_PLACES : SIM_NODES;
    unsigned from = (unsigned)sim_draw(world, places), to = (unsigned)sim_draw(world, places);
    bool cut = !world->links.cut[from][to];
    sim_link_cut(world, from, to, cut);
    if (sim_chance(world, 500))
        sim_link_cut(world, to, from, cut);
}

static void split_or_mend(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    if (sim_link_any_cut(world))
        sim_links_mend(world);
    else if (sim_chance(world, 500))
        sim_links_split(world);
    else
        sim_links_isolate(world, (unsigned)sim_draw(world, SIM_NODES));
}

/* ------------------------------------------------------------------------------------------------ the registry */

static void registry_goes(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    if (!world->plan.registry || world->registry.away)
        return;
    sim_registry_away(world, true, sim_chance(world, 700));
    scenario->away_until = larder_now(&world->runtime) + (1 + sim_draw(world, 4 * SIM_LEASE_MS)) * SIM_MS;
}

/* Taken away by somebody, while its holder still counts on it: against that nothing strict is promised. */
static void lose_lease(struct scenario *scenario)
{
    if (scenario->world->plan.registry && !scenario->world->plan.strict)
        sim_registry_drop_lease(scenario->world, (unsigned)sim_draw(scenario->world, SIM_MEMBERS));
}

/* ------------------------------------------------------------------------------------------------ all of them */

void sim_some_fault(struct scenario *scenario)
{
    static void (*const faults[])(struct scenario *) = {
        crash_or_restart,
        crash_or_restart,
        crash_or_restart,
        stop,
        stop,
        join_or_leave,
        join_or_leave,
        cut_or_mend,
        cut_or_mend,
        cut_or_mend,
        split_or_mend,
        split_or_mend,
        jump,
        registry_goes,
        lose_lease,
        sim_some_weather,
        sim_some_weather,
    };
    faults[sim_draw(scenario->world, sizeof faults / sizeof *faults)](scenario);
}

void sim_pass_time(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    uint64_t now = larder_now(&world->runtime);
    sim_nodes_look(world);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (world->machines[i].stopped && now >= scenario->stopped_until[i])
            sim_machine_stop(world, i, false);
        if (world->plan.kind == SIM_DYNAMIC && world->nodes[i].belongs && world->nodes[i].node == NULL &&
            now - scenario->down_since[i] > LEASE_MS * SIM_MS)
            sim_members_change(world, i, false);
    }
    if (world->registry.away && now >= scenario->away_until)
        sim_registry_away(world, false, false);
}

void sim_end_faults(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    world->links.faults = (struct sim_faults){.delay_ns = 1 * SIM_MS};
    world->origin.delay_ns = 100 * SIM_MS;
    world->origin.failing_permille = world->origin.hanging_permille = 0;
    world->members.lag_ns = world->registry.lag_ns = 100 * SIM_MS;
    world->registry.lying_permille = 0;
    sim_links_mend(world);
    sim_registry_away(world, false, false);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        sim_machine_stop(world, i, false);
        if (!world->nodes[i].belongs)
            continue;
        sim_members_change(world, i, true);
        if (world->nodes[i].node == NULL && !sim_node_start(world, i))
            return;
    }
}
