/* Members, routes, calls and pings, on the simulated runtime: every test is repeated exactly. */
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

static uint64_t fnv_digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t digest = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (size_t i = 0; i < length; i++)
        digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static const struct larder_hash fnv = {.head = {.name = "fnv"}, .digest = fnv_digest};

/* ------------------------------------------------------------------------------------------------ the world */

struct world {
    const struct larder_runtime *runtime;
    struct net net;
    struct ldr_cluster *cluster;
    struct ldr_log *log;
    int log_pipe[2];
    char text[8192];
};

static void world_open(struct world *world, void (*change)(struct ldr_cluster_options *options))
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

static void world_close(struct world *world)
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
static const char *logged(struct world *world)
{
    assert_int_equal(write(world->log_pipe[1], "", 1), 1); /* so that read() never blocks */
    ssize_t size = read(world->log_pipe[0], world->text, sizeof world->text - 1);
    assert_true(size > 0);
    world->text[size - 1] = '\0';
    return world->text;
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static void run_ms(struct world *world, uint64_t ms)
{
    ldr_sim_run(world->runtime, larder_deadline_in(world->runtime, ms));
}

static const struct larder_address addresses[] = {{"net", "a:1"},   {"net", "b:1"}, {"net", "c:1"},     {"net", "d:1"},
                                                  {"other", "b:2"}, {"net", "b:9"}, {"net", "nonsense"}};
static const struct larder_member abc[] = {
    {"a", 1, 1, &addresses[0]}, {"b", 1, 1, &addresses[1]}, {"c", 1, 1, &addresses[2]}, {"d", 1, 1, &addresses[3]}};

/* a, b and c, whose answers tell of the same ring. */
static void join(struct world *world, uint64_t epoch, const struct larder_member *members, size_t count)
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
    char message[300];
    const struct larder_runtime *runtime;
};

static void completed(void *arg, struct larder_reply *reply)
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

static const char *name_of_route(struct world *world, const char *key, bool *owner);

/* A key that the member owns, as this node sees the ring while all are up. */
static void key_of(const struct larder_member *members, size_t count, const char *name, char key[32])
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

static struct ldr_route route_of(struct world *world, const char *key)
{
    return ldr_cluster_route(world->cluster, ldr_slice_text("g"), ldr_slice_text(key));
}

/* A route to the owner b or c of a list of a, b and c. */
static struct ldr_peer *peer_of(struct world *world, const char *name)
{
    char key[32];
    key_of(abc, 3, name, key);
    struct ldr_route route = route_of(world, key);
    assert_non_null(route.peer);
    assert_true(route.owner);
    return route.peer;
}

static struct larder_request get_within(struct world *world, uint64_t ms)
{
    return (struct larder_request){.operation = LARDER_OP_GET,
                                   .group = ldr_slice_text("g"),
                                   .key = ldr_slice_text("k"),
                                   .deadline = ms == 0 ? LARDER_NEVER : larder_deadline_in(world->runtime, ms)};
}

/* Calls b with the request and runs until it is done. */
static struct outcome call_b(struct world *world, const struct larder_request *request)
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
    char reason[300], state[16], address[64];
};

static void see(void *arg, const struct ldr_member_info *info)
{
    struct seen *seen = arg;
    if (strcmp(info->name, seen->name) != 0)
        return;
    seen->info = *info;
    snprintf(seen->reason, sizeof seen->reason, "%s", info->reason);
    snprintf(seen->state, sizeof seen->state, "%s", info->state);
    snprintf(seen->address, sizeof seen->address, "%s", info->address);
}

static struct seen member(struct world *world, const char *name)
{
    struct seen seen = {.name = name};
    ldr_cluster_members(world->cluster, see, &seen);
    assert_true(seen.state[0] != '\0');
    return seen;
}

static const char *state_of(struct world *world, const char *name)
{
    static const char *const states[] = {"self", "up", "suspended", "refused", "unknown"};
    struct seen seen = member(world, name);
    for (size_t i = 0; i < 5; i++)
        if (strcmp(states[i], seen.state) == 0)
            return states[i];
    return "no such state";
}

static struct ldr_cluster_stats stats_of(struct world *world)
{
    struct ldr_cluster_stats stats;
    ldr_cluster_stats(world->cluster, &stats);
    return stats;
}

/* b fails until it is suspended; by requests, so that the test knows how many. */
static void suspend_b(struct world *world)
{
    struct net_node *b = net_node(&world->net, "b:1");
    b->mode = b->ping_mode = NET_FAIL;
    struct larder_request request = get_within(world, 0);
    assert_int_equal(call_b(world, &request).status, LARDER_UNAVAILABLE);
    assert_string_equal(state_of(world, "b"), "suspended");
}

static const char *name_of_route(struct world *world, const char *key, bool *owner)
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

/* ------------------------------------------------------------------------------------------------ the list */

/* Fault 8: before the first list this node neither answers for keys nor sends them anywhere. */
static void fault_8_not_ready_before_the_first_list(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    assert_false(ldr_cluster_ready(world.cluster));
    struct ldr_route route = route_of(&world, "k");
    assert_null(route.peer);
    assert_false(route.owner);
    assert_int_equal(ldr_cluster_ring(world.cluster).checksum, 0);
    assert_int_not_equal(ldr_cluster_ring(world.cluster).settings, 0);
    assert_int_equal(stats_of(&world).members, 0);
    join(&world, 1, abc, 3);
    assert_true(ldr_cluster_ready(world.cluster));
    assert_int_equal(ldr_cluster_ring(world.cluster).epoch, 1);
    assert_int_equal(stats_of(&world).members, 3);
    world_close(&world);
}

static void a_list_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 5, abc, 3);
    struct larder_ring_view before = ldr_cluster_ring(world.cluster);
    const struct larder_member doubled[] = {
        {.name = "a", .weight = 1}, {.name = "b", .weight = 1}, {.name = "a", .weight = 1}};
    const struct larder_member weightless[] = {{.name = "a", .weight = 0}};
    const struct larder_member heavy[] = {{.name = "a", .weight = 101}};
    const struct larder_member unnamed[] = {{.name = "", .weight = 1}};
    const struct larder_member odd[] = {{.name = "a b", .weight = 1}};
    const struct larder_member long_name[] = {
        {.name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .weight = 1}};
    const struct {
        const struct larder_member *members;
        size_t count;
        uint64_t epoch;
        const char *message;
    } lists[] = {
        {abc, 0, 6, "member list: it is empty, wanted at least one member"},
        {doubled, 3, 6, "member list: two members are named \"a\""},
        {weightless, 1, 6, "member list: member \"a\" has weight 0, wanted 1 to 100"},
        {heavy, 1, 6, "member list: member \"a\" has weight 101, wanted 1 to 100"},
        {unnamed, 1, 6, "member list: member name \"\", wanted 1 to 64 of A-Z a-z 0-9 . _ -"},
        {odd, 1, 6, "member list: member name \"a b\", wanted 1 to 64 of A-Z a-z 0-9 . _ -"},
        {long_name, 1, 6,
         "member list: member name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", wanted 1 to "
         "64 "
         "of A-Z a-z 0-9 . _ -"},
        {abc, 3, 4, "member list: epoch 4 is older than epoch 5, which is in use"},
        {abc, 2, 5, "member list: epoch 5 was already given with other members"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(ldr_cluster_set_members(world.cluster, lists[i].epoch, lists[i].members, lists[i].count),
                         LARDER_INVALID);
        assert_string_equal(larder_last_error(), lists[i].message);
        struct larder_ring_view now = ldr_cluster_ring(world.cluster);
        assert_memory_equal(&now, &before, sizeof now);
    }
    /* The same list again is no news and no fault. */
    assert_int_equal(ldr_cluster_set_members(world.cluster, 5, abc, 3), LARDER_OK);
    world_close(&world);
}

/* Fault 4: a member is its name. This node is registered under an address it was never told, and another member under
   the very text that this node listens on. */
static void fault_4_identity_is_the_name(void **state)
{
    (void)state;
    const struct larder_address other[] = {{"net", "10.0.0.7:8001"}, {"net", ":8001"}};
    const struct larder_member members[] = {{"a", 1, 1, &other[0]}, {"b", 1, 1, &other[1]}};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, members, 2);
    char key[32];
    key_of(members, 2, "a", key);
    struct ldr_route route = route_of(&world, key);
    assert_null(route.peer);
    assert_true(route.owner);
    key_of(members, 2, "b", key);
    route = route_of(&world, key);
    assert_non_null(route.peer);
    struct outcome outcome = {.runtime = world.runtime};
    struct larder_request request = get_within(&world, 100);
    ldr_cluster_call(world.cluster, route.peer, &request, completed, &outcome);
    assert_true(outcome.done);
    run_ms(&world, 5000);
    assert_int_equal(net_node(&world.net, "10.0.0.7:8001")->pings, 0);
    assert_int_equal(net_node(&world.net, ":8001")->calls, 1);
    assert_string_equal(state_of(&world, "a"), "self");
    assert_string_equal(state_of(&world, "b"), "up");
    world_close(&world);
}

static void be_b(struct ldr_cluster_options *options)
{
    options->self = "b";
}

/* Fault 5: every node is in its own ring, and all see the same one, in whatever order their lists come. */
static void fault_5_nodes_agree_on_every_owner(void **state)
{
    (void)state;
    const struct larder_member reversed[] = {abc[2], abc[1], abc[0]};
    struct world a, b;
    world_open(&a, NULL);
    world_open(&b, be_b);
    join(&a, 1, abc, 3);
    join(&b, 1, reversed, 3);
    assert_int_equal(ldr_cluster_ring(a.cluster).checksum, ldr_cluster_ring(b.cluster).checksum);
    unsigned own_a = 0, own_b = 0;
    for (unsigned i = 0; i < 3000; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        struct ldr_route at_a = route_of(&a, key), at_b = route_of(&b, key);
        assert_true(at_a.owner && at_b.owner);
        assert_true(at_a.peer != NULL || at_b.peer != NULL); /* never both their own */
        own_a += at_a.peer == NULL;
        own_b += at_b.peer == NULL;
        ldr_peer_release(at_a.peer);
        ldr_peer_release(at_b.peer);
    }
    assert_in_range(own_a, 850, 1150);
    assert_in_range(own_b, 850, 1150);
    world_close(&a);
    world_close(&b);
}

static void peers_that_stay_keep_their_handle(void **state)
{
    (void)state;
    const struct larder_member moved[] = {abc[0], {"b", 1, 1, &addresses[5]}, abc[2], abc[3]};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1"), *c = net_node(&world.net, "c:1");
    run_ms(&world, 3000);
    suspend_b(&world);
    join(&world, 2, abc, 4);
    assert_int_equal(b->handles_opened, 1);
    assert_int_equal(c->handles_opened, 1);
    assert_string_equal(state_of(&world, "b"), "suspended"); /* the breaker stays too */
    assert_string_equal(state_of(&world, "d"), "unknown");

    /* A call that is under way ends, although the peer moves meanwhile; then its old handle is closed. */
    b->mode = b->ping_mode = NET_ANSWER;
    run_ms(&world, 5000);
    b->delay_ms = 500;
    struct outcome outcome = {.runtime = world.runtime};
    struct larder_request request = get_within(&world, 0);
    ldr_cluster_call(world.cluster, peer_of(&world, "b"), &request, completed, &outcome);
    join(&world, 3, moved, 4);
    assert_string_equal(state_of(&world, "b"), "unknown");
    assert_string_equal(member(&world, "b").address, "b:9");
    run_ms(&world, 100);
    assert_false(outcome.done);
    assert_int_equal(b->handles_closed, 0);
    unsigned pings = b->pings;
    run_ms(&world, 5000);
    assert_true(outcome.done);
    assert_int_equal(outcome.status, LARDER_OK);
    assert_int_equal(b->handles_closed, 1);
    assert_int_equal(b->pings, pings); /* nobody asks there any more */
    assert_int_equal(net_node(&world.net, "b:9")->handles_opened, 1);
    assert_string_equal(state_of(&world, "b"), "up");
    assert_int_equal(c->handles_opened, 1);
    world_close(&world);
}

static void a_peer_without_a_usable_address_is_suspended(void **state)
{
    (void)state;
    const struct larder_member members[] = {abc[0], {"b", 1, 1, &addresses[4]}, {"c", 1, 1, &addresses[6]}};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, members, 3);
    const char *text = logged(&world);
    assert_non_null(strstr(text, "peer b: it has no address for transport"));
    assert_non_null(strstr(text, "peer c: bad address: address"));
    run_ms(&world, 10000);
    assert_string_equal(state_of(&world, "b"), "suspended");
    assert_string_equal(member(&world, "b").reason, "it has no address for transport \"net\"");
    assert_string_equal(member(&world, "b").address, "");
    assert_string_equal(state_of(&world, "c"), "suspended");
    char key[32];
    key_of(members, 3, "b", key);
    assert_null(route_of(&world, key).peer);
    world_close(&world);
}

static void a_list_without_this_node_leaves_it_nothing(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc + 1, 2);
    assert_non_null(strstr(logged(&world), "has no member a: this node owns nothing"));
    for (unsigned i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        struct ldr_route route = route_of(&world, key);
        assert_non_null(route.peer);
        assert_true(route.owner);
        ldr_peer_release(route.peer);
    }
    world_close(&world);
}

/* ------------------------------------------------------------------------------------------------ calls */

/* Fault 1: at most one hop, whatever the views. */
static void fault_1_a_peers_request_is_never_forwarded(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct larder_request request = get_within(&world, 100);
    request.flags = LARDER_REQUEST_PEER;
    struct outcome outcome = call_b(&world, &request);
    assert_int_equal(outcome.status, LARDER_INVALID);
    assert_int_equal(net_node(&world.net, "b:1")->calls, 0);
    assert_int_equal(stats_of(&world).forwarded_refused, 1);
    assert_int_equal(stats_of(&world).peer_requests, 0);
    world_close(&world);
}

static void a_call_says_who_asks_and_how_it_sees_the_ring(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 9, abc, 3);
    struct larder_request request = get_within(&world, 300);
    assert_int_equal(call_b(&world, &request).status, LARDER_OK);
    const struct larder_request *sent = &net_node(&world.net, "b:1")->last;
    struct larder_ring_view ring = ldr_cluster_ring(world.cluster);
    assert_int_equal(sent->flags, LARDER_REQUEST_PEER);
    assert_true(ldr_slice_equal(sent->sender, ldr_slice_text("a")));
    assert_memory_equal(&sent->ring, &ring, sizeof ring);
    assert_int_equal(ring.epoch, 9);
    assert_int_equal(sent->deadline, request.deadline);
    assert_int_equal(request.flags, 0);
    world_close(&world);
}

/* Fault 2: with its owner down, a request costs at most 1 + retries peer requests, and none once it is suspended. */
static void fault_2_attempts_are_bounded(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, ping_rarely);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1"), *c = net_node(&world.net, "c:1");
    b->mode = b->ping_mode = NET_FAIL;
    char key[32];
    key_of(abc, 3, "b", key);
    struct larder_request request = get_within(&world, 5000);
    struct outcome outcome = call_b(&world, &request);
    assert_int_equal(outcome.status, LARDER_UNAVAILABLE);
    assert_string_equal(outcome.message, "no answer from peer b: connection reset");
    assert_int_equal(b->calls, 3);
    assert_int_equal(stats_of(&world).peer_requests, 3);
    assert_int_equal(stats_of(&world).peer_retries, 2);
    assert_int_equal(stats_of(&world).peer_failures, 3);
    assert_int_equal(stats_of(&world).peer_suspended, 1);
    for (int i = 0; i < 1000; i++) {
        struct ldr_route route = route_of(&world, key);
        assert_false(route.owner);
        if (route.peer != NULL) {
            outcome = (struct outcome){.runtime = world.runtime};
            ldr_cluster_call(world.cluster, route.peer, &request, completed, &outcome);
            assert_true(outcome.done);
        }
    }
    assert_int_equal(b->calls, 3);
    assert_true(c->calls <= 1000);
    assert_int_equal(c->calls + 3, stats_of(&world).peer_requests);
    assert_int_equal(occurrences(logged(&world), "peer b suspended after 3 failed calls: connection reset"), 1);
    world_close(&world);
}

static void suspend_late(struct ldr_cluster_options *options)
{
    options->suspend_after = 100;
    options->probe_ms = 1000000;
}

static void retries_back_off(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, suspend_late);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = NET_FAIL;
    uint64_t shortest = UINT64_MAX, longest = 0;
    for (unsigned i = 0; i < 15; i++) {
        struct larder_request request = get_within(&world, 0);
        b->calls = 0;
        call_b(&world, &request);
        assert_int_equal(b->calls, 3);
        uint64_t first = b->times[1] - b->times[0], second = b->times[2] - b->times[1];
        assert_in_range(first, 10 * LARDER_NS_PER_MS, 20 * LARDER_NS_PER_MS);
        assert_in_range(second, 20 * LARDER_NS_PER_MS, 40 * LARDER_NS_PER_MS);
        shortest = first < shortest ? first : shortest;
        longest = first > longest ? first : longest;
    }
    assert_true(longest - shortest > 3 * LARDER_NS_PER_MS);
    world_close(&world);
}

static void only_what_is_safe_is_repeated(void **state)
{
    (void)state;
    static const struct {
        enum larder_operation operation;
        uint32_t flags;
        bool safe;
    } cases[] = {
        {LARDER_OP_GET, 0, true},
        {LARDER_OP_SET, 0, true},
        {LARDER_OP_DELETE, 0, true},
        {LARDER_OP_TOUCH, 0, true},
        {LARDER_OP_SET, LARDER_REQUEST_IF_ABSENT, false},
        {LARDER_OP_SET, LARDER_REQUEST_IF_PRESENT, false},
        {LARDER_OP_SET, LARDER_REQUEST_IF_VERSION, false},
        {LARDER_OP_DELETE, LARDER_REQUEST_IF_VERSION, false},
        {LARDER_OP_GROUP_PUT, 0, false},
    };
    struct world world;
    world_open(&world, suspend_late);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct larder_request request = get_within(&world, 0);
        request.operation = cases[i].operation;
        request.flags = cases[i].flags;
        b->mode = NET_FAIL;
        b->calls = 0;
        struct outcome outcome = call_b(&world, &request);
        assert_int_equal(outcome.status, LARDER_UNAVAILABLE);
        assert_int_equal(outcome.flags & LARDER_REPLY_NOT_SENT, 0);
        assert_int_equal(b->calls, cases[i].safe ? 3 : 1);
        b->mode = NET_UNSENT; /* what was not sent is always safe */
        b->calls = 0;
        outcome = call_b(&world, &request);
        assert_int_equal(outcome.flags, LARDER_REPLY_NOT_SENT);
        assert_int_equal(b->calls, 3);
    }
    world_close(&world);
}

static void real_answers_are_successes(void **state)
{
    (void)state;
    static const enum larder_status answers[] = {LARDER_NOT_FOUND, LARDER_LOAD_FAILED, LARDER_DEADLINE,
                                                 LARDER_BUSY,      LARDER_TOO_LARGE,   LARDER_PRECONDITION};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    for (unsigned round = 0; round < 4; round++)
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
            struct larder_request request = get_within(&world, 100);
            b->status = answers[i];
            b->calls = 0;
            assert_int_equal(call_b(&world, &request).status, answers[i]);
            assert_int_equal(b->calls, 1);
            assert_string_equal(state_of(&world, "b"), "up");
        }
    assert_int_equal(stats_of(&world).peer_failures, 0);
    world_close(&world);
}

static void a_callers_deadline_is_not_the_peers_failure(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    net_node(&world.net, "b:1")->mode = NET_HANG;
    for (int i = 0; i < 10; i++) {
        struct larder_request request = get_within(&world, 50);
        struct outcome outcome = call_b(&world, &request);
        assert_int_equal(outcome.status, LARDER_DEADLINE);
        assert_int_equal(outcome.at, request.deadline);
    }
    assert_int_equal(net_node(&world.net, "b:1")->calls, 10);
    assert_int_equal(stats_of(&world).peer_failures, 0);
    assert_string_equal(state_of(&world, "b"), "up");
    /* One that has passed already costs no request at all. */
    struct larder_request late = get_within(&world, 1);
    run_ms(&world, 1);
    assert_int_equal(call_b(&world, &late).status, LARDER_DEADLINE);
    assert_int_equal(net_node(&world.net, "b:1")->calls, 10);
    world_close(&world);
}

static void an_attempt_has_a_limit_of_its_own(void **state)
{
    (void)state;
    static const struct {
        enum larder_operation operation;
        uint32_t flags;
        uint64_t limit_ms;
    } cases[] = {{LARDER_OP_GET, 0, 5000}, {LARDER_OP_GET, LARDER_REQUEST_NO_LOAD, 1000}, {LARDER_OP_SET, 0, 1000}};
    struct world world;
    world_open(&world, suspend_late);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = NET_HANG;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct larder_request request = get_within(&world, 0);
        request.operation = cases[i].operation;
        request.flags = cases[i].flags;
        uint64_t begin = larder_now(world.runtime), failures = stats_of(&world).peer_failures;
        b->calls = 0;
        struct outcome outcome = call_b(&world, &request);
        assert_int_equal(outcome.status, LARDER_UNAVAILABLE); /* the caller has time left */
        assert_int_equal(b->calls, 3);
        assert_int_equal(stats_of(&world).peer_failures - failures, 3);
        assert_in_range(outcome.at - begin, (3 * cases[i].limit_ms + 30) * LARDER_NS_PER_MS,
                        (3 * cases[i].limit_ms + 60) * LARDER_NS_PER_MS);
    }
    world_close(&world);
}

static void retries_stay_within_the_deadline(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, suspend_late);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = NET_FAIL;
    struct larder_request request = get_within(&world, 5); /* the first backoff takes at least 10 */
    struct outcome outcome = call_b(&world, &request);
    assert_int_equal(outcome.status, LARDER_UNAVAILABLE);
    assert_true(outcome.at < request.deadline); /* time is left to answer without the peer */
    assert_int_equal(b->calls, 1);
    world_close(&world);
}

static void a_suspension_ends_the_waiting_of_others(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = NET_FAIL;
    struct outcome outcomes[3];
    struct larder_request request = get_within(&world, 0);
    struct ldr_peer *peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = peer_of(&world, "b");
    for (int i = 0; i < 3; i++) {
        outcomes[i] = (struct outcome){.runtime = world.runtime};
        for (int k = 0; k < i; k++)
            assert_false(outcomes[k].done);
        ldr_cluster_call(world.cluster, peers[i], &request, completed, &outcomes[i]);
    }
    for (int i = 0; i < 3; i++) { /* the third failure suspended b: nobody waits any longer */
        assert_true(outcomes[i].done);
        assert_int_equal(outcomes[i].status, LARDER_UNAVAILABLE);
    }
    assert_int_equal(b->calls, 3);
    world_close(&world);
}

/* ------------------------------------------------------------------------------------------------ suspended peers */

static void the_next_in_ring_order_stands_in(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    suspend_b(&world);
    const struct larder_member rest[] = {abc[0], abc[2]};
    const struct ldr_ring_settings settings = {&fnv, 0, 256};
    struct ldr_ring *whole = ldr_ring_build(&settings, abc, 3), *without = ldr_ring_build(&settings, rest, 2);
    unsigned from_a = 0, from_c = 0;
    for (unsigned i = 0; i < 300; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        uint64_t digest = ldr_ring_key(&settings, ldr_ring_group(&settings, ldr_slice_text("g")), ldr_slice_text(key));
        size_t owner, heir;
        bool is_owner;
        ldr_ring_walk(whole, digest, &owner, 1);
        ldr_ring_walk(without, digest, &heir, 1);
        assert_string_equal(name_of_route(&world, key, &is_owner), rest[heir].name);
        assert_int_equal(is_owner, owner != 1);
        from_a += owner == 1 && heir == 0;
        from_c += owner == 1 && heir == 1;
    }
    assert_true(from_a > 20 && from_c > 20);
    ldr_ring_free(whole);
    ldr_ring_free(without);
    world_close(&world);
}

static void be_gateway(struct ldr_cluster_options *options)
{
    options->self = "g";
    options->gateway = true;
}

static void with_all_suspended_a_member_answers_and_a_gateway_asks_the_owner(void **state)
{
    (void)state;
    for (int gateway = 0; gateway < 2; gateway++) {
        struct world world;
        world_open(&world, gateway ? be_gateway : NULL);
        join(&world, 1, abc, 3);
        for (size_t i = 0; i < 3; i++)
            net_node(&world.net, abc[i].addresses[0].address)->ping_mode = NET_FAIL;
        run_ms(&world, 20000);
        assert_int_equal(stats_of(&world).peer_suspended, gateway ? 3 : 2);
        char key[32];
        key_of(abc, 3, "b", key);
        struct ldr_route route = route_of(&world, key);
        assert_int_equal(route.owner, gateway);
        assert_int_equal(route.peer != NULL, gateway);
        if (gateway) {
            struct outcome outcome = {.runtime = world.runtime};
            struct larder_request request = get_within(&world, 100);
            net_node(&world.net, "b:1")->mode = NET_FAIL;
            ldr_cluster_call(world.cluster, route.peer, &request, completed, &outcome);
            assert_true(outcome.done); /* one attempt, without retries */
            assert_int_equal(net_node(&world.net, "b:1")->calls, 1);
        }
        world_close(&world);
    }
}

static void a_gateway_owns_nothing_even_by_name(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, be_gateway);
    const struct larder_member members[] = {{"g", 1, 1, &addresses[1]}};
    join(&world, 1, members, 1);
    struct ldr_route route = route_of(&world, "k");
    assert_non_null(route.peer);
    ldr_peer_release(route.peer);
    assert_false(member(&world, "g").info.self);
    world_close(&world);
}

static void a_ping_readmits_before_the_time(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    suspend_b(&world);
    uint64_t begin = larder_now(world.runtime);
    net_node(&world.net, "b:1")->ping_mode = NET_ANSWER;
    while (strcmp(state_of(&world, "b"), "suspended") == 0)
        assert_true(ldr_sim_step(world.runtime));
    assert_true(larder_now(world.runtime) - begin <= 1250 * LARDER_NS_PER_MS);
    assert_string_equal(state_of(&world, "b"), "up");
    assert_non_null(strstr(logged(&world), "peer b answers again"));
    ldr_peer_release(peer_of(&world, "b"));
    world_close(&world);
}

static void ping_rarely(struct ldr_cluster_options *options)
{
    options->probe_ms = 3600 * 1000;
}

static void at_the_end_of_a_suspension_one_ping_decides(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, ping_rarely);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = b->ping_mode = NET_FAIL;
    run_ms(&world, 3600 * 1000); /* the first ping has failed */
    unsigned pings = b->pings;
    assert_true(pings >= 1);
    struct larder_request request = get_within(&world, 0);
    call_b(&world, &request);
    assert_string_equal(state_of(&world, "b"), "suspended");
    char key[32];
    key_of(abc, 3, "b", key);
    /* The ping that finds b suspended is an hour away; from then on each suspension ends with one. */
    while (b->pings < pings + 1)
        assert_true(ldr_sim_step(world.runtime));
    uint64_t begin = larder_now(world.runtime);
    for (unsigned i = 2; i < 6; i++) {
        while (b->pings < pings + i)
            assert_true(ldr_sim_step(world.runtime));
        assert_int_equal(larder_now(world.runtime) - begin, 5000 * LARDER_NS_PER_MS * (i - 1));
        struct ldr_route route = route_of(&world, key);
        assert_false(route.owner); /* no request tries it */
        ldr_peer_release(route.peer);
    }
    b->mode = b->ping_mode = NET_ANSWER;
    run_ms(&world, 5000);
    struct ldr_route route = route_of(&world, key);
    assert_true(route.owner);
    ldr_peer_release(route.peer);
    world_close(&world);
}

static void a_peer_that_refuses_is_told_once_and_tried_by_pings(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->status = b->ping_status = LARDER_REFUSED;
    b->message = "ring settings differ: node b has hash=crc32 seed=0 virtual_nodes=128";
    run_ms(&world, 20000);
    const char *text = logged(&world);
    assert_int_equal(occurrences(text, "level=error"), 1);
    assert_non_null(strstr(text,
                           "peer b is refused: ring settings differ: node b has hash=crc32 seed=0 virtual_nodes=128; "
                           "this node has hash=fnv seed=0 virtual_nodes=256"));
    assert_string_equal(state_of(&world, "b"), "refused");
    assert_string_equal(member(&world, "b").reason, b->message);
    assert_int_equal(stats_of(&world).peer_suspended, 1);
    char key[32];
    key_of(abc, 3, "b", key);
    struct ldr_route route = route_of(&world, key);
    assert_false(route.owner);
    ldr_peer_release(route.peer);
    b->status = b->ping_status = LARDER_OK;
    run_ms(&world, 1300);
    assert_string_equal(state_of(&world, "b"), "up");
    world_close(&world);
}

static void an_answer_with_other_settings_is_a_refusal(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->ring = (struct larder_ring_view){1, 2, 3};
    run_ms(&world, 2000);
    assert_string_equal(state_of(&world, "b"), "refused");
    assert_string_equal(member(&world, "b").reason, "ring settings differ");
    world_close(&world);
}

static void pings_compare_rings(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1"), *c = net_node(&world.net, "c:1");
    struct larder_ring_view ring = ldr_cluster_ring(world.cluster);
    b->ring = (struct larder_ring_view){ring.epoch + 1, ring.checksum ^ 1, ring.settings};
    run_ms(&world, 10000);
    assert_false(member(&world, "b").info.agrees);
    assert_true(member(&world, "c").info.agrees);
    assert_string_equal(state_of(&world, "b"), "up");
    const char *text = logged(&world);
    assert_int_equal(occurrences(text, "peer b sees another ring: epoch 2"), 1);
    assert_int_equal(occurrences(text, "peer c sees"), 0);
    b->ring = ring;
    run_ms(&world, 2000);
    assert_true(member(&world, "b").info.agrees);
    assert_int_equal(occurrences(logged(&world), "peer b sees the same ring again"), 1);
    /* The pings say who asks, and go out about once a second, not in step. */
    assert_int_equal(c->last.operation, LARDER_OP_PING);
    assert_int_equal(c->last.flags, LARDER_REQUEST_PEER);
    assert_true(ldr_slice_equal(c->last.sender, ldr_slice_text("a")));
    assert_memory_equal(&c->last.ring, &ring, sizeof ring);
    assert_in_range(c->pings, 10, 17);
    assert_int_equal(stats_of(&world).peer_probes, b->pings + c->pings);
    assert_int_equal(stats_of(&world).peer_requests, 0);
    world_close(&world);
}

/* ------------------------------------------------------------------------------------------------ everybody, and the rest */

struct round {
    struct ldr_fanout fanout;
    unsigned each, all, ok;
    char names[32];
};

static void round_each(struct ldr_fanout *fanout, const char *name, struct larder_reply *reply)
{
    struct round *round = (struct round *)fanout;
    assert_int_equal(round->all, 0);
    round->each++;
    round->ok += reply->status == LARDER_OK;
    strncat(round->names, name, 2);
    larder_reply_release(reply);
}

static void round_all(struct ldr_fanout *fanout)
{
    ((struct round *)fanout)->all++;
}

/* Fault 3: a request for everybody costs one request for each other member, and one that came from a peer none. */
static void fault_3_a_request_for_all_goes_to_each_once(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    struct larder_request request = {.operation = LARDER_OP_GROUP_CLEAR, .deadline = LARDER_NEVER};
    struct round round = {{round_each, round_all}, 0, 0, 0, ""};
    ldr_cluster_call_all(world.cluster, &request, &round.fanout); /* no list yet */
    assert_int_equal(round.all, 1);
    assert_int_equal(round.each, 0);

    join(&world, 1, abc, 4);
    net_node(&world.net, "b:1")->delay_ms = 100;
    net_node(&world.net, "c:1")->mode = NET_HANG;
    round = (struct round){{round_each, round_all}, 0, 0, 0, ""};
    ldr_cluster_call_all(world.cluster, &request, &round.fanout);
    assert_string_equal(round.names, "d");
    run_ms(&world, 500);
    assert_string_equal(round.names, "db");
    assert_int_equal(round.all, 0);
    run_ms(&world, 2000);
    assert_string_equal(round.names, "dbc");
    assert_int_equal(round.all, 1);
    assert_int_equal(round.ok, 2);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(net_node(&world.net, abc[i].addresses[0].address)->calls, 1);
    assert_int_equal(net_node(&world.net, "a:1")->calls, 0);

    request.flags = LARDER_REQUEST_PEER;
    round = (struct round){{round_each, round_all}, 0, 0, 0, ""};
    ldr_cluster_call_all(world.cluster, &request, &round.fanout);
    assert_int_equal(round.all, 1);
    assert_int_equal(round.ok, 0);
    assert_int_equal(stats_of(&world).peer_requests, 3);
    assert_int_equal(stats_of(&world).forwarded_refused, 3);
    world_close(&world);
}

static void closing_completes_what_is_pending(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct larder_request request = get_within(&world, 0);
    struct outcome hanging = {.runtime = world.runtime}, waiting = {.runtime = world.runtime};
    net_node(&world.net, "b:1")->mode = NET_HANG;
    net_node(&world.net, "c:1")->mode = NET_FAIL;
    ldr_cluster_call(world.cluster, peer_of(&world, "b"), &request, completed, &hanging);
    ldr_cluster_call(world.cluster, peer_of(&world, "c"), &request, completed, &waiting);
    assert_false(hanging.done);
    assert_false(waiting.done);
    struct world copy = world; /* what the cluster may not touch any more is checked by the sanitizer */
    ldr_cluster_close(world.cluster);
    assert_true(hanging.done);
    assert_int_equal(hanging.status, LARDER_UNAVAILABLE);
    assert_true(waiting.done);
    assert_int_equal(waiting.status, LARDER_UNAVAILABLE);
    assert_int_equal(occurrences(logged(&copy), "suspended"), 0);
    world.cluster = NULL;
    world_close(&world);
}

static void requests_of_peers_are_looked_at(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    struct larder_request request = {.operation = LARDER_OP_PING,
                                     .flags = LARDER_REQUEST_PEER,
                                     .sender = ldr_slice_text("b"),
                                     .ring = {1, 5, ldr_cluster_ring(world.cluster).settings}};
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK); /* no list yet: no ring to compare */
    assert_int_equal(stats_of(&world).ring_mismatches, 0);
    join(&world, 1, abc, 3);
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK); /* served, but counted */
    assert_int_equal(stats_of(&world).ring_mismatches, 1);
    request.ring = ldr_cluster_ring(world.cluster);
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK);
    assert_int_equal(stats_of(&world).ring_mismatches, 1);
    request.ring.settings++;
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_REFUSED);
    assert_non_null(strstr(larder_last_error(), "ring settings differ: node a has hash=fnv seed=0 virtual_nodes=256"));
    assert_non_null(strstr(larder_last_error(), "of node b has digest"));
    request.flags = 0; /* from a client: nothing to compare */
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK);
    /* A suspended peer that asks is not re-admitted by that. */
    suspend_b(&world);
    request.flags = LARDER_REQUEST_PEER;
    request.ring = ldr_cluster_ring(world.cluster);
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK);
    assert_string_equal(state_of(&world, "b"), "suspended");
    world_close(&world);
}

static void members_are_described(void **state)
{
    (void)state;
    const struct larder_member members[] = {{"a", 1, 1, &addresses[0]}, {"b", 3, 1, &addresses[1]}};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, members, 2);
    assert_string_equal(state_of(&world, "b"), "unknown");
    run_ms(&world, 1000);
    struct seen a = member(&world, "a"), b = member(&world, "b");
    assert_true(a.info.self && !b.info.self);
    assert_string_equal(a.state, "self");
    assert_string_equal(a.address, "a:1");
    assert_string_equal(b.state, "up");
    assert_string_equal(b.reason, "");
    assert_int_equal(b.info.weight, 3);
    assert_true(b.info.share > 0.7 && b.info.share < 0.8);
    assert_true(a.info.share + b.info.share > 0.999 && a.info.share + b.info.share < 1.001);
    suspend_b(&world);
    b = member(&world, "b");
    assert_string_equal(b.reason, "connection reset");
    assert_int_equal(b.info.requests, 3);
    assert_int_equal(b.info.failures, 3);
    assert_string_equal(ldr_cluster_settings_text(world.cluster), "hash=fnv seed=0 virtual_nodes=256");
    world_close(&world);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct ldr_cluster_options options = {.self = "a", .transport_name = "net", .ring = {&fnv, 0, 0}};
    assert_null(ldr_cluster_open(&options));
    assert_string_equal(larder_last_error(), "cluster: virtual_nodes is 0, wanted 1 to 4096");
    options.ring.virtual_nodes = 256;
    assert_null(ldr_cluster_open(&options));
    assert_int_equal(larder_last_status(), LARDER_INVALID);
    ldr_cluster_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_8_not_ready_before_the_first_list),
        cmocka_unit_test(a_list_that_makes_no_sense_is_refused),
        cmocka_unit_test(fault_4_identity_is_the_name),
        cmocka_unit_test(fault_5_nodes_agree_on_every_owner),
        cmocka_unit_test(peers_that_stay_keep_their_handle),
        cmocka_unit_test(a_peer_without_a_usable_address_is_suspended),
        cmocka_unit_test(a_list_without_this_node_leaves_it_nothing),
        cmocka_unit_test(fault_1_a_peers_request_is_never_forwarded),
        cmocka_unit_test(a_call_says_who_asks_and_how_it_sees_the_ring),
        cmocka_unit_test(fault_2_attempts_are_bounded),
        cmocka_unit_test(retries_back_off),
        cmocka_unit_test(only_what_is_safe_is_repeated),
        cmocka_unit_test(real_answers_are_successes),
        cmocka_unit_test(a_callers_deadline_is_not_the_peers_failure),
        cmocka_unit_test(an_attempt_has_a_limit_of_its_own),
        cmocka_unit_test(retries_stay_within_the_deadline),
        cmocka_unit_test(a_suspension_ends_the_waiting_of_others),
        cmocka_unit_test(the_next_in_ring_order_stands_in),
        cmocka_unit_test(with_all_suspended_a_member_answers_and_a_gateway_asks_the_owner),
        cmocka_unit_test(a_gateway_owns_nothing_even_by_name),
        cmocka_unit_test(a_ping_readmits_before_the_time),
        cmocka_unit_test(at_the_end_of_a_suspension_one_ping_decides),
        cmocka_unit_test(a_peer_that_refuses_is_told_once_and_tried_by_pings),
        cmocka_unit_test(an_answer_with_other_settings_is_a_refusal),
        cmocka_unit_test(pings_compare_rings),
        cmocka_unit_test(fault_3_a_request_for_all_goes_to_each_once),
        cmocka_unit_test(closing_completes_what_is_pending),
        cmocka_unit_test(requests_of_peers_are_looked_at),
        cmocka_unit_test(members_are_described),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
