/* What must work while nothing fails. */
#include <stdio.h>
#include <string.h>

#include "core/node/node.h"
#include "stages.h"

unsigned sim_some_node(struct sim_world *world)
{
    unsigned node = (unsigned)sim_draw(world, SIM_NODES);
    while (world->nodes[node] == NULL)
        node = (node + 1) % SIM_NODES;
    return node;
}

void sim_expect(struct sim_request *request, enum larder_status status, const char *value)
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
            requests[count++] = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_wait(world, sim_draw(world, 8));
    }
    sim_settle(world);
    for (unsigned i = 0; i < count; i++)
        sim_expect(requests[i], LARDER_OK, requests[0]->value);
    if (world->origin.loads[key] != 1)
        sim_fail(world, "the origin was asked %u times for key k%u by %u callers, wanted once",
                 world->origin.loads[key], key, count);
}

struct sim_request *sim_alone(struct scenario *scenario, enum larder_operation operation, unsigned key,
                              unsigned most_calls)
{
    struct sim_world *world = scenario->world;
    uint64_t calls = world->clients.calls;
    struct sim_request *request = sim_ask(world, sim_some_node(world), operation, key, SIM_CALM_MS);
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
    struct sim_request *write = sim_alone(scenario, LARDER_OP_SET, key, 1);
    sim_expect(write, LARDER_OK, NULL);
    snprintf(value, sizeof value, "k%u=w%u", key, write->id);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct sim_request *read = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_settle(world);
        sim_expect(read, LARDER_OK, value);
    }
    sim_expect(sim_alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_OK, NULL);
    struct sim_request *read = sim_alone(scenario, LARDER_OP_GET, key, 1);
    snprintf(value, sizeof value, "k%u=o%u", key, world->origin.loads[key]);
    sim_expect(read, LARDER_OK, value);
    sim_expect(sim_alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_OK, NULL);
    sim_expect(sim_alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_NOT_FOUND, NULL);
}

/* A write while the origin is being asked: whoever asks where it was written, after it was acknowledged, gets the write. */
static void overtake(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    char value[SIM_VALUE_TEXT];
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    sim_await(sim_ask(world, sim_some_node(world), LARDER_OP_DELETE, key, SIM_CALM_MS));
    for (unsigned i = 0; i < SIM_NODES; i++)
        sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
    sim_wait(world, sim_draw(world, 40));
    struct sim_request *write = sim_ask(world, sim_some_node(world), LARDER_OP_SET, key, SIM_CALM_MS);
    sim_await(write);
    struct sim_request *read = sim_ask(world, write->node, LARDER_OP_GET, key, SIM_CALM_MS);
    sim_settle(world);
    snprintf(value, sizeof value, "k%u=w%u", key, write->id);
    sim_expect(read, LARDER_OK, value);
    sim_wait(world, SIM_LONGEST_MS);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        read = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_await(read);
        sim_expect(read, LARDER_OK, value);
    }
}

/* A value lives as long as was said, and no longer, wherever it is asked for. */
static void expire(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    char value[SIM_VALUE_TEXT];
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_TOUCH);
    struct sim_request *write = sim_set(world, sim_some_node(world), key, 1000, SIM_CALM_MS);
    sim_await(write);
    sim_wait(world, 500);
    struct sim_request *read = sim_ask(world, sim_some_node(world), LARDER_OP_GET, key, SIM_CALM_MS);
    sim_await(read);
    snprintf(value, sizeof value, "k%u=w%u", key, write->id);
    sim_expect(read, LARDER_OK, value);
    sim_wait(world, 510);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        read = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_await(read);
        snprintf(value, sizeof value, "k%u=o%u", key, world->origin.loads[key]);
        sim_expect(read, LARDER_OK, value);
    }
}

/* All see the same ring, and nobody shuns anybody any more. */
static void check_views(struct sim_world *world)
{
    struct larder_ring_view first = ldr_cluster_ring(world->nodes[0]->context.cluster);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct larder_ring_view view = ldr_cluster_ring(world->nodes[i]->context.cluster);
        struct ldr_cluster_stats stats;
        ldr_cluster_stats(world->nodes[i]->context.cluster, &stats);
        if (view.checksum != first.checksum || view.epoch != first.epoch)
            sim_fail(world, "nodes %s and a see different rings in calm", sim_node_name(i));
        if (stats.members != SIM_MEMBERS || stats.peer_suspended != 0)
            sim_fail(world, "node %s sees %llu members in calm, %llu of them suspended", sim_node_name(i),
                     (unsigned long long)stats.members, (unsigned long long)stats.peer_suspended);
    }
}

void sim_calm(struct scenario *scenario)
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
    check_views(world);
    for (unsigned i = 0; i < 3; i++) {
        wave(scenario);
        write_and_read(scenario);
        overtake(scenario);
        expire(scenario);
    }
    sim_near(scenario);
    sim_expect(sim_alone(scenario, LARDER_OP_GET, SIM_KEYS_NONE, 1), LARDER_NOT_FOUND, NULL);
}
