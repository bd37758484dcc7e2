#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/node/node.h"
#include "world.h"

static const char *operation_name(enum larder_operation operation)
{
    static const char *const names[SIM_OPERATIONS] = {"", "get", "set", "delete", "touch"};
    return (unsigned)operation < SIM_OPERATIONS ? names[operation] : "other";
}

/* ------------------------------------------------------------------------------------------------ checks */

/* The write that a value came from; NULL: it came from the origin. False: the key never had this value. */
static bool find_write(const struct sim_world *world, unsigned key, const char *value, const struct sim_request **write)
{
    unsigned named, number;
    char kind, again[SIM_VALUE_TEXT];
    *write = NULL;
    if (sscanf(value, "k%u=%c%u", &named, &kind, &number) != 3)
        return false;
    snprintf(again, sizeof again, "k%u=%c%u", named, kind, number);
    if (strcmp(value, again) != 0 || named != key)
        return false;
    if (kind == 'o')
        return number >= 1 && number <= world->origin.loads[key];
    if (kind != 'w' || number >= world->clients.count)
        return false;
    *write = world->clients.requests[number];
    return (*write)->operation == LARDER_OP_SET && (*write)->key == key;
}

/* The owner counts from when it gets the write, which may be under way for a while after its client has given up. */
static bool has_passed(const struct sim_request *write)
{
    uint64_t lives = (uint64_t)write->ttl_ms * SIM_MS + 2 * SIM_TRAVEL_MS * SIM_MS;
    return write->ttl_ms > 0 && larder_now(&write->world->runtime) > write->deadline + lives;
}

static void check_value(struct sim_request *request, struct larder_slice value)
{
    if (value.size >= sizeof request->value) {
        sim_fail(request->world, "a get of key k%u at node %s brought %zu bytes", request->key,
                 sim_node_name(request->node), value.size);
        return;
    }
    memcpy(request->value, value.data, value.size);
    request->value[value.size] = '\0';
    const struct sim_request *write;
    if (!find_write(request->world, request->key, request->value, &write))
        sim_fail(request->world, "a get of key k%u at node %s brought \"%s\", which it never had", request->key,
                 sim_node_name(request->node), request->value);
    else if (write != NULL && has_passed(write))
        sim_fail(request->world, "a get of key k%u at node %s brought \"%s\", whose time has passed", request->key,
                 sim_node_name(request->node), request->value);
}

/* Answers that the cluster may give when everything may fail. */
static bool may_answer(const struct sim_request *request)
{
    switch (request->status) {
    case LARDER_OK: return request->operation != LARDER_OP_GET || request->key < SIM_KEYS_NONE;
    case LARDER_NOT_FOUND: return request->operation != LARDER_OP_GET || request->key >= SIM_KEYS_NONE;
    case LARDER_LOAD_FAILED: return request->operation == LARDER_OP_GET;
    case LARDER_DEADLINE:
    case LARDER_UNAVAILABLE: return true;
    default: return false;
    }
}

static void check_answer(struct sim_request *request, const struct larder_reply *reply)
{
    struct sim_world *world = request->world;
    uint64_t now = larder_now(&world->runtime);
    const char *operation = operation_name(request->operation), *node = sim_node_name(request->node);
    if (now > request->deadline)
        sim_fail(world, "a %s of key k%u at node %s was answered %llu ns after its deadline", operation, request->key,
                 node, (unsigned long long)(now - request->deadline));
    if (!may_answer(request))
        sim_fail(world, "a %s of key k%u at node %s was answered %s: %.*s", operation, request->key, node,
                 larder_status_name(request->status), (int)reply->message.size, (const char *)reply->message.data);
    if (request->operation == LARDER_OP_GET && request->status == LARDER_OK)
        check_value(request, reply->value);
}

static void completed(void *arg, struct larder_reply *reply)
{
    struct sim_request *request = arg;
    struct sim_world *world = request->world;
    if (request->completions++ > 0) {
        sim_fail(world, "a %s of key k%u at node %s was answered twice", operation_name(request->operation),
                 request->key, sim_node_name(request->node));
    } else {
        request->status = reply->status;
        world->clients.pending--;
        world->clients.statuses[reply->status]++;
        check_answer(request, reply);
        ldr_sim_note(&world->runtime, (uint64_t)request->id << 8 | reply->status);
        sim_tell(world, "%u: %s %s %s", request->id, larder_status_name(reply->status),
                 larder_source_name(reply->source), request->value);
        memset(request->given_key, '#', sizeof request->given_key);
        memset(request->given_value, '#', sizeof request->given_value);
        memset(&request->given, 0xee, sizeof request->given);
    }
    larder_reply_release(reply);
}

/* ------------------------------------------------------------------------------------------------ asking */

static struct sim_request *new_request(struct sim_world *world)
{
    struct sim_clients *clients = &world->clients;
    if (clients->count == clients->capacity) {
        size_t capacity = clients->capacity == 0 ? 256 : 2 * clients->capacity;
        struct sim_request **requests = sim_allocate(capacity * sizeof *requests);
        if (clients->count > 0)
            memcpy(requests, clients->requests, clients->count * sizeof *requests);
        free(clients->requests);
        clients->requests = requests;
        clients->capacity = capacity;
    }
    struct sim_request *request = sim_allocate(sizeof *request);
    request->world = world;
    request->id = (unsigned)clients->count;
    clients->requests[clients->count++] = request;
    return request;
}

static struct sim_request *ask(struct sim_world *world, unsigned node, enum larder_operation operation, unsigned key,
                               int64_t ttl_ms, uint64_t timeout_ms)
{
    struct sim_clients *clients = &world->clients;
    struct sim_request *request = new_request(world);
    request->node = node;
    request->key = key;
    request->operation = operation;
    request->ttl_ms = ttl_ms;
    request->deadline = larder_deadline_in(&world->runtime, timeout_ms);
    sim_key_name(key, request->given_key);
    request->given = (struct larder_request){
        .operation = operation,
        .group = ldr_slice_text(SIM_GROUP),
        .key = ldr_slice_text(request->given_key),
        .ttl_ms = ttl_ms,
        .deadline = request->deadline,
    };
    if (operation == LARDER_OP_SET) {
        snprintf(request->given_value, sizeof request->given_value, "k%u=w%u", key, request->id);
        request->given.value = ldr_slice_text(request->given_value);
    }
    clients->pending++;
    clients->asked[node][operation][key]++;
    clients->asked_at[node][operation][key] = larder_now(&world->runtime);
    sim_tell(world, "%u: %s k%u at node %s", request->id, operation_name(operation), key, sim_node_name(node));
    ldr_node_execute(world->nodes[node], &request->given, completed, request);
    return request;
}

struct sim_request *sim_ask(struct sim_world *world, unsigned node, enum larder_operation operation, unsigned key,
                            uint64_t timeout_ms)
{
    return ask(world, node, operation, key, LARDER_TTL_DEFAULT, timeout_ms);
}

struct sim_request *sim_set(struct sim_world *world, unsigned node, unsigned key, int64_t ttl_ms, uint64_t timeout_ms)
{
    return ask(world, node, LARDER_OP_SET, key, ttl_ms, timeout_ms);
}

void sim_await(struct sim_request *request)
{
    struct sim_world *world = request->world;
    while (request->completions == 0 && larder_now(&world->runtime) <= request->deadline)
        if (!ldr_sim_step(&world->runtime))
            break;
    if (request->completions == 0)
        sim_fail(world, "a %s of key k%u at node %s was never answered", operation_name(request->operation),
                 request->key, sim_node_name(request->node));
}

void sim_settle(struct sim_world *world)
{
    for (size_t i = 0; i < world->clients.count; i++)
        sim_await(world->clients.requests[i]);
}

/*
 * A request between nodes has its cause in a client's request of the same kind at the node that sends it: one hop, and
 * no more attempts than configured. What is sent long after the last one asked comes from somewhere else.
 */
void sim_clients_called(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    struct sim_clients *clients = &world->clients;
    unsigned operation = (unsigned)request->operation, key = sim_key_of(request->key);
    const char *name = sim_node_name(node);
    clients->calls++;
    if (operation >= SIM_OPERATIONS || key == SIM_KEYS) {
        sim_fail(world, "node %s sent operation %u on key %.*s, which nobody asked for", name, operation,
                 (int)request->key.size, (const char *)request->key.data);
        return;
    }
    uint64_t asked = clients->asked[node][operation][key], called = ++clients->called[node][operation][key];
    if (called > asked * (1 + SIM_RETRIES))
        sim_fail(world, "node %s sent %llu requests to %s key k%u for %llu of its clients", name,
                 (unsigned long long)called, operation_name(request->operation), key, (unsigned long long)asked);
    uint64_t age = larder_now(&world->runtime) - clients->asked_at[node][operation][key];
    if (age > SIM_LONGEST_MS * SIM_MS)
        sim_fail(world, "node %s sent a request to %s key k%u, for which no client waits", name,
                 operation_name(request->operation), key);
}

void sim_clients_close(struct sim_world *world)
{
    for (size_t i = 0; i < world->clients.count; i++)
        free(world->clients.requests[i]);
    free(world->clients.requests);
}
