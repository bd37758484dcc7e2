/* Calls to peers: attempts, limits, what counts as a failure, everybody at once, and closing. */
#include "tests/unit/cluster_world.h"

static void suspend_late(struct ldr_cluster_options *options)
{
    options->suspend_after = 100;
    options->probe_ms = 1000000;
}

static void ping_rarely(struct ldr_cluster_options *options)
{
    options->probe_ms = 3600 * 1000;
}

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

static void suspend_late_with_copies(struct ldr_cluster_options *options)
{
    suspend_late(options);
    options->replicas = 2;
}

static void a_gateway_with_copies(struct ldr_cluster_options *options)
{
    suspend_late_with_copies(options);
    options->gateway = true;
}

/* One that says nothing, or takes no connection for long, is asked again only when nobody else holds the key; one that fails at once is,
   in any case. */
static void one_that_stands_is_not_asked_again_where_there_are_others(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct ldr_cluster_options *options);
        enum net_mode mode, ping_mode;
        uint64_t delay_ms;
        unsigned calls;
    } cases[] = {
        {suspend_late, NET_HANG, NET_HANG, 0, 3},
        {suspend_late_with_copies, NET_HANG, NET_HANG, 0, 1},
        {suspend_late, NET_UNSENT, NET_HANG, 1000, 3},
        {suspend_late_with_copies, NET_UNSENT, NET_HANG, 1000, 1},
        {suspend_late_with_copies, NET_UNSENT, NET_HANG, 600, 1},
        {suspend_late_with_copies, NET_UNSENT, NET_HANG, 400, 3},
        {suspend_late_with_copies, NET_FAIL, NET_HANG, 0, 3},
        {a_gateway_with_copies, NET_UNSENT, NET_HANG, 1000, 3}, /* nobody else would be asked */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world world;
        world_open(&world, cases[i].change);
        join(&world, 1, abc, 3);
        struct net_node *b = net_node(&world.net, "b:1");
        b->mode = cases[i].mode;
        b->ping_mode = cases[i].ping_mode;
        b->delay_ms = cases[i].delay_ms;
        struct larder_request request = get_within(&world, 0);
        request.operation = LARDER_OP_SET;
        struct outcome outcome = call_b(&world, &request);
        assert_int_equal(outcome.status, LARDER_UNAVAILABLE);
        assert_int_equal(b->calls, cases[i].calls);
        world_close(&world);
    }
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

/* Has b fail in another way from some time on. */
struct turn {
    struct larder_timer timer;
    struct net_node *node;
};

static void refuse_connections(struct larder_timer *timer)
{
    ((struct turn *)timer)->node->mode = NET_UNSENT;
}

static void one_attempt_that_was_sent_is_enough_for_doubt(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, suspend_late);
    join(&world, 1, abc, 3);
    struct turn turn = {.timer.fire = refuse_connections, .node = net_node(&world.net, "b:1")};
    turn.node->mode = NET_FAIL;
    world.runtime->timer_start(world.runtime, &turn.timer, larder_deadline_in(world.runtime, 5));
    struct larder_request request = get_within(&world, 0);
    struct outcome outcome = call_b(&world, &request);
    assert_int_equal(turn.node->calls, 3);
    assert_string_equal(outcome.message, "no answer from peer b: connection refused");
    assert_int_equal(outcome.flags, 0);
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
            struct larder_request request = get_within(&world, 0);
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
        uint64_t limit_ms;
    } cases[] = {{LARDER_OP_GET, 5000}, {LARDER_OP_SET, 1000}, {LARDER_OP_DELETE, 1000}};
    struct world world;
    world_open(&world, suspend_late);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = NET_HANG;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct larder_request request = get_within(&world, 0);
        request.operation = cases[i].operation;
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
    struct outcome outcomes[4];
    net_node(&world.net, "b:1")->mode = NET_HANG;
    net_node(&world.net, "c:1")->mode = NET_FAIL;
    for (int i = 0; i < 4; i++) { /* three in the transport, one in a backoff */
        outcomes[i] = (struct outcome){.runtime = world.runtime};
        ldr_cluster_call(world.cluster, peer_of(&world, i < 3 ? "b" : "c"), &request, completed, &outcomes[i]);
        assert_false(outcomes[i].done);
    }
    ldr_cluster_close(world.cluster);
    for (int i = 0; i < 4; i++) {
        assert_true(outcomes[i].done);
        assert_int_equal(outcomes[i].status, LARDER_UNAVAILABLE);
    }
    assert_int_equal(occurrences(logged(&world), "suspended"), 0); /* it was not b that ended the calls */
    world.cluster = NULL;
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_1_a_peers_request_is_never_forwarded),
        cmocka_unit_test(a_call_says_who_asks_and_how_it_sees_the_ring),
        cmocka_unit_test(fault_2_attempts_are_bounded),
        cmocka_unit_test(one_that_stands_is_not_asked_again_where_there_are_others),
        cmocka_unit_test(retries_back_off),
        cmocka_unit_test(only_what_is_safe_is_repeated),
        cmocka_unit_test(one_attempt_that_was_sent_is_enough_for_doubt),
        cmocka_unit_test(real_answers_are_successes),
        cmocka_unit_test(a_callers_deadline_is_not_the_peers_failure),
        cmocka_unit_test(an_attempt_has_a_limit_of_its_own),
        cmocka_unit_test(retries_stay_within_the_deadline),
        cmocka_unit_test(a_suspension_ends_the_waiting_of_others),
        cmocka_unit_test(fault_3_a_request_for_all_goes_to_each_once),
        cmocka_unit_test(closing_completes_what_is_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
