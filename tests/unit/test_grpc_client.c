/* Calls to peers over gRPC: many at a time on one connection, of any size, each with its own deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "grpc_client_kit.h"

/* ------------------------------------------------------------------------------------------------ good answers */

static void a_call_is_answered(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    outcome_init(&outcome, "Tom");
    outcome.request.ttl_ms = 1234;
    outcome.request.cluster = (struct larder_slice){"\0opaque", 7};
    call(peer, &outcome);
    assert_true(outcome.reply.version.epoch == 1 && outcome.reply.version.clock == 2);
    assert_true(outcome.reply.ring.epoch == 3 && outcome.reply.ring.checksum == 4 && outcome.reply.ring.settings == 5);
    assert_int_equal(outcome.reply.source, LARDER_SOURCE_LOCAL);
    assert_int_equal(outcome.reply.ttl_ms, 1234);
    assert_int_equal(outcome.reply.cluster.size, 7);
    assert_memory_equal(outcome.reply.cluster.data, "\0opaque", 7);
    assert_got(&outcome, "Tom", 3);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void values_and_keys_of_any_size_travel(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const size_t sizes[] = {0, 1, 400, 480, 512, 600, 2047, 2048, 65000, 65536, 300001, 16 << 20};
    char *bytes = malloc(16 << 20);
    assert_non_null(bytes);
    for (size_t i = 0; i < 16 << 20; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct outcome outcome;
        outcome_init(&outcome, "key");
        outcome.request.operation = LARDER_OP_SET;
        outcome.request.value = (struct larder_slice){bytes, sizes[i]};
        call(peer, &outcome);
        assert_got(&outcome, bytes, sizes[i]);
        if (sizes[i] >= 1 && sizes[i] <= LARDER_KEY_MAX) {
            outcome_init(&outcome, "");
            outcome.request.key = (struct larder_slice){bytes, sizes[i]};
            call(peer, &outcome);
            assert_got(&outcome, bytes, sizes[i]);
        }
    }
    assert_int_equal(h2_count(server, &server->accepts), 1);
    free(bytes);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void what_the_cluster_adds_travels_up_to_its_limit(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const size_t sizes[] = {1, 2047, 65536, TP_CLUSTER_MAX, TP_CLUSTER_MAX + 1};
    char *bytes = malloc(TP_CLUSTER_MAX + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i <= TP_CLUSTER_MAX; i++)
        bytes[i] = (char)(i * 5 + i / 253);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct outcome outcome;
        outcome_init(&outcome, "");
        outcome.request.key = (struct larder_slice){bytes, LARDER_KEY_MAX};
        outcome.request.cluster = (struct larder_slice){bytes, sizes[i]};
        call(peer, &outcome);
        if (sizes[i] > TP_CLUSTER_MAX) {
            assert_failed(&outcome, LARDER_INVALID, LARDER_REPLY_NOT_SENT);
            continue;
        }
        assert_int_equal(outcome.reply.cluster.size, sizes[i]);
        assert_memory_equal(outcome.reply.cluster.data, bytes, sizes[i]);
        assert_got(&outcome, bytes, LARDER_KEY_MAX);
    }
    free(bytes);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

/* Answers with what is left of the deadline, in seconds. */
static enum h2_verdict tell_deadline(struct h2_connection *connection, struct h2_stream *stream,
                                     const struct larder_request *request)
{
    char text[32] = "never";
    if (request->deadline != LARDER_NEVER)
        snprintf(text, sizeof text, "%.0f", (double)(request->deadline - H2_NOW) / 1e9);
    h2_reply(connection, stream, &(struct larder_reply){.value = {text, strlen(text)}});
    return H2_DONE;
}

static void the_deadline_travels(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(tell_deadline));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    outcome_init(&outcome, "key");
    call(peer, &outcome);
    assert_got(&outcome, "never", 5);
    outcome_init(&outcome, "key");
    outcome.request.deadline = in_ms(9000000);
    call(peer, &outcome);
    assert_got(&outcome, "9000", 4);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

/* Answers with a failure and its reason, or with both a value and a message. */
static enum h2_verdict explain(struct h2_connection *connection, struct h2_stream *stream,
                               const struct larder_request *request)
{
    struct larder_reply reply = {.status = LARDER_LOAD_FAILED, .message = {"origin answered 500", 19}};
    if (request->operation == LARDER_OP_SET)
        reply = (struct larder_reply){.value = {"value", 5}, .message = {"and a word", 10}};
    h2_reply(connection, stream, &reply);
    return H2_DONE;
}

static void the_peers_message_arrives(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(explain));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    outcome_init(&outcome, "key");
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_LOAD_FAILED, 0);
    assert_string_equal(outcome.message, "origin answered 500");
    assert_null(outcome.reply.release);
    outcome_init(&outcome, "key");
    outcome.request.operation = LARDER_OP_SET;
    call(peer, &outcome);
    assert_int_equal(outcome.reply.status, LARDER_OK);
    assert_string_equal(outcome.message, "and a word");
    assert_memory_equal(outcome.reply.value.data, "value", 5);
    larder_reply_release(&outcome.reply);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void an_answer_in_many_pieces_is_put_together(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(echo);
    server->trickle = true;
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 10; i++)
        assert_works(peer);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void a_reply_is_valid_until_it_is_released(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static struct outcome outcomes[40];
    static char large[100000];
    for (int i = 0; i < 40; i++) {
        outcome_init(&outcomes[i], "key");
        outcomes[i].request.operation = LARDER_OP_SET;
        memset(large, i, sizeof large);
        outcomes[i].request.value = (struct larder_slice){large, i % 2 ? sizeof large : 100};
        outcomes[i].request.cluster = (struct larder_slice){large, i % 3 ? 0 : 2000};
        call(peer, &outcomes[i]);
    }
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
    for (int i = 0; i < 40; i++) {
        memset(large, i, sizeof large);
        assert_int_equal(outcomes[i].reply.cluster.size, i % 3 ? 0 : 2000);
        assert_memory_equal(outcomes[i].reply.cluster.data, large, outcomes[i].reply.cluster.size);
        assert_got(&outcomes[i], large, i % 2 ? sizeof large : 100);
    }
}

/* ------------------------------------------------------------------------------------------------ many at a time */

static void fault_10_all_calls_of_a_loop_share_one_connection(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct grpc_client_options options = usual();
    options.common.loop_count = 2;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 300; i++)
        assert_works(peer);
    call_from_threads(peer, 100);
    assert_int_equal(h2_count(server, &server->requests), 1100);
    assert_int_equal(h2_count(server, &server->accepts), 2);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void a_slow_call_holds_nobody_up(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(slow_waits));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static struct outcome slow[500];
    for (int i = 0; i < 500; i++) {
        outcome_init(&slow[i], "slow");
        begin(peer, &slow[i]);
    }
    h2_wait(server, &server->requests, 500);
    for (int i = 0; i < 20; i++)
        assert_works(peer);
    for (int i = 0; i < 500; i++)
        assert_int_equal(completions(&slow[i]), 0);
    h2_gate(server, true);
    for (int i = 0; i < 500; i++) {
        await(&slow[i]);
        assert_got(&slow[i], "slow", 4);
    }
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

/* Calls made in one turn of the loop. */
struct turn {
    struct tp_task task;
    struct tp_peer *peer;
    struct outcome *outcomes;
    int count;
};

static void call_all(struct tp_task *task)
{
    struct turn *turn = TP_OWNER(task, struct turn, task);
    for (int i = 0; i < turn->count; i++)
        begin(turn->peer, &turn->outcomes[i]);
}

static void calls_of_one_turn_share_streams(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(slow_waits));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    static struct outcome outcomes[100];
    static char value[40000];
    struct turn turn = {.task.run = call_all, .peer = peer, .outcomes = outcomes, .count = 100};
    for (int i = 0; i < 100; i++) { /* the slow ones in between, and a large one */
        outcome_init(&outcomes[i], i % 3 == 0 ? "slow" : "key");
        outcomes[i].request.operation = i == 50 ? LARDER_OP_SET : LARDER_OP_GET;
        outcomes[i].request.value = (struct larder_slice){value, i == 50 ? sizeof value : 0};
    }
    tp_loop_post(fixture->loops[0], &turn.task);
    for (int i = 0; i < 100; i++)
        if (i % 3 != 0)
            await(&outcomes[i]);
    assert_in_range(h2_count(server, &server->streams), 5,
                    7); /* one before, one for the large one, the rest by the dozen */
    for (int i = 0; i < 100; i += 3)
        assert_int_equal(completions(&outcomes[i]), 0);
    h2_gate(server, true);
    for (int i = 0; i < 100; i++) {
        await(&outcomes[i]);
        if (i == 50)
            assert_got(&outcomes[i], value, sizeof value);
        else
            assert_got(&outcomes[i], i % 3 == 0 ? "slow" : "key", i % 3 == 0 ? 4 : 3);
    }
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void a_stream_is_cancelled_when_the_last_of_its_calls_is_given_up(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(slow_waits));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    static struct outcome outcomes[3];
    struct turn turn = {.task.run = call_all, .peer = peer, .outcomes = outcomes, .count = 3};
    for (int i = 0; i < 3; i++)
        outcome_init(&outcomes[i], "slow");
    outcomes[1].request.deadline = in_ms(50);
    tp_loop_post(fixture->loops[0], &turn.task);
    await(&outcomes[1]);
    assert_int_equal(outcomes[1].reply.status, LARDER_DEADLINE);
    assert_works(peer);
    h2_gate(server, true); /* the others are answered as if nothing had been, and so is the one that is not there */
    for (int i = 0; i < 3; i += 2) {
        await(&outcomes[i]);
        assert_got(&outcomes[i], "slow", 4);
    }
    assert_int_equal(h2_count(server, &server->cancels), 0);
    h2_gate(server, false);
    for (int i = 0; i < 3; i++) {
        outcome_init(&outcomes[i], "slow");
        outcomes[i].request.deadline = in_ms(50 + 20 * (uint64_t)i);
    }
    tp_loop_post(fixture->loops[0], &turn.task);
    for (int i = 0; i < 3; i++) {
        await(&outcomes[i]);
        assert_int_equal(outcomes[i].reply.status, LARDER_DEADLINE);
    }
    h2_wait(server, &server->cancels, 1);
    assert_works(peer);
    assert_int_equal(h2_count(server, &server->cancels), 1);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void the_peers_limit_of_calls_is_kept(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(slow_waits);
    server->max_streams = 3;
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static struct outcome outcomes[200];
    struct outcome late;
    for (int i = 0; i < 200; i++) {
        outcome_init(&outcomes[i], "slow");
        begin(peer, &outcomes[i]);
    }
    h2_wait(server, &server->requests, 3);
    outcome_init(&late, "slow");
    late.request.deadline = in_ms(20);
    call(peer, &late);
    assert_failed(&late, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT);
    h2_gate(server, true);
    for (int i = 0; i < 200; i++) {
        await(&outcomes[i]);
        assert_got(&outcomes[i], "slow", 4);
    }
    assert_int_equal(h2_count(server, &server->requests), 200);
    assert_int_equal(server->most_calls, 3);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

static void a_completion_may_call_again(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct fixture *fixture = open_client(usual());
    struct chain chain = {.peer = open_peer(fixture, server->port), .left = 500};
    outcome_init(&chain.last, "key");
    tp_peer_call(chain.peer, &chain.last.request, chain_next, &chain);
    await(&chain.last);
    assert_got(&chain.last, "key", 3);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    /* Deadlines that have passed complete inside the call: no stack is deep enough for many of these in one another. */
    chain.left = 300000;
    outcome_init(&chain.last, "key");
    chain.last.request.deadline = 1;
    tp_peer_call(chain.peer, &chain.last.request, chain_next, &chain);
    await(&chain.last);
    assert_failed(&chain.last, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT);
    tp_peer_close(chain.peer);
    close_client(fixture);
    h2_stop(server);
}

/* ------------------------------------------------------------------------------------------------ windows */

static void a_peer_with_narrow_windows_is_waited_for(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(echo);
    server->shut = true;
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static char value[300000];
    struct outcome late, outcomes[10];
    for (int i = 0; i < 10; i++) {
        outcome_init(&outcomes[i], "key");
        outcomes[i].request.operation = LARDER_OP_SET;
        outcomes[i].request.value = (struct larder_slice){value, i % 2 ? sizeof value : 1};
        begin(peer, &outcomes[i]);
    }
    outcome_init(&late, "key");
    late.request.deadline = in_ms(50);
    call(peer, &late);
    assert_int_equal(late.reply.status, LARDER_DEADLINE);
    h2_wait(server, &server->cancels, 1);
    h2_gate(server, true);
    for (int i = 0; i < 10; i++) {
        await(&outcomes[i]);
        assert_got(&outcomes[i], value, i % 2 ? sizeof value : 1);
    }
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

/* ------------------------------------------------------------------------------------------------ deadlines */

static void a_call_whose_deadline_passes_is_cancelled(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(slow_waits));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    struct outcome slow;
    int cancelled = 0;
    /* A machine that is too busy to send it before the deadline is given twice as long. */
    for (uint64_t ms = 50; cancelled == 0; ms *= 2) {
        outcome_init(&slow, "slow");
        slow.request.deadline = in_ms(ms);
        call(peer, &slow);
        assert_true(clock_now(NULL) >= slow.request.deadline);
        assert_int_equal(slow.reply.status, LARDER_DEADLINE);
        assert_non_null(strstr(slow.message, "did not answer in time"));
        cancelled = (slow.reply.flags & LARDER_REPLY_NOT_SENT) == 0;
    }
    h2_wait(server, &server->cancels, 1);
    assert_works(peer);
    h2_gate(server, true); /* nobody is answered twice */
    assert_works(peer);
    assert_int_equal(completions(&slow), 1);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

/* Reads no more once the first call is there, until the gate opens. */
static enum h2_verdict grows_deaf(struct h2_connection *connection, struct h2_stream *stream,
                                  const struct larder_request *request)
{
    connection->deaf = key_begins(request, "deaf");
    return echo(connection, stream, request);
}

static void what_is_not_written_at_the_deadline_is_not_looked_at_again(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(grows_deaf);
    server->window = 64 << 20; /* nothing but the socket holds the client back */
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome first;
    outcome_init(&first, "deaf");
    call(peer, &first);
    assert_got(&first, "deaf", 4);
    static struct outcome outcomes[300];
    size_t size = 32 << 20; /* more than the socket buffers of both sides take */
    char *value = malloc(size), *key = malloc(60000);
    assert_true(value != NULL && key != NULL);
    memset(value, 'v', size);
    memset(key, 'k', 60000);
    for (int i = 0; i < 300; i++) {
        outcome_init(&outcomes[i], "large");
        outcomes[i].request.operation = LARDER_OP_SET;
        outcomes[i].request.key = (struct larder_slice){key, i % 2 ? 60000 : 5};
        outcomes[i].request.value = (struct larder_slice){value, i % 3 ? size : 3000};
        outcomes[i].request.deadline = in_ms(100 + (uint64_t)i);
        begin(peer, &outcomes[i]);
    }
    for (int i = 0; i < 300; i++) {
        await(&outcomes[i]);
        assert_int_equal(outcomes[i].reply.status, LARDER_DEADLINE);
    }
    memset(value, 'x', size);
    free(value);
    free(key);
    h2_gate(server, true);
    assert_works(peer);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    h2_stop(server);
}

/* ------------------------------------------------------------------------------------------------ closing */

static void closing_completes_what_is_pending_once(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct h2_server *server = h2_new(slow_waits);
        server->max_streams = 10;
        h2_start(server);
        struct grpc_client_options options = usual();
        options.common.loop_count = 2;
        struct fixture *fixture = open_client(options);
        struct tp_peer *peer = open_peer(fixture, server->port);
        static struct outcome outcomes[100];
        for (int i = 0; i < 100; i++) {
            outcome_init(&outcomes[i], "slow");
            begin(peer, &outcomes[i]);
        }
        h2_wait(server, &server->requests, 20);
        if (how == 0)
            tp_peer_close(peer);
        close_client(fixture);
        int unsent = 0;
        for (int i = 0; i < 100; i++) {
            assert_int_equal(outcomes[i].completions, 1);
            assert_int_equal(outcomes[i].reply.status, LARDER_UNAVAILABLE);
            assert_non_null(strstr(outcomes[i].message, "closing"));
            unsent += (outcomes[i].reply.flags & LARDER_REPLY_NOT_SENT) != 0;
        }
        assert_int_equal(unsent, 80);
        h2_stop(server);
    }
}

static void closing_races_with_answers(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct grpc_client_options options = usual();
    options.common.loop_count = 2;
    for (int round = 0; round < 60; round++) {
        struct fixture *fixture = open_client(options);
        struct tp_peer *peers[3];
        atomic_int counts[60] = {0};
        struct outcome outcome;
        outcome_init(&outcome, "key");
        outcome.request.deadline = in_ms((uint64_t)(round % 5));
        for (int i = 0; i < 3; i++) {
            peers[i] = open_peer(fixture, server->port);
            for (int k = 0; k < 20; k++)
                tp_peer_call(peers[i], &outcome.request, count_completion, &counts[i * 20 + k]);
        }
        for (int spin = 0; spin < round && atomic_load(&counts[59]) == 0; spin++)
            sched_yield();
        for (int i = 0; i < 2; i++)
            tp_peer_close(peers[i]);
        close_client(fixture); /* closes the third */
        for (int i = 0; i < 60; i++)
            assert_int_equal(atomic_load(&counts[i]), 1);
    }
    h2_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered),
        cmocka_unit_test(values_and_keys_of_any_size_travel),
        cmocka_unit_test(what_the_cluster_adds_travels_up_to_its_limit),
        cmocka_unit_test(the_deadline_travels),
        cmocka_unit_test(the_peers_message_arrives),
        cmocka_unit_test(an_answer_in_many_pieces_is_put_together),
        cmocka_unit_test(a_reply_is_valid_until_it_is_released),
        cmocka_unit_test(fault_10_all_calls_of_a_loop_share_one_connection),
        cmocka_unit_test(a_slow_call_holds_nobody_up),
        cmocka_unit_test(calls_of_one_turn_share_streams),
        cmocka_unit_test(a_stream_is_cancelled_when_the_last_of_its_calls_is_given_up),
        cmocka_unit_test(the_peers_limit_of_calls_is_kept),
        cmocka_unit_test(a_completion_may_call_again),
        cmocka_unit_test(a_peer_with_narrow_windows_is_waited_for),
        cmocka_unit_test(a_call_whose_deadline_passes_is_cancelled),
        cmocka_unit_test(what_is_not_written_at_the_deadline_is_not_looked_at_again),
        cmocka_unit_test(closing_completes_what_is_pending_once),
        cmocka_unit_test(closing_races_with_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
