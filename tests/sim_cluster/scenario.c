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
    sim_expect(request, LARDER_UNAVAILABLE, NULL);
    if (larder_node_ready(world->nodes[0]) != LARDER_UNAVAILABLE)
        sim_fail(world, "node a is ready before its first member list");
}

static void play(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        world->members.in[i] = true;
    world->members.epoch = 1;
    world->members.lag_ns = 100 * SIM_MS;
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (!sim_node_start(world, i))
            return;
    ask_too_early(scenario);
    sim_calm(scenario);
    if (world->failure[0] == '\0')
        sim_storm(scenario);
    if (world->failure[0] == '\0')
        sim_calm(scenario);
}

bool sim_run(uint64_t seed, bool verbose, struct sim_result *result)
{
    struct sim_world *world = sim_world_open(seed, verbose);
    if (world == NULL)
        return false;
    world->suspend_after = sim_chance(world, 500) ? 3 : 50;
    struct scenario scenario = {.world = world, .dynamic = sim_chance(world, 400), .next_key = SIM_KEYS_READ};
    play(&scenario);
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (world->nodes[i] != NULL)
            sim_node_crash(world, i, false);
    *result = (struct sim_result){
        .requests = world->clients.count,
        .calls = world->clients.calls,
        .answered = world->clients.statuses[LARDER_OK] + world->clients.statuses[LARDER_NOT_FOUND],
    };
    for (unsigned key = 0; key < SIM_KEYS; key++)
        result->loads += world->origin.loads[key];
    if (world->origin.under_way != NULL)
        sim_fail(world, "a load is under way although all nodes are closed");
    if (world->clients.pending > 0)
        sim_fail(world, "%zu requests were never answered although all nodes are closed", world->clients.pending);
    sim_network_close(world);
    result->digest = ldr_sim_digest(&world->runtime);
    snprintf(result->failure, sizeof result->failure, "%s", world->failure);
    sim_world_close(world);
    return true;
}
