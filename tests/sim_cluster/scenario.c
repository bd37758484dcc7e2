/*
 * A run: the nodes start; a calm time, in which everything must work; a storm of faults, in which promises must hold; then
 * the faults end, and everything must work again.
 */
#include "scenario.h"

#include <stdio.h>

#include "core/base/runtime.h"
#include "larder/larder.h"
#include "stages.h"

/* A node that has not heard who the members are owns nothing and answers for no key. */
static void ask_too_early(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    struct sim_request *request = sim_ask(world, 0, LARDER_OP_GET, scenario->next_key++, SIM_CALM_MS);
    if (request->completions == 0 || request->status != LARDER_UNAVAILABLE)
        sim_fail(world, "node a answered for a key before its first member list");
    if (larder_node_ready(world->nodes[0].node) != LARDER_UNAVAILABLE)
        sim_fail(world, "node a is ready before its first member list");
}

static bool start_all(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    bool at_once = sim_chance(world, 500);
    world->members.epoch = 1;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        world->nodes[i].belongs = i < world->plan.members || i == SIM_GATEWAY;
        if (i < world->plan.members)
            world->members.in[i] = true;
    }
    world->members.lag_ns = world->registry.lag_ns = 100 * SIM_MS;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (!world->nodes[i].belongs)
            continue;
        if (!sim_node_start(world, i))
            return false;
        if (i == 0)
            ask_too_early(scenario);
        if (!at_once)
            sim_wait(world, sim_draw(world, 500));
    }
    return true;
}

static void play(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    if (!start_all(scenario))
        return;
    if (world->plan.kind == SIM_ELASTIC) {
        sim_elastic(scenario);
        return;
    }
    sim_calm(scenario);
    if (world->failure[0] == '\0')
        sim_storm(scenario);
    if (world->failure[0] == '\0')
        sim_calm(scenario);
    if (world->failure[0] == '\0' && world->plan.kind == SIM_STRICT && !world->plan.small)
        sim_late(scenario);
    if (world->failure[0] == '\0' && world->plan.kind == SIM_STRICT && !world->plan.small)
        sim_apart(scenario);
}

static struct sim_plan draw_plan(struct sim_world *world, enum sim_kind kind)
{
    struct sim_plan plan = {
        .kind = kind,
        .registry = kind >= SIM_LEASED,
        .strict = kind == SIM_STRICT || (kind == SIM_ELASTIC && sim_chance(world, 500)),
        .members = 5,
        .replicas = 1 + (unsigned)sim_draw(world, 2),
        .suspend_after = sim_chance(world, 500) ? 3 : 50,
        .tombstone_ms = sim_chance(world, 300)   ? 5000
                        : sim_chance(world, 500) ? 10000
                                                 : 60000,
    };
    if (plan.registry)
        plan.members = 1 + (unsigned)sim_draw(world, 5);
    if (plan.strict)
        plan.replicas++;
    if (kind == SIM_LEASED || kind == SIM_STRICT)
        plan.small = sim_chance(world, 200);
    sim_tell(world, "%s: %u members, %u replicas, write_acks: %s, tombstones of %u ms%s", sim_kind_name(kind),
             plan.members, plan.replicas, plan.strict ? "all" : "one", plan.tombstone_ms,
             plan.small ? ", little room" : "");
    return plan;
}

static void count(struct scenario *scenario, struct sim_result *result)
{
    const struct sim_world *world = scenario->world;
    const struct sim_verdicts *verdicts = &world->checker.verdicts;
    *result = (struct sim_result){
        .runs = 1,
        .requests = world->clients.count,
        .calls = world->bounds.calls,
        .answered = world->clients.statuses[LARDER_OK] + world->clients.statuses[LARDER_NOT_FOUND],
        .virtual_ns = larder_now(&world->runtime),
        .stale = verdicts->stale,
        .resurrected = verdicts->resurrected,
        .lost = verdicts->lost,
        .stalest_ns = verdicts->stalest_ns,
        .settlings = scenario->settlings,
        .settling_ns = scenario->settling_ns,
        .slowest_ns = scenario->slowest_ns,
        .moved = scenario->moved,
        .had_to_move = scenario->had_to_move,
        .writes = scenario->writes,
        .writes_ns = scenario->writes_ns,
    };
    for (unsigned key = 0; key < SIM_KEYS; key++)
        result->loads += world->origin.loads[key];
}

void sim_result_add(struct sim_result *total, const struct sim_result *one)
{
    total->runs += one->runs;
    total->requests += one->requests;
    total->calls += one->calls;
    total->loads += one->loads;
    total->answered += one->answered;
    total->virtual_ns += one->virtual_ns;
    total->stale += one->stale;
    total->resurrected += one->resurrected;
    total->lost += one->lost;
    total->settlings += one->settlings;
    total->settling_ns += one->settling_ns;
    total->moved += one->moved;
    total->had_to_move += one->had_to_move;
    total->writes += one->writes;
    total->writes_ns += one->writes_ns;
    if (total->stalest_ns < one->stalest_ns)
        total->stalest_ns = one->stalest_ns;
    if (total->slowest_ns < one->slowest_ns)
        total->slowest_ns = one->slowest_ns;
}

/* Kinds take turns. */
enum sim_kind sim_run_kind(const struct sim_run *run)
{
    static const enum sim_kind turns[] = {SIM_STRICT, SIM_LEASED, SIM_FIXED,   SIM_STRICT,
                                          SIM_LEASED, SIM_STRICT, SIM_DYNAMIC, SIM_ELASTIC};
    return run->kind != SIM_KINDS ? run->kind : turns[run->seed % (sizeof turns / sizeof *turns)];
}

bool sim_run(struct sim_run *run)
{
    struct sim_world *world = sim_world_open(run->seed, run->verbose);
    if (world == NULL)
        return false;
    world->plan = draw_plan(world, sim_run_kind(run));
    world->plan.beyond = run->beyond;
    world->plan.hot = run->seed / 8 % 2 == 0; /* by no draw: what others do is what they did before */
    world->checker.strict = world->plan.strict;
    struct scenario scenario = {.world = world, .next_key = SIM_KEYS_READ};
    uint64_t start = larder_now(&world->runtime);
    play(&scenario);
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (world->nodes[i].node != NULL)
            sim_node_crash(world, i, false);
    count(&scenario, &run->result);
    run->result.virtual_ns -= start;
    if (world->origin.under_way != NULL)
        sim_fail(world, "a load is under way although all nodes are closed");
    if (world->clients.pending > 0)
        sim_fail(world, "%zu requests were never answered although all nodes are closed", world->clients.pending);
    sim_network_close(world);
    run->digest = ldr_sim_digest(&world->runtime);
    snprintf(run->failure, sizeof run->failure, "%s", world->failure);
    sim_world_close(world);
    return true;
}
