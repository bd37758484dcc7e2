#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/node/node.h"
#include "world.h"

const char *sim_request_text(const struct sim_request *request)
{
    static const char *const operations[SIM_OPERATIONS] = {"", "get", "set", "delete", "touch"};
    static char text[96];
    snprintf(text, sizeof text, "request %u, a %s of key k%u at node %s", request->id, operations[request->operation],
             request->key, sim_node_name(request->node));
    return text;
}

/* ------------------------------------------------------------------------------------------------ answers */

/* Answers that the cluster may give when everything may fail. */
static bool may_answer(const struct sim_request *request)
{
    bool loads = request->key < SIM_KEYS_NONE;
    switch (request->status) {
    case LARDER_OK: return request->operation != LARDER_OP_GET || loads || request->key >= SIM_KEYS_PLAIN;
    case LARDER_NOT_FOUND: return request->operation != LARDER_OP_GET || !loads;
    case LARDER_LOAD_FAILED: return request->operation == LARDER_OP_GET && request->key < SIM_KEYS_PLAIN;
    case LARDER_DEADLINE:
    case LARDER_UNAVAILABLE: return true;
    default: return false;
    }
}

/*
 * By its deadline, or the first nanosecond that a fast clock shows after it. A node that was stopped then answers as soon as it
 * goes on, or when it is killed.
 */
static bool in_time(const struct sim_request *request)
{
    const struct sim_machine *machine = &request->world->machines[request->node];
    return larder_now(&machine->runtime) <= request->deadline + 1 || machine->stopped ||
           machine->went_on == request->completed;
}

static void check_answer(struct sim_request *request, const struct larder_reply *reply)
{
    struct sim_world *world = request->world;
    uint64_t late = larder_now(&world->machines[request->node].runtime) - request->deadline;
    if (!in_time(request))
        sim_fail(world, "%s was answered %llu ns after its deadline", sim_request_text(request),
                 (unsigned long long)late);
    if (!may_answer(request))
        sim_fail(world, "%s was answered %s: %.*s", sim_request_text(request), larder_status_name(request->status),
                 (int)reply->message.size, (const char *)reply->message.data);
    if (request->operation == LARDER_OP_GET && request->status == LARDER_OK &&
        !sim_value_parse(reply->value, &request->value)) {
        sim_fail(world, "%s brought \"%.*s\", which is no value", sim_request_text(request),
                 (int)(reply->value.size < 80 ? reply->value.size : 80), (const char *)reply->value.data);
        return;
    }
    sim_checker_answered(request);
}

static void tell_answer(const struct sim_request *request)
{
    char value[SIM_VALUE_TEXT] = "";
    if (!request->world->verbose)
        return;
    if (request->operation == LARDER_OP_GET && request->status == LARDER_OK)
        snprintf(value, sizeof value, " k%u=%c%u", request->value.key, request->value.written ? 'w' : 'o',
                 request->value.number);
    sim_tell(request->world, "%u: %s %s%s version %llu.%llx", request->id, larder_status_name(request->status),
             larder_source_name(request->source), value, (unsigned long long)request->version.epoch,
             (unsigned long long)request->version.clock);
}

/* Whoever still looks at them is found out. */
static void spoil_given(struct sim_request *request)
{
    memset(request->given_key, '#', sizeof request->given_key);
    memset(&request->given, 0xee, sizeof request->given);
    free(request->given_value);
    request->given_value = NULL;
}

static void completed(void *arg, struct larder_reply *reply)
{
    struct sim_request *request = arg;
    struct sim_world *world = request->world;
    if (request->completions++ > 0) {
        sim_fail(world, "%s was answered twice", sim_request_text(request));
    } else {
        request->status = reply->status;
        request->source = reply->source;
        request->version = reply->version;
        request->completed = larder_now(&world->runtime);
        world->clients.pending--;
        world->clients.pending_at[request->node]--;
        world->clients.statuses[reply->status]++;
        check_answer(request, reply);
        ldr_sim_note(&world->runtime, (uint64_t)request->id << 8 | reply->status);
        tell_answer(request);
        spoil_given(request);
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

static void fill_given(struct sim_request *request)
{
    sim_key_name(request->key, request->given_key);
    request->given = (struct larder_request){
        .operation = request->operation,
        .group = ldr_slice_text(sim_key_group(request->key)),
        .key = ldr_slice_text(request->given_key),
        .ttl_ms = request->ttl_ms,
        .deadline = request->deadline,
    };
    if (request->operation != LARDER_OP_SET)
        return;
    const struct sim_value value = {.key = request->key, .number = request->id, .written = true};
    request->given_value = sim_value_text(&value, request->world->plan.small);
    request->given.value = ldr_slice_text(request->given_value);
}

static struct sim_request *ask(struct sim_world *world, unsigned node, enum larder_operation operation, unsigned key,
                               int64_t ttl_ms, uint64_t timeout_ms)
{
    struct sim_request *request = new_request(world);
    request->node = node;
    request->key = key;
    request->operation = operation;
    request->ttl_ms = ttl_ms;
    request->invoked = request->taken = larder_now(&world->runtime);
    request->gives_up = request->invoked + timeout_ms * SIM_MS;
    request->deadline = larder_deadline_in(&world->machines[node].runtime, timeout_ms);
    fill_given(request);
    world->clients.pending++;
    world->clients.pending_at[node]++;
    sim_bounds_asked(request);
    sim_checker_asked(request);
    sim_tell(world, "%s", sim_request_text(request));
    ldr_node_execute(world->nodes[node].node, &request->given, completed, request);
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

void sim_clients_delivered(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    struct sim_value value;
    (void)node;
    if (request->operation == LARDER_OP_SET && sim_value_parse(request->value, &value) && value.written &&
        value.number < world->clients.count)
        world->clients.requests[value.number]->taken = larder_now(&world->runtime);
}

/* ------------------------------------------------------------------------------------------------ waiting */

/* Whether the node may still answer: not once its time has passed, unless it was stopped then and has just gone on. */
static bool may_come(const struct sim_request *request)
{
    const struct sim_world *world = request->world;
    const struct sim_machine *machine = &world->machines[request->node];
    return !machine->stopped &&
           (larder_now(&machine->runtime) <= request->deadline + 1 || machine->went_on == larder_now(&world->runtime));
}

void sim_await(struct sim_request *request)
{
    struct sim_world *world = request->world;
    while (request->completions == 0 && may_come(request))
        if (!ldr_sim_step(&world->runtime))
            break;
    if (request->completions == 0 && !world->machines[request->node].stopped)
        sim_fail(world, "%s was never answered", sim_request_text(request));
}

void sim_settle(struct sim_world *world)
{
    for (size_t i = 0; i < world->clients.count && world->clients.pending > 0; i++)
        sim_await(world->clients.requests[i]);
}

void sim_clients_close(struct sim_world *world)
{
    for (size_t i = 0; i < world->clients.count; i++) {
        free(world->clients.requests[i]->given_value);
        free(world->clients.requests[i]);
    }
    free(world->clients.requests);
}
