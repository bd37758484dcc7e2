/*
 * A node on a simulated runtime, alone or as member "a" of a cluster, whose only transport and discovery are here: what is
 * sent to peers stays in a list until the test answers it, and the member list comes when the test says so.
 */
#ifndef TESTS_UNIT_NODE_KIT_H
#define TESTS_UNIT_NODE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/node/node.h"

#define KIT_SENT_MAX 64

/* A request in the transport. Pings are answered at once. */
struct kit_sent {
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
};

/* The one node of a test. */
static struct kit {
    const struct larder_runtime *runtime;
    struct larder_node *node;
    const struct larder_transport_host *door;
    const struct larder_discovery_host *discovery;
    struct kit_sent sent[KIT_SENT_MAX];
    size_t sent_count;
    uint64_t drained_until;
} kit;

/* ------------------------------------------------------------------------------------------------ the transport */

static void *kit_transport_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    (void)params;
    kit.door = host;
    return &kit;
}

static enum larder_status kit_listen(void *state)
{
    (void)state;
    return LARDER_OK;
}

static void kit_address(void *state, char *buffer, size_t capacity)
{
    (void)state;
    snprintf(buffer, capacity, "here");
}

static void kit_drain(void *state, uint64_t deadline)
{
    (void)state;
    kit.drained_until = deadline;
}

/* Answers the oldest request in the transport. */
static void kit_answer(enum larder_status status, const char *value)
{
    assert_true(kit.sent_count > 0);
    struct kit_sent sent = kit.sent[0];
    memmove(kit.sent, kit.sent + 1, --kit.sent_count * sizeof kit.sent[0]);
    struct larder_reply reply = {.status = status, .source = LARDER_SOURCE_LOCAL, .ttl_ms = LARDER_TTL_NONE};
    if (status != LARDER_UNAVAILABLE)
        reply.ring = ldr_cluster_ring(kit.node->context.cluster);
    if (value != NULL)
        reply.value = ldr_slice_text(value);
    sent.done(sent.arg, &reply);
}

static void kit_close(void *state)
{
    (void)state;
    while (kit.sent_count > 0)
        kit_answer(LARDER_UNAVAILABLE, NULL);
}

static void *kit_peer_open(void *state, const char *address)
{
    (void)address;
    return state;
}

static void kit_call(void *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    (void)peer;
    if (request->operation == LARDER_OP_PING) {
        struct larder_reply reply = {.ring = ldr_cluster_ring(kit.node->context.cluster)};
        done(arg, &reply);
        return;
    }
    assert_true(kit.sent_count < KIT_SENT_MAX);
    kit.sent[kit.sent_count++] = (struct kit_sent){request, done, arg};
}

static void kit_stats(void *state, struct larder_transport_stats *stats)
{
    (void)state;
    *stats = (struct larder_transport_stats){0};
}

static const struct larder_transport kit_transport = {
    .head = {LARDER_PLUGIN_TRANSPORT, LARDER_TRANSPORT_ABI, sizeof kit_transport, "kit", "of a test", NULL},
    .open = kit_transport_open,
    .listen = kit_listen,
    .address = kit_address,
    .drain = kit_drain,
    .close = kit_close,
    .peer_open = kit_peer_open,
    .peer_close = kit_close,
    .call = kit_call,
    .stats = kit_stats,
};

/* ------------------------------------------------------------------------------------------------ the discovery */

static void *kit_discovery_open(const struct larder_discovery_host *host, const struct larder_param_value *params)
{
    (void)params;
    kit.discovery = host;
    return &kit;
}

static enum larder_status kit_discovery_start(void *state)
{
    (void)state;
    return LARDER_OK;
}

static void kit_discovery_close(void *state)
{
    (void)state;
}

static const struct larder_discovery kit_discovery = {
    .head = {LARDER_PLUGIN_DISCOVERY, LARDER_DISCOVERY_ABI, sizeof kit_discovery, "kit", "of a test", NULL},
    .open = kit_discovery_open,
    .start = kit_discovery_start,
    .close = kit_discovery_close,
};

/* Reports members called "a", "b" and so on. */
static inline void kit_members(uint64_t epoch, size_t count)
{
    static const struct larder_address address = {"kit", "there"};
    static const struct larder_member members[] = {
        {.name = "a", .weight = 1, .address_count = 1, .addresses = &address},
        {.name = "b", .weight = 1, .address_count = 1, .addresses = &address},
        {.name = "c", .weight = 1, .address_count = 1, .addresses = &address}};
    assert_int_equal(kit.discovery->members(kit.discovery, epoch, members, count), LARDER_OK);
}

/* ------------------------------------------------------------------------------------------------ the node */

/* `more` is one more module, or NULL; `settings` are "path.to.key=value", the last of them NULL. */
static inline void kit_open_with(const struct larder_plugin *more, const char *const *settings)
{
    struct larder_config *config = larder_config_new();
    kit = (struct kit){.runtime = ldr_sim_open(1)};
    assert_non_null(kit.runtime);
    assert_int_equal(larder_config_add_plugin(config, &kit_transport.head), LARDER_OK);
    assert_int_equal(larder_config_add_plugin(config, &kit_discovery.head), LARDER_OK);
    if (more != NULL)
        assert_int_equal(larder_config_add_plugin(config, more), LARDER_OK);
    for (; *settings != NULL; settings++)
        assert_int_equal(larder_config_set(config, *settings), LARDER_OK);
    kit.node = ldr_node_open_on(config, kit.runtime);
    if (kit.node == NULL)
        fail_msg("%s", larder_last_error());
    larder_config_free(config);
}

static inline void kit_open(const char *const *settings)
{
    kit_open_with(NULL, settings);
}

/* A member of a cluster that has one group, "g", of the embedding program. */
#define KIT_MEMBER                                                                                                     \
    "node.name=a", "node.log_level=error", "transports=[{plugin: kit}]", "cluster.discovery={plugin: kit}", "groups=[]"

static inline void kit_end(void)
{
    larder_node_close(kit.node);
    ldr_sim_close(kit.runtime);
}

static inline void kit_run(uint64_t ms)
{
    ldr_sim_run(kit.runtime, larder_deadline_in(kit.runtime, ms));
}

/* A key "0", "1", ... that a peer owns, or this node. */
static inline void kit_key(bool own, char key[12])
{
    for (unsigned i = 0;; i++) {
        int size = snprintf(key, 12, "%u", i);
        struct ldr_route route = ldr_cluster_route(kit.node->context.cluster, ldr_slice_text("g"),
                                                   ldr_slice(key, (size_t)size));
        bool found = (route.peer == NULL) == own;
        ldr_peer_release(route.peer);
        if (found)
            return;
    }
}

/* ------------------------------------------------------------------------------------------------ requests */

struct kit_outcome {
    unsigned count;
    enum larder_status status;
    enum larder_source source;
    int64_t ttl_ms;
    char value[32];
};

static inline void kit_answered(void *arg, struct larder_reply *reply)
{
    struct kit_outcome *outcome = arg;
    outcome->count++;
    outcome->status = reply->status;
    outcome->source = reply->source;
    outcome->ttl_ms = reply->ttl_ms;
    if (reply->value.size > 0)
        snprintf(outcome->value, sizeof outcome->value, "%.*s", (int)reply->value.size,
                 (const char *)reply->value.data);
    larder_reply_release(reply);
}

/* A get of the peer "b", which sees the ring as this node does. */
static inline struct larder_request kit_peer_request(const char *key)
{
    return (struct larder_request){
        .operation = LARDER_OP_GET,
        .flags = LARDER_REQUEST_PEER,
        .group = ldr_slice_text("g"),
        .key = ldr_slice_text(key),
        .deadline = LARDER_NEVER,
        .sender = ldr_slice_text("b"),
        .ring = ldr_cluster_ring(kit.node->context.cluster),
    };
}

/* A request of a client; `value` may be NULL. The request must stay until it is answered. */
static inline void kit_ask(struct larder_request *request, enum larder_operation operation, const char *key,
                           const char *value, struct kit_outcome *outcome)
{
    *request = (struct larder_request){
        .operation = operation,
        .group = ldr_slice_text("g"),
        .key = ldr_slice_text(key),
        .value = ldr_slice_text(value != NULL ? value : ""),
        .deadline = larder_deadline_in(kit.runtime, 5000),
    };
    *outcome = (struct kit_outcome){0};
    kit.door->submit(kit.door, request, kit_answered, outcome);
}

#endif
