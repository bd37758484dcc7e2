#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "world.h"

enum kind { REQUEST, REPLY, BREAK };

/* Something on its way to a node. It owns copies of all bytes. */
struct sim_message {
    struct larder_timer timer; /* first: the timer is the message */
    struct sim_message *next, **link;
    struct sim_call *call;
    enum kind kind;
    unsigned to, incarnation; /* REQUEST */
    struct larder_request request;
    struct larder_reply reply; /* REPLY and BREAK */
    char *text;                /* the reply's message */
};

/* A request that arrived. */
struct sim_inbound {
    struct sim_inbound *next;
    struct sim_call *call;
    unsigned incarnation; /* of the node that got it */
    unsigned answers;
    struct larder_request request; /* its bytes are freed with the answer */
};

const char *sim_node_name(unsigned node)
{
    static const char *const names[SIM_NODES] = {"a", "b", "c", "d", "e", "gate"};
    return names[node];
}

unsigned sim_node_of(const char *name)
{
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (strcmp(name, sim_node_name(i)) == 0)
            return i;
    return SIM_NODES;
}

/* ------------------------------------------------------------------------------------------------ copies */

static void *copy_bytes(const void *data, size_t size)
{
    void *copy = sim_allocate(size + 1);
    if (size > 0 && data != NULL)
        memcpy(copy, data, size);
    return copy;
}

static struct larder_slice copy_slice(struct larder_slice slice)
{
    return ldr_slice(copy_bytes(slice.data, slice.size), slice.size);
}

static struct larder_request copy_request(const struct larder_request *request)
{
    struct larder_request copy = *request;
    copy.group = copy_slice(request->group);
    copy.key = copy_slice(request->key);
    copy.value = copy_slice(request->value);
    copy.sender = copy_slice(request->sender);
    copy.cluster = copy_slice(request->cluster);
    return copy;
}

static void free_request(struct larder_request *request)
{
    free((void *)request->group.data);
    free((void *)request->key.data);
    free((void *)request->value.data);
    free((void *)request->sender.data);
    free((void *)request->cluster.data);
    *request = (struct larder_request){0};
}

/* ------------------------------------------------------------------------------------------------ calls */

void sim_call_release(struct sim_call *call)
{
    if (--call->references == 0)
        free(call);
}

void sim_call_complete(struct sim_call *call, struct larder_reply *reply)
{
    larder_reply_fn done = call->done;
    if (done == NULL) {
        larder_reply_release(reply);
        return;
    }
    call->done = NULL;
    call->world->runtime.timer_cancel(&call->world->runtime, &call->deadline);
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    done(call->arg, reply);
    sim_call_release(call);
}

/* ------------------------------------------------------------------------------------------------ messages */

static void arrive(struct larder_timer *timer);

static uint64_t travel_time(struct sim_world *world)
{
    const struct sim_faults *faults = &world->network.faults;
    uint64_t time = sim_draw(world, faults->delay_ns + 1);
    return sim_chance(world, faults->slow_permille) ? time * 100 : time;
}

/* On its way; when it arrives what it brings is looked at. */
static struct sim_message *send_message(struct sim_call *call, enum kind kind)
{
    struct sim_world *world = call->world;
    struct sim_message *message = sim_allocate(sizeof *message);
    message->timer.fire = arrive;
    message->kind = kind;
    message->call = call;
    call->references++;
    message->next = world->network.messages;
    message->link = &world->network.messages;
    if (message->next != NULL)
        message->next->link = &message->next;
    world->network.messages = message;
    world->runtime.timer_start(&world->runtime, &message->timer, larder_now(&world->runtime) + travel_time(world));
    ldr_sim_note(&world->runtime, (uint64_t)kind << 16 | call->from << 8 | call->to);
    return message;
}

static void free_message(struct sim_message *message)
{
    *message->link = message->next;
    if (message->next != NULL)
        message->next->link = message->link;
    free_request(&message->request);
    larder_reply_release(&message->reply);
    free(message->text);
    sim_call_release(message->call);
    free(message);
}

/* The caller learns that its connection is gone. */
static void break_off(struct sim_call *call, bool not_sent)
{
    struct sim_message *message = send_message(call, BREAK);
    message->reply.status = LARDER_UNAVAILABLE;
    message->reply.flags = not_sent ? LARDER_REPLY_NOT_SENT : 0;
}

/* Whether a message between the two is lost; when its connection breaks with it, that is told to the caller. */
static bool is_lost(struct sim_call *call, unsigned from, unsigned to)
{
    struct sim_world *world = call->world;
    const struct sim_network *network = &world->network;
    if (network->cut[from][to] || sim_chance(world, network->faults.lost_permille))
        return true;
    if (!sim_chance(world, network->faults.broken_permille))
        return false;
    break_off(call, false);
    return true;
}

static void send_request(struct sim_call *call, const struct larder_request *request)
{
    struct sim_message *message = send_message(call, REQUEST);
    message->to = call->to;
    message->incarnation = call->world->network.endpoints[call->to].incarnation;
    message->request = copy_request(request);
}

void sim_network_request(struct sim_world *world, struct sim_call *call, const struct larder_request *request)
{
    const struct sim_endpoint *endpoint = &world->network.endpoints[call->to];
    if (is_lost(call, call->from, call->to))
        return;
    if (endpoint->door == NULL) {
        if (!endpoint->silent)
            break_off(call, true);
        return;
    }
    send_request(call, request);
    if (sim_chance(world, world->network.faults.doubled_permille))
        send_request(call, request);
}

static void send_reply(struct sim_call *call, const struct larder_reply *reply)
{
    struct sim_message *message = send_message(call, REPLY);
    message->reply = *reply;
    char *bytes = sim_allocate(reply->value.size + reply->cluster.size + 1);
    if (reply->value.size > 0)
        memcpy(bytes, reply->value.data, reply->value.size);
    if (reply->cluster.size > 0)
        memcpy(bytes + reply->value.size, reply->cluster.data, reply->cluster.size);
    message->reply.pin = bytes;
    message->reply.release = free;
    message->reply.value.data = bytes;
    message->reply.cluster.data = bytes + reply->value.size;
    message->text = copy_bytes(reply->message.data, reply->message.size);
    message->reply.message.data = message->text;
}

static void answered(void *arg, struct larder_reply *reply)
{
    struct sim_inbound *inbound = arg;
    struct sim_call *call = inbound->call;
    struct sim_world *world = call->world;
    const struct sim_endpoint *endpoint = &world->network.endpoints[call->to];
    if (inbound->answers++ > 0) {
        sim_fail(world, "node %s answered a request of node %s twice", sim_node_name(call->to),
                 sim_node_name(call->from));
    } else {
        free_request(&inbound->request);
        if (endpoint->door != NULL && endpoint->incarnation == inbound->incarnation) {
            if (!is_lost(call, call->to, call->from))
                send_reply(call, reply);
        } else if (!endpoint->silent) {
            break_off(call, false);
        }
    }
    larder_reply_release(reply);
}

static void deliver(struct sim_world *world, struct sim_message *message)
{
    struct sim_network *network = &world->network;
    const struct sim_endpoint *endpoint = &network->endpoints[message->to];
    if (endpoint->door == NULL || endpoint->incarnation != message->incarnation) {
        if (!endpoint->silent)
            break_off(message->call, false);
        return;
    }
    struct sim_inbound *inbound = sim_allocate(sizeof *inbound);
    inbound->call = message->call;
    inbound->call->references++;
    inbound->incarnation = endpoint->incarnation;
    inbound->request = message->request;
    message->request = (struct larder_request){0};
    inbound->next = network->inbound;
    network->inbound = inbound;
    network->delivered += inbound->request.operation <= LARDER_OP_TOUCH;
    const struct larder_transport_host *host = sim_door_host(endpoint->door);
    network->serving = 1 + message->to;
    host->submit(host, &inbound->request, answered, inbound);
    network->serving = 0;
}

static void arrive(struct larder_timer *timer)
{
    struct sim_message *message = (struct sim_message *)timer;
    struct sim_world *world = message->call->world;
    if (message->kind == REQUEST) {
        deliver(world, message);
    } else {
        struct larder_reply reply = message->reply;
        message->reply.release = NULL;
        sim_call_complete(message->call, &reply);
    }
    free_message(message);
}

void sim_network_leave(struct sim_world *world, unsigned node, bool silent)
{
    world->network.endpoints[node].door = NULL;
    world->network.endpoints[node].silent = silent;
}

void sim_network_close(struct sim_world *world)
{
    struct sim_network *network = &world->network;
    while (network->messages != NULL) {
        world->runtime.timer_cancel(&world->runtime, &network->messages->timer);
        free_message(network->messages);
    }
    for (struct sim_inbound *inbound = network->inbound, *next; inbound != NULL; inbound = next) {
        next = inbound->next;
        if (inbound->answers == 0)
            sim_fail(world, "node %s never answered a request of node %s", sim_node_name(inbound->call->to),
                     sim_node_name(inbound->call->from));
        free_request(&inbound->request);
        sim_call_release(inbound->call);
        free(inbound);
    }
    network->inbound = NULL;
}
