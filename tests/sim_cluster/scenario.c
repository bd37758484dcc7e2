/*
 * A run: the nodes start; a calm time, in which everything must work; a storm of faults, in which promises must hold; then
 * the faults end, and everything must work again.
 */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#include "core/base/runtime.h"
#include "larder/larder.h"
#include "world.h"

#define STORM_STEPS 200
#define LEASE_MS    3000 /* after which a dead node is taken off the member list, in some runs */
#define CALM_MS     2500 /* what a request may take in a calm time */

struct scenario {
    struct sim_world *world;
    bool dynamic; /* dead nodes leave the member list */
    uint64_t down_since[SIM_NODES];
    unsigned next_key; /* the next key that nobody has asked for yet */
};

static unsigned members_up(const struct sim_world *world)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        count += world->nodes[i] != NULL;
    return count;
}

/* Any node that is up. */
static unsigned some_node(struct sim_world *world)
{
    unsigned node = (unsigned)sim_draw(world, SIM_NODES);
    while (world->nodes[node] == NULL)
        node = (node + 1) % SIM_NODES;
    return node;
}

/* ------------------------------------------------------------------------------------------------ calm */

static void expect(struct sim_request *request, enum larder_status status, const char *value)
{
    struct sim_world *world = request->world;
    if (request->completions == 0)
        return; /* reported by whoever waited */
    if (request->status != status)
        sim_fail(world, "request %u on key k%u at node %s was answered %s in calm, wanted %s", request->id,
                 request->key, sim_node_name(request->node), larder_status_name(request->status),
                 larder_status_name(status));
    else if (value != NULL && strcmp(request->value, value) != 0)
        sim_fail(world, "request %u on key k%u at node %s brought \"%s\" in calm, wanted \"%s\"", request->id,
                 request->key, sim_node_name(request->node), request->value, value);
}

/* Many callers at all nodes ask for one key that is nowhere: the origin is asked once, and all get its answer. */
static void wave(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    struct sim_request *requests[4 * SIM_NODES];
    unsigned count = 0, key = scenario->next_key++;
    sim_tell(world, "a wave for key k%u", key);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < SIM_NODES; i++)
            requests[count++] = sim_ask(world, i, LARDER_OP_GET, key, CALM_MS);
        sim_wait(world, sim_draw(world, 8));
    }
    sim_settle(world);
    for (unsigned i = 0; i < count; i++)
        expect(requests[i], LARDER_OK, requests[0]->value);
    if (world->origin.loads[key] != 1)
        sim_fail(world, "the origin was asked %u times for key k%u by %u callers, wanted once",
                 world->origin.loads[key], key, count);
}

/* One request with nothing else under way: how many requests between nodes it takes. */
static struct sim_request *alone(struct scenario *scenario, enum larder_operation operation, unsigned key,
                                 unsigned most_calls)
{
    struct sim_world *world = scenario->world;
    uint64_t calls = world->clients.calls;
    struct sim_request *request = sim_ask(world, some_node(world), operation, key, CALM_MS);
    sim_settle(world);
    sim_wait(world, SIM_LONGEST_MS); /* what still goes on without its client counts too */
    calls = world->clients.calls - calls;
    if (calls > most_calls)
        sim_fail(world, "request %u on key k%u at node %s took %llu requests between nodes, wanted at most %u",
                 request->id, key, sim_node_name(request->node), (unsigned long long)calls, most_calls);
    return request;
}

/* What was written is read at every node, what was deleted is not. */
static void write_and_read(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    char value[SIM_VALUE_TEXT];
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    struct sim_request *write = alone(scenario, LARDER_OP_SET, key, 1);
    expect(write, LARDER_OK, NULL);
    snprintf(value, sizeof value, "k%u=w%u", key, write->id);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct sim_request *read = sim_ask(world, i, LARDER_OP_GET, key, CALM_MS);
        sim_settle(world);
        expect(read, LARDER_OK, value);
    }
    expect(alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_OK, NULL);
    struct sim_request *read = alone(scenario, LARDER_OP_GET, key, 1);
    snprintf(value, sizeof value, "k%u=o%u", key, world->origin.loads[key]);
    expect(read, LARDER_OK, value);
    expect(alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_OK, NULL);
    expect(alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_NOT_FOUND, NULL);
}

/* A write while the origin is being asked: whoever asks where it was written, after it was acknowledged, gets the write. */
static void overtake(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    char value[SIM_VALUE_TEXT];
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    sim_await(sim_ask(world, some_node(world), LARDER_OP_DELETE, key, CALM_MS));
    for (unsigned i = 0; i < SIM_NODES; i++)
        sim_ask(world, i, LARDER_OP_GET, key, CALM_MS);
    sim_wait(world, sim_draw(world, 40));
    struct sim_request *write = sim_ask(world, some_node(world), LARDER_OP_SET, key, CALM_MS);
    sim_await(write);
    struct sim_request *read = sim_ask(world, write->node, LARDER_OP_GET, key, CALM_MS);
    sim_settle(world);
    snprintf(value, sizeof value, "k%u=w%u", key, write->id);
    expect(read, LARDER_OK, value);
    sim_wait(world, SIM_LONGEST_MS);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        read = sim_ask(world, i, LARDER_OP_GET, key, CALM_MS);
        sim_await(read);
        expect(read, LARDER_OK, value);
    }
}

static void calm(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    sim_tell(world, "calm");
    world->network.faults = (struct sim_faults){.delay_ns = 1 * SIM_MS};
    world->origin.delay_ns = 100 * SIM_MS;
    world->origin.failing_permille = world->origin.hanging_permille = 0;
    memset(world->network.cut, 0, sizeof world->network.cut);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        sim_members_change(world, i, true);
        if (world->nodes[i] == NULL && !sim_node_start(world, i))
            return;
    }
    sim_settle(world);
    sim_wait(world, SIM_SETTLED_MS);
    for (unsigned i = 0; i < 3; i++) {
        wave(scenario);
        write_and_read(scenario);
        overtake(scenario);
    }
    expect(alone(scenario, LARDER_OP_GET, SIM_KEYS_NONE, 1), LARDER_NOT_FOUND, NULL);
}

/* ------------------------------------------------------------------------------------------------ storm */

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
    sim_ask(world, some_node(world), operation, key, 1 + sim_draw(world, sim_chance(world, 300) ? 50 : SIM_REQUEST_MS));
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

static void storm(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    sim_tell(world, "storm");
    change_faults(scenario);
    world->members.lag_ns = 500 * SIM_MS;
    for (unsigned step = 0; step < STORM_STEPS && world->failure[0] == '\0'; step++) {
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
        alone(scenario, some_operation(world), (unsigned)sim_draw(world, SIM_KEYS_READ), 1 + SIM_RETRIES);
}

/* ------------------------------------------------------------------------------------------------ the whole */

/* A node that has not heard who the members are owns nothing and answers for no key. */
static void ask_too_early(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    struct sim_request *request = sim_ask(world, 0, LARDER_OP_GET, scenario->next_key++, CALM_MS);
    expect(request, LARDER_UNAVAILABLE, NULL);
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
    calm(scenario);
    if (world->failure[0] == '\0')
        storm(scenario);
    if (world->failure[0] == '\0')
        calm(scenario);
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
