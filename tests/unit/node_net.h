/*
 * Whole nodes that form a cluster on one simulated runtime: a transport that hands requests over in memory, and a discovery
 * that reports all members at once. There is one thread.
 */
#ifndef NODE_NET_H
#define NODE_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/node/node.h"
#include "larder/plugin/discovery.h"
#include "larder/plugin/hash.h"
#include "larder/plugin/transport.h"

enum { NET_A, NET_B, NET_C, NET_GATEWAY, NET_PLACES, NET_MEMBERS = NET_GATEWAY };
static const char *const net_names[NET_PLACES] = {"a", "b", "c", "gateway"};

/* How many of them the discovery reports. */
static size_t net_members = NET_MEMBERS;

/* A node, and what becomes of calls to it. */
static struct net_place {
    struct larder_node *node;
    const struct larder_transport_host *host;
    const char *failure; /* why calls fail; NULL: they are handed over */
    unsigned failures, released;
    unsigned reports;                                     /* of its discovery */
    uint64_t deadline;                                    /* of the last call handed over that was no ping */
    void (*before)(const struct larder_request *request); /* NULL, or called before a request is handed over */
} net_places[NET_PLACES];

static size_t net_place_of(const char *name)
{
    size_t place = 0;
    while (strcmp(net_names[place], name) != 0)
        assert_in_range(++place, 0, NET_PLACES - 1);
    return place;
}

/* ------------------------------------------------------------------------------------------------ the transport */

static void *net_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    (void)params;
    struct net_place *place = &net_places[net_place_of(host->base.node_name)];
    place->host = host;
    return place;
}

static enum larder_status net_listen(void *state)
{
    (void)state;
    return LARDER_OK;
}

static void net_address(void *state, char *buffer, size_t capacity)
{
    snprintf(buffer, capacity, "%s", net_names[(struct net_place *)state - net_places]);
}

static void net_drain(void *state, uint64_t deadline)
{
    (void)state;
    (void)deadline;
}

static void net_close(void *state)
{
    ((struct net_place *)state)->host = NULL;
}

static void *net_peer_open(void *state, const char *address)
{
    (void)state;
    return &net_places[net_place_of(address)];
}

static void net_peer_close(void *peer)
{
    (void)peer;
}

static void net_released(void *pin)
{
    ((struct net_place *)pin)->released++;
}

static void net_call(void *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct net_place *place = peer;
    if (place->failure == NULL && place->host != NULL) {
        if (request->operation != LARDER_OP_PING)
            place->deadline = request->deadline;
        if (place->before != NULL)
            place->before(request);
        place->host->submit(place->host, request, done, arg);
        return;
    }
    struct larder_reply reply = {.status = LARDER_UNAVAILABLE, .flags = LARDER_REPLY_NOT_SENT};
    reply.message = ldr_slice_text(place->failure != NULL ? place->failure : "nobody listens");
    reply.release = net_released;
    reply.pin = place;
    place->failures++;
    done(arg, &reply);
}

static void net_stats(void *state, struct larder_transport_stats *stats)
{
    (void)state;
    (void)stats;
}

static const struct larder_transport net_transport = {
    .head = {LARDER_PLUGIN_TRANSPORT, LARDER_TRANSPORT_ABI, sizeof net_transport, "net", "in memory", NULL},
    .open = net_open,
    .listen = net_listen,
    .address = net_address,
    .drain = net_drain,
    .close = net_close,
    .peer_open = net_peer_open,
    .peer_close = net_peer_close,
    .call = net_call,
    .stats = net_stats,
};

/* ------------------------------------------------------------------------------------------------ the discovery */

static void *net_discover(const struct larder_discovery_host *host, const struct larder_param_value *params)
{
    (void)params;
    return (void *)(uintptr_t)host;
}

static enum larder_status net_report(void *state)
{
    const struct larder_discovery_host *host = state;
    net_places[net_place_of(host->base.node_name)].reports++;
    struct larder_member members[NET_MEMBERS];
    struct larder_address addresses[NET_MEMBERS];
    for (size_t i = 0; i < net_members; i++) {
        addresses[i] = (struct larder_address){"net", net_names[i]};
        members[i] = (struct larder_member){
            .name = net_names[i], .weight = 1, .address_count = 1, .addresses = &addresses[i]};
    }
    return host->members(host, 1, members, net_members);
}

static void net_forget(void *state)
{
    (void)state;
}

static const struct larder_param net_discovery_params[] = {
    {.name = "zone", .type = LARDER_PARAM_STRING, .default_text = "east", .help = "where it is"},
    {.name = NULL},
};

static const struct larder_discovery net_discovery = {
    .head = {LARDER_PLUGIN_DISCOVERY, LARDER_DISCOVERY_ABI, sizeof net_discovery, "all", "everybody",
             net_discovery_params},
    .open = net_discover,
    .start = net_report,
    .close = net_forget,
};

/* ------------------------------------------------------------------------------------------------ nodes */

extern const struct larder_hash larder_plugin_table__hash_xxhash;
extern const struct larder_eviction larder_plugin_table__eviction_lru;

static const char net_settings[] = "{node: {name: %s, role: %s, log_level: error, drain_timeout: 0ms},\n"
                                   " transports: [{plugin: net}],\n"
                                   " cluster: {hash: xxhash, discovery: {plugin: all}, suspend_after: 1, suspend: 1h,\n"
                                   "           probe_interval: 1h, virtual_nodes: 16, retries: 0, fallback_ttl: 2s}%s}";

static struct larder_config *net_config(size_t place)
{
    bool gateway = place == NET_GATEWAY;
    char text[512];
    snprintf(text, sizeof text, net_settings, net_names[place], gateway ? "gateway" : "node",
             gateway ? "" : ",\n groups: [{name: g, max_bytes: 1MiB}]");
    struct larder_config *config = larder_config_new();
    assert_non_null(config);
    assert_int_equal(larder_config_add_plugin(config, &net_transport.head), LARDER_OK);
    assert_int_equal(larder_config_add_plugin(config, &net_discovery.head), LARDER_OK);
    assert_int_equal(larder_config_add_plugin(config, &larder_plugin_table__hash_xxhash.head), LARDER_OK);
    assert_int_equal(larder_config_add_plugin(config, &larder_plugin_table__eviction_lru.head), LARDER_OK);
    assert_int_equal(larder_config_parse(config, text, strlen(text), net_names[place]), LARDER_OK);
    return config;
}

#endif
