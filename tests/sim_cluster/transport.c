/* The transport "memory": a door to the simulated network. */
#define LARDER_PLUGIN_STATIC sim_transport
#include "modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "world.h"

struct sim_door {
    const struct larder_transport_host *host;
    struct sim_world *world;
    unsigned node;
    bool listening;
    unsigned peers; /* handles open */
};

/* A handle for calls. */
struct peer {
    struct sim_door *door;
    unsigned to;
    struct sim_call *calls; /* that wait for their replies */
};

static const struct larder_param params[] = {
    {.name = "listen", .type = LARDER_PARAM_STRING, .required = true, .help = "the name of the node"},
    {.name = NULL},
};

const struct larder_transport_host *sim_door_host(const struct sim_door *door)
{
    return door->host;
}

static void *memory_open(const struct larder_transport_host *host, const struct larder_param_value *values)
{
    unsigned node = sim_node_of(values[0].string);
    if (node == SIM_NODES) {
        host->base.fail(&host->base, LARDER_INVALID, "listen: got \"%s\", wanted a node", values[0].string);
        return NULL;
    }
    struct sim_door *door = sim_allocate(sizeof *door);
    door->host = host;
    door->world = sim_machine_of(host->base.runtime)->world;
    door->node = node;
    return door;
}

static enum larder_status memory_listen(void *state)
{
    struct sim_door *door = state;
    struct sim_endpoint *endpoint = &door->world->network.endpoints[door->node];
    if (endpoint->door != NULL)
        return door->host->base.fail(&door->host->base, LARDER_IO, "somebody listens at %s", sim_node_name(door->node));
    endpoint->door = door;
    endpoint->incarnation++;
    endpoint->silent = false;
    endpoint->serving = 0;
    door->listening = true;
    return LARDER_OK;
}

static void memory_address(void *state, char *buffer, size_t capacity)
{
    const struct sim_door *door = state;
    snprintf(buffer, capacity, "%s", door->listening ? sim_node_name(door->node) : "");
}

/* Nothing can finish while this returns: there is one thread. */
static void memory_drain(void *state, uint64_t deadline)
{
    struct sim_door *door = state;
    (void)deadline;
    struct sim_endpoint *endpoint = &door->world->network.endpoints[door->node];
    if (endpoint->door == door)
        sim_network_leave(door->world, door->node, false);
}

static void memory_close(void *state)
{
    struct sim_door *door = state;
    if (door == NULL)
        return;
    memory_drain(door, 0);
    if (door->peers > 0)
        sim_fail(door->world, "node %s closed its transport before %u peers", sim_node_name(door->node), door->peers);
    free(door);
}

static void *memory_peer_open(void *state, const char *address)
{
    struct sim_door *door = state;
    unsigned to = sim_node_of(address);
    if (to == SIM_NODES) {
        door->host->base.fail(&door->host->base, LARDER_INVALID, "address \"%s\": no such node", address);
        return NULL;
    }
    struct peer *peer = sim_allocate(sizeof *peer);
    peer->door = door;
    peer->to = to;
    door->peers++;
    return peer;
}

static void memory_peer_close(void *handle)
{
    struct peer *peer = handle;
    if (peer == NULL)
        return;
    while (peer->calls != NULL) {
        struct larder_reply reply = {.status = LARDER_UNAVAILABLE, .message = ldr_slice_text("closed")};
        sim_call_complete(peer->calls, &reply);
    }
    peer->door->peers--;
    free(peer);
}

static void time_out(struct larder_timer *timer)
{
    struct sim_call *call = (struct sim_call *)timer;
    struct larder_reply reply = {.status = LARDER_DEADLINE};
    sim_call_complete(call, &reply);
}

static void memory_call(void *handle, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct peer *peer = handle;
    struct sim_world *world = peer->door->world;
    sim_bounds_called(world, peer->door->node, request);
    struct sim_call *call = sim_allocate(sizeof *call);
    call->deadline.fire = time_out;
    call->world = world;
    call->references = 1;
    call->from = peer->door->node;
    call->to = peer->to;
    call->done = done;
    call->arg = arg;
    call->next = peer->calls;
    call->link = &peer->calls;
    if (call->next != NULL)
        call->next->link = &call->next;
    peer->calls = call;
    const struct larder_runtime *runtime = &world->machines[call->from].runtime;
    runtime->timer_start(runtime, &call->deadline, request->deadline);
    sim_network_request(world, call, request);
}

static void memory_stats(void *state, struct larder_transport_stats *stats)
{
    const struct sim_door *door = state;
    *stats = (struct larder_transport_stats){.connections = door->peers};
}

LARDER_TRANSPORT("memory", "a simulated network", params, .open = memory_open, .listen = memory_listen,
                 .address = memory_address, .drain = memory_drain, .close = memory_close, .peer_open = memory_peer_open,
                 .peer_close = memory_peer_close, .call = memory_call, .stats = memory_stats);
