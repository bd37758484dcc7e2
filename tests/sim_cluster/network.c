#include "network.h"

#include <stdlib.h>

#include "core/base/runtime.h"
#include "parcel.h"
#include "world.h"

enum kind { REQUEST, REPLY, BREAK };

/* Something on its way to a node. It owns copies of all bytes. */
struct sim_message {
    struct larder_timer timer; /* first, on the receiver's machine: the timer is the message */
    struct sim_message *next, **link;
    struct sim_call *call;
    enum kind kind;
    unsigned incarnation; /* of the receiver of a REQUEST */
    struct larder_request request;
    uint64_t time_left;        /* of the request's: no two clocks agree on its deadline */
    struct larder_reply reply; /* REPLY and BREAK */
};

/* A request that arrived. */
struct sim_inbound {
    struct sim_inbound *next;
    struct sim_call *call;
    unsigned incarnation; /* of the node that got it */
    unsigned answers;
    struct larder_request request; /* its bytes are freed with the answer */
};

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
    sim_machine_cancel(call->world, call->from, &call->deadline);
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    done(call->arg, reply);
    sim_call_release(call);
}

/* ------------------------------------------------------------------------------------------------ messages */

static void arrive(struct larder_timer *timer);

static unsigned receiver(const struct sim_message *message)
{
    return message->kind == REQUEST ? message->call->to : message->call->from;
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
    sim_machine_timer(world, receiver(message), &message->timer, sim_link_time(world));
    ldr_sim_note(&world->runtime, (uint64_t)kind << 16 | call->from << 8 | call->to);
    return message;
}

static void free_message(struct sim_message *message)
{
    *message->link = message->next;
    if (message->next != NULL)
        message->next->link = message->link;
    sim_request_free(&message->request);
    larder_reply_release(&message->reply);
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
    if (sim_link_loses(world, from, to))
        return true;
    if (!sim_chance(world, world->links.faults.broken_permille))
        return false;
    break_off(call, false);
    return true;
}

static void send_request(struct sim_call *call, const struct larder_request *request)
{
    struct sim_world *world = call->world;
    uint64_t now = larder_now(&world->machines[call->from].runtime);
    struct sim_message *message = send_message(call, REQUEST);
    message->incarnation = world->network.endpoints[call->to].incarnation;
    message->request = sim_request_copy(request);
    message->time_left = request->deadline > now ? request->deadline - now : 0;
}

void sim_network_request(struct sim_world *world, struct sim_call *call, const struct larder_request *request)
{
    const struct sim_endpoint *endpoint = &world->network.endpoints[call->to];
    if (world->network.endpoints[call->from].door == NULL)
        return; /* the caller is dead and only does not know it yet */
    if (world->links.shut[call->from][call->to] || is_lost(call, call->from, call->to))
        return;
    if (request->operation == LARDER_OP_FORGET && sim_chance(world, world->links.faults.untold_permille))
        return;
    if (endpoint->door == NULL) {
        if (!endpoint->silent) {
            sim_bounds_refused(world, call->from, request);
            break_off(call, true);
        }
        return;
    }
    send_request(call, request);
    if (sim_chance(world, world->links.faults.doubled_permille))
        send_request(call, request);
}

static void answered(void *arg, struct larder_reply *reply)
{
    struct sim_inbound *inbound = arg;
    struct sim_call *call = inbound->call;
    struct sim_world *world = call->world;
    struct sim_endpoint *endpoint = &world->network.endpoints[call->to];
    if (inbound->answers++ > 0) {
        sim_fail(world, "node %s answered a request of node %s twice", sim_node_name(call->to),
                 sim_node_name(call->from));
    } else {
        sim_request_free(&inbound->request);
        if (endpoint->door != NULL && endpoint->incarnation == inbound->incarnation) {
            endpoint->serving--;
            if (!is_lost(call, call->to, call->from))
                send_message(call, REPLY)->reply = sim_reply_copy(reply);
        } else if (!endpoint->silent) {
            break_off(call, false);
        }
    }
    larder_reply_release(reply);
}

static void deliver(struct sim_world *world, struct sim_message *message)
{
    struct sim_network *network = &world->network;
    unsigned to = message->call->to;
    struct sim_endpoint *endpoint = &network->endpoints[to];
    if (endpoint->door == NULL || endpoint->incarnation != message->incarnation) {
        if (!endpoint->silent)
            break_off(message->call, false);
        return;
    }
    struct sim_inbound *inbound = sim_allocate(sizeof *inbound);
    inbound->call = message->call;
    inbound->call->references++;
    inbound->incarnation = endpoint->incarnation;
    endpoint->serving++;
    inbound->request = message->request;
    if (inbound->request.deadline != LARDER_NEVER)
        inbound->request.deadline = larder_now(&world->machines[to].runtime) + message->time_left;
    message->request = (struct larder_request){0};
    inbound->next = network->inbound;
    network->inbound = inbound;
    sim_clients_delivered(world, to, &inbound->request);
    sim_bounds_delivered(world, to, &inbound->request);
    const struct larder_transport_host *host = sim_door_host(endpoint->door);
    network->serving = 1 + to;
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
        sim_machine_cancel(world, receiver(network->messages), &network->messages->timer);
        free_message(network->messages);
    }
    for (struct sim_inbound *inbound = network->inbound, *next; inbound != NULL; inbound = next) {
        next = inbound->next;
        if (inbound->answers == 0)
            sim_fail(world, "node %s never answered a request of node %s", sim_node_name(inbound->call->to),
                     sim_node_name(inbound->call->from));
        sim_request_free(&inbound->request);
        sim_call_release(inbound->call);
        free(inbound);
    }
    network->inbound = NULL;
}
