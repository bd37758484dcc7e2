/* A cluster on the simulated runtime with peers that do what the test says, and a look at everything it tells. */
#ifndef CLUSTER_WORLD_H
#define CLUSTER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/runtime.h"
#include "core/cluster/cluster.h"
#include "tests/unit/cluster_net.h"

static inline uint64_t fnv_digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t digest = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (size_t i = 0; i < length; i++)
        digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static const struct larder_hash fnv = {.head = {.name = "fnv"}, .digest = fnv_digest};

struct world {
    const struct larder_runtime *runtime;
    struct net net;
    struct ldr_cluster *cluster;
    struct ldr_log *log;
    int log_pipe[2];
    char text[8192];
};

static inline void world_open(struct world *world, void (*change)(struct ldr_cluster_options *options))
{
    memset(world, 0, sizeof *world);
    world->runtime = ldr_sim_open(7);
    assert_non_null(world->runtime);
    world->net.runtime = world->runtime;
    pthread_mutex_init(&world->net.lock, NULL);
    assert_int_equal(pipe(world->log_pipe), 0);
    world->log = ldr_log_open("a", LARDER_LOG_INFO, LDR_LOG_LOGFMT, world->log_pipe[1]);
    struct ldr_cluster_options options = {.runtime = world->runtime,
                                          .log = world->log,
                                          .self = "a",
                                          .ring = {&fnv, 0, 256},
                                          .transport = &net_transport,
                                          .transport_state = &world->net,
                                          .transport_name = "net",
                                          .peer_timeout_ms = 1000,
                                          .retries = 2,
                                          .backoff_ms = 20,
                                          .suspend_after = 3,
                                          .suspend_ms = 5000,
                                          .probe_ms = 1000,
                                          .slow_limit_ms = 4000};
    if (change != NULL)
        change(&options);
    world->cluster = ldr_cluster_open(&options);
    assert_non_null(world->cluster);
}

static inline void world_close(struct world *world)
{
    ldr_cluster_close(world->cluster);
    assert_null(world->net.pending);
    for (size_t i = 0; i < world->net.count; i++)
        assert_int_equal(world->net.nodes[i].handles_opened, world->net.nodes[i].handles_closed);
    ldr_sim_close(world->runtime);
    ldr_log_close(world->log);
    close(world->log_pipe[0]);
    close(world->log_pipe[1]);
    pthread_mutex_destroy(&world->net.lock);
}

/* All that was logged since the last look. */
static inline const char *logged(struct world *world)
{
    assert_int_equal(write(world->log_pipe[1], "", 1), 1); /* so that read() never blocks */
    ssize_t size = read(world->log_pipe[0], world->text, sizeof world->text - 1);
    assert_true(size > 0);
    world->text[size - 1] = '\0';
    return world->text;
}

static inline size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static inline void run_ms(struct world *world, uint64_t ms)
{
    ldr_sim_run(world->runtime, larder_deadline_in(world->runtime, ms));
}

static const struct larder_address addresses[] = {{"net", "a:1"},   {"net", "b:1"}, {"net", "c:1"},     {"net", "d:1"},
                                                  {"other", "b:2"}, {"net", "b:9"}, {"net", "nonsense"}};
static const struct larder_member abc[] = {{.name = "a", .weight = 1, .address_count = 1, .addresses = &addresses[0]},
                                           {.name = "b", .weight = 1, .address_count = 1, .addresses = &addresses[1]},
                                           {.name = "c", .weight = 1, .address_count = 1, .addresses = &addresses[2]},
                                           {.name = "d", .weight = 1, .address_count = 1, .addresses = &addresses[3]}};

/* a, b and c, whose answers tell of the same ring. */
static inline void join(struct world *world, uint64_t epoch, const struct larder_member *members, size_t count)
{
    assert_int_equal(ldr_cluster_set_members(world->cluster, epoch, members, count), LARDER_OK);
    world->net.ring = ldr_cluster_ring(world->cluster);
}

/* What a call ended with. */
struct outcome {
    bool done;
    enum larder_status status;
    uint32_t flags;
    uint64_t at;
    char message[500];
    const struct larder_runtime *runtime;
};

static inline void completed(void *arg, struct larder_reply *reply)
{
    struct outcome *outcome = arg;
    assert_false(outcome->done);
    outcome->done = true;
    outcome->status = reply->status;
    outcome->flags = reply->flags;
    outcome->at = larder_now(outcome->runtime);
    snprintf(outcome->message, sizeof outcome->message, "%.*s", (int)reply->message.size,
             reply->message.size == 0 ? "" : (const char *)reply->message.data);
    larder_reply_release(reply);
}

/* A key that the member owns, as this node sees the ring while all are up. */
static inline void key_of(const struct larder_member *members, size_t count, const char *name, char key[32])
{
    const struct ldr_ring_settings settings = {&fnv, 0, 256};
    struct ldr_ring *ring = ldr_ring_build(&settings, members, count);
    assert_non_null(ring);
    for (unsigned i = 0;; i++) {
        size_t owner;
        snprintf(key, 32, "key-%u", i);
        ldr_ring_walk(ring,
                      ldr_ring_key(&settings, ldr_ring_group(&settings, ldr_slice_text("g")), ldr_slice_text(key)),
                      &owner, 1);
        if (strcmp(members[owner].name, name) == 0)
            break;
    }
    ldr_ring_free(ring);
}

static inline struct ldr_route route_of(struct world *world, const char *key)
{
    return ldr_cluster_route(world->cluster, ldr_slice_text("g"), ldr_slice_text(key));
}

/* A route to the owner b or c of a list of a, b and c. */
static inline struct ldr_peer *peer_of(struct world *world, const char *name)
{
    char key[32];
    key_of(abc, 3, name, key);
    struct ldr_route route = route_of(world, key);
    assert_non_null(route.peer);
    assert_true(route.owner);
    return route.peer;
}

static inline struct larder_request get_within(struct world *world, uint64_t ms)
{
    return (struct larder_request){.operation = LARDER_OP_GET,
                                   .group = ldr_slice_text("g"),
                                   .key = ldr_slice_text("k"),
                                   .deadline = ms == 0 ? LARDER_NEVER : larder_deadline_in(world->runtime, ms)};
}

/* Calls b with the request and runs until it is done. */
static inline struct outcome call_b(struct world *world, const struct larder_request *request)
{
    struct outcome outcome = {.runtime = world->runtime};
    ldr_cluster_call(world->cluster, peer_of(world, "b"), request, completed, &outcome);
    while (!outcome.done)
        assert_true(ldr_sim_step(world->runtime));
    return outcome;
}

struct seen {
    const char *name;
    struct ldr_member_info info;
    char reason[500], state[16], address[64];
};

static inline void see(void *arg, const struct ldr_member_info *info)
{
    struct seen *seen = arg;
    if (strcmp(info->name, seen->name) != 0)
        return;
    seen->info = *info;
    snprintf(seen->reason, sizeof seen->reason, "%s", info->reason);
    snprintf(seen->state, sizeof seen->state, "%s", info->state);
    snprintf(seen->address, sizeof seen->address, "%s", info->address);
}

static inline struct seen member(struct world *world, const char *name)
{
    struct seen seen = {.name = name};
    ldr_cluster_members(world->cluster, see, &seen);
    assert_true(seen.state[0] != '\0');
    return seen;
}

static inline const char *state_of(struct world *world, const char *name)
{
    static const char *const states[] = {"self", "up", "suspended", "refused", "unknown"};
    struct seen seen = member(world, name);
    for (size_t i = 0; i < 5; i++)
        if (strcmp(states[i], seen.state) == 0)
            return states[i];
    return "no such state";
}

static inline struct ldr_cluster_stats stats_of(struct world *world)
{
    struct ldr_cluster_stats stats;
    ldr_cluster_stats(world->cluster, &stats);
    return stats;
}

/* b fails until it is suspended; by requests, so that the test knows how many. */
static inline void suspend_b(struct world *world)
{
    struct net_node *b = net_node(&world->net, "b:1");
    b->mode = b->ping_mode = NET_FAIL;
    struct larder_request request = get_within(world, 0);
    assert_int_equal(call_b(world, &request).status, LARDER_UNAVAILABLE);
    assert_string_equal(state_of(world, "b"), "suspended");
}

static inline const char *name_of_route(struct world *world, const char *key, bool *owner)
{
    static const struct {
        const char *address, *name;
    } names[] = {{"b:1", "b"}, {"c:1", "c"}, {"d:1", "d"}};
    struct ldr_route route = route_of(world, key);
    *owner = route.owner;
    if (route.peer == NULL)
        return "a";
    unsigned before[3];
    for (size_t i = 0; i < 3; i++)
        before[i] = net_node(&world->net, names[i].address)->calls;
    struct outcome outcome = {.runtime = world->runtime};
    struct larder_request request = get_within(world, 10000);
    ldr_cluster_call(world->cluster, route.peer, &request, completed, &outcome);
    for (size_t i = 0; i < 3; i++)
        if (net_node(&world->net, names[i].address)->calls != before[i]) {
            while (!outcome.done)
                assert_true(ldr_sim_step(world->runtime));
            return names[i].name;
        }
    return "nobody";
}

#endif
