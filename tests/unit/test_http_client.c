/* Calls to peers over HTTP, against a server that answers well, late, wrongly, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netdb.h>

#include "client_kit.h"
#include "peer_server.h"
#include "plugins/transport/http/client.h"

/* Starting values for a client; a test changes what it is about before open_client(). */
static struct http_client_options usual(void)
{
    return (struct http_client_options){.common = {.loop_count = 1, .connect_timeout_ms = 10000, .max_value = 16 << 20},
                                        .peer_connections = 32,
                                        .idle_ms = 600000};
}

static struct fixture *open_client(struct http_client_options options)
{
    struct fixture *fixture = open_fixture(&options.common);
    fixture->client = http_client_open(&options);
    assert_non_null(fixture->client);
    return fixture;
}

/* ------------------------------------------------------------------------------------------------ good answers */

/* Answers with the key, or for a SET with the value. */
static bool echo(struct server_connection *connection, const struct larder_request *request)
{
    struct larder_reply reply = {
        .value = request->operation == LARDER_OP_SET ? request->value : request->key,
        .source = LARDER_SOURCE_LOCAL,
        .ttl_ms = request->ttl_ms,
        .version = {1, 2},
        .ring = {3, 4, 5},
        .cluster = request->cluster,
    };
    return server_reply(connection, &reply);
}

static void a_call_is_answered(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    outcome_init(&outcome, "Tom");
    outcome.request.ttl_ms = 1234;
    call(peer, &outcome);
    assert_true(outcome.reply.version.epoch == 1 && outcome.reply.version.clock == 2);
    assert_true(outcome.reply.ring.epoch == 3 && outcome.reply.ring.checksum == 4 && outcome.reply.ring.settings == 5);
    assert_int_equal(outcome.reply.source, LARDER_SOURCE_LOCAL);
    assert_int_equal(outcome.reply.ttl_ms, 1234);
    assert_got(&outcome, "Tom", 3);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void values_and_keys_of_any_size_travel(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const size_t sizes[] = {0, 1, 2047, 2048, 65000, 65536, 300001, 16 << 20};
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
    assert_int_equal(server_count(server, &server->accepts), 1);
    free(bytes);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void what_the_cluster_adds_travels_up_to_its_limit(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
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
    server_stop(server);
}

/* Answers with what is left of the deadline, in seconds. */
static bool tell_deadline(struct server_connection *connection, const struct larder_request *request)
{
    char text[32] = "never";
    if (request->deadline != LARDER_NEVER)
        snprintf(text, sizeof text, "%.0f", (double)(request->deadline - SERVER_NOW) / 1e9);
    return server_reply(connection, &(struct larder_reply){.value = {text, strlen(text)}});
}

static void the_deadline_travels(void **state)
{
    (void)state;
    struct server *server = server_start(tell_deadline);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    outcome_init(&outcome, "key");
    call(peer, &outcome);
    assert_got(&outcome, "never", 5);
    outcome_init(&outcome, "key");
    outcome.request.deadline = clock_now(NULL) + UINT64_C(9000) * 1000000000;
    call(peer, &outcome);
    assert_got(&outcome, "9000", 4);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Answers with a failure and its reason, or with both a value and a message. */
static bool explain(struct server_connection *connection, const struct larder_request *request)
{
    struct larder_reply reply = {.status = LARDER_LOAD_FAILED, .message = {"origin answered 500", 19}};
    if (request->operation == LARDER_OP_SET)
        reply = (struct larder_reply){.value = {"value", 5}, .message = {"and a word", 10}};
    return server_reply(connection, &reply);
}

static void the_peers_message_arrives(void **state)
{
    (void)state;
    struct server *server = server_start(explain);
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
    server_stop(server);
}

/* ------------------------------------------------------------------------------------------------ the pool */

static void fault_10_connections_are_used_again(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct http_client_options options = usual();
    options.common.loop_count = 2;
    options.peer_connections = 4;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 300; i++)
        assert_works(peer);
    assert_in_range(server_count(server, &server->accepts), 1, 2); /* one a loop */
    call_from_threads(peer, 100);
    assert_int_equal(server_count(server, &server->requests), 1100);
    assert_in_range(server_count(server, &server->accepts), 1, 4);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Keys that begin with "slow" wait for the gate. */
static bool slow_waits(struct server_connection *connection, const struct larder_request *request)
{
    if (request->key.size >= 4 && memcmp(request->key.data, "slow", 4) == 0)
        server_wait_gate(connection->server);
    return echo(connection, request);
}

static void a_slow_call_holds_nobody_up_while_connections_are_left(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct http_client_options options = usual();
    options.common.loop_count = 2;
    options.peer_connections = 8;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome slow[7];
    for (int i = 0; i < 7; i++) {
        outcome_init(&slow[i], "slow");
        begin(peer, &slow[i]);
        server_wait(server, &server->requests, i + 1);
    }
    /* One connection is left, on one of the loops; calls go to both. */
    for (int i = 0; i < 20; i++)
        assert_works(peer);
    assert_int_equal(server_count(server, &server->accepts), 8);
    for (int i = 0; i < 7; i++)
        assert_int_equal(completions(&slow[i]), 0);
    server_gate(server, true);
    for (int i = 0; i < 7; i++) {
        await(&slow[i]);
        assert_got(&slow[i], "slow", 4);
    }
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* More calls than one connection carries, made by one thread. */
#define BURST 24

struct burst {
    struct tp_task task;
    struct tp_peer *peer;
    struct outcome outcomes[BURST];
};

static void begin_burst(struct tp_task *task)
{
    struct burst *burst = (struct burst *)task;
    for (int i = 0; i < BURST; i++)
        begin(burst->peer, &burst->outcomes[i]);
}

static void a_thread_whose_connections_are_full_uses_those_of_others(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct http_client_options options = usual();
    options.common.loop_count = 2;
    options.peer_connections = 2;
    struct fixture *fixture = open_client(options);
    static struct burst burst = {.task = {.run = begin_burst}};
    burst.peer = open_peer(fixture, server->port);
    call_from_threads(burst.peer, 100); /* makes both connections */
    uint64_t deadline = in_ms(1000);
    for (int i = 0; i < BURST; i++) {
        outcome_init(&burst.outcomes[i], "slow");
        burst.outcomes[i].request.deadline = deadline;
    }
    tp_loop_post(fixture->loops[0], &burst.task);
    for (int i = 0; i < BURST; i++) {
        await(&burst.outcomes[i]);
        assert_failed(&burst.outcomes[i], LARDER_DEADLINE,
                      0); /* which was sent, so that the peer could have answered */
    }
    server_gate(server, true);
    tp_peer_close(burst.peer);
    close_client(fixture);
    server_stop(server);
}

static void calls_over_the_limit_share_connections(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct http_client_options options = usual();
    options.peer_connections = 3;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    static struct outcome outcomes[200];
    for (int i = 0; i < 200; i++) {
        outcome_init(&outcomes[i], "slow");
        begin(peer, &outcomes[i]);
    }
    server_wait(server, &server->requests, 3);
    assert_int_equal(server_count(server, &server->accepts), 3);
    server_gate(server, true);
    for (int i = 0; i < 200; i++) {
        await(&outcomes[i]);
        assert_got(&outcomes[i], "slow", 4);
    }
    assert_int_equal(server_count(server, &server->accepts), 3);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Keeps the answers to "a" and "b" back, and sends them in one piece with that to "c". */
static bool all_at_once(struct server_connection *connection, const struct larder_request *request)
{
    static const char *const keys[] = {"a", "b", "c"};
    if (*(const char *)request->key.data != 'c')
        return true;
    char all[2048];
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t size;
        char *bytes = server_answer(&(struct larder_reply){.value = {keys[i], 1}}, "", &size);
        if (size > sizeof all - used)
            abort();
        memcpy(all + used, bytes, size);
        used += size;
        free(bytes);
    }
    return server_send(connection->fd, all, used);
}

static void answers_in_one_piece_are_told_apart(void **state)
{
    (void)state;
    struct server *server = server_start(all_at_once);
    struct http_client_options options = usual();
    options.peer_connections = 1;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const char *const keys[] = {"a", "b", "c"};
    struct outcome outcomes[3];
    for (int i = 0; i < 3; i++) {
        outcome_init(&outcomes[i], keys[i]);
        begin(peer, &outcomes[i]);
    }
    for (int i = 0; i < 3; i++) {
        await(&outcomes[i]);
        assert_got(&outcomes[i], keys[i], 1);
    }
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* One byte at a time. */
static bool trickle(struct server_connection *connection, const struct larder_request *request)
{
    size_t size;
    char *bytes = server_answer(&(struct larder_reply){.value = request->key}, "Server: slow\r\n", &size);
    bool sent = true;
    for (size_t i = 0; i < size && sent; i++)
        sent = server_send(connection->fd, bytes + i, 1);
    free(bytes);
    return sent;
}

static void an_answer_in_many_pieces_is_put_together(void **state)
{
    (void)state;
    struct server *server = server_start(trickle);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 10; i++)
        assert_works(peer);
    assert_int_equal(server_count(server, &server->accepts), 1);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void a_completion_may_call_again(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct fixture *fixture = open_client(usual());
    struct chain chain = {.peer = open_peer(fixture, server->port), .left = 500};
    outcome_init(&chain.last, "key");
    tp_peer_call(chain.peer, &chain.last.request, chain_next, &chain);
    await(&chain.last);
    assert_got(&chain.last, "key", 3);
    assert_int_equal(server_count(server, &server->accepts), 1);
    /* Deadlines that have passed complete inside the call: no stack is deep enough for many of these in one another. */
    chain.left = 300000;
    outcome_init(&chain.last, "key");
    chain.last.request.deadline = 1;
    tp_peer_call(chain.peer, &chain.last.request, chain_next, &chain);
    await(&chain.last);
    assert_failed(&chain.last, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT);
    tp_peer_close(chain.peer);
    close_client(fixture);
    server_stop(server);
}

/* ------------------------------------------------------------------------------------------------ deadlines */

/*
 * Begins a call that the server keeps back, so that it is on its way when it returns. A machine that is too busy to send
 * it before the deadline is given twice as long.
 */
static void begin_slow(struct server *server, struct tp_peer *peer, struct outcome *slow)
{
    int before = server_count(server, &server->requests);
    for (uint64_t ms = 50;; ms *= 2) {
        outcome_init(slow, "slow");
        slow->request.deadline = in_ms(ms);
        begin(peer, slow);
        while (server_count(server, &server->requests) == before && completions(slow) == 0)
            sched_yield();
        if (completions(slow) == 0 || (slow->reply.flags & LARDER_REPLY_NOT_SENT) == 0)
            break;
    }
    server_wait(server, &server->requests, before + 1);
}

static void a_late_answer_is_dropped_and_the_connection_goes_on(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct http_client_options options = usual();
    options.peer_connections = 1;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    struct outcome slow, next;
    outcome_init(&next, "next");
    begin_slow(server, peer, &slow);
    await(&slow);
    assert_failed(&slow, LARDER_DEADLINE, 0);
    assert_true(clock_now(NULL) >= slow.request.deadline);
    begin(peer, &next);
    server_gate(server, true);
    await(&next);
    assert_got(&next, "next", 4);
    assert_int_equal(server_count(server, &server->accepts), 1);
    assert_int_equal(completions(&slow), 1);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

#define IDLE_CONNECTIONS 4

/* As many calls at a time, each of which gets its answer. */
static void call_at_a_time(struct server *server, struct tp_peer *peer, int count)
{
    struct outcome calls[IDLE_CONNECTIONS];
    int before = server_count(server, &server->requests);
    server_gate(server, false);
    for (int i = 0; i < count; i++) {
        outcome_init(&calls[i], "slow");
        begin(peer, &calls[i]);
    }
    server_wait(server, &server->requests, before + count);
    server_gate(server, true);
    for (int i = 0; i < count; i++) {
        await(&calls[i]);
        assert_got(&calls[i], "slow", 4);
    }
    server_gate(server, false);
}

static struct fixture *open_idle(struct server *server, struct tp_peer **peer)
{
    struct http_client_options options = usual();
    options.common.loop_count = 1;
    options.peer_connections = IDLE_CONNECTIONS;
    struct fixture *fixture = open_client(options);
    *peer = open_peer(fixture, server->port);
    call_at_a_time(server, *peer, IDLE_CONNECTIONS);
    assert_int_equal(server_count(server, &server->accepts), IDLE_CONNECTIONS);
    return fixture;
}

/* The peer's machine may be gone: what has been idle for longer than the connection that was silent is given up with it. */
static void idle_connections_are_given_up_with_one_that_is_silent(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct tp_peer *peer;
    struct fixture *fixture = open_idle(server, &peer);
    struct outcome silent;
    begin_slow(server, peer, &silent);
    await(&silent);
    assert_failed(&silent, LARDER_DEADLINE, 0);
    server_wait(server, &server->ends, IDLE_CONNECTIONS - 1);
    assert_works(peer);
    assert_int_equal(server_count(server, &server->accepts), IDLE_CONNECTIONS + 1);
    server_gate(server, true);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void idle_connections_are_kept_when_the_peer_has_answered_meanwhile(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct tp_peer *peer;
    struct fixture *fixture = open_idle(server, &peer);
    struct outcome silent;
    outcome_init(&silent, "slow");
    silent.request.deadline = in_ms(1000);
    begin(peer, &silent);
    assert_works(peer);
    await(&silent);
    assert_failed(&silent, LARDER_DEADLINE, 0);
    call_at_a_time(server, peer, IDLE_CONNECTIONS - 1);
    assert_int_equal(server_count(server, &server->accepts), IDLE_CONNECTIONS);
    server_gate(server, true);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void a_connection_whose_answer_is_overdue_is_closed(void **state)
{
    (void)state;
    struct server *server = server_start(slow_waits);
    struct http_client_options options = usual();
    options.peer_connections = 1;
    options.common.connect_timeout_ms = 200; /* also how long an answer may be overdue */
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    struct outcome slow, behind, waits;
    outcome_init(&behind, "behind");
    outcome_init(&waits, "waits");
    begin_slow(server, peer, &slow);
    begin(peer, &behind); /* on the same connection, unless the deadline has passed by now */
    await(&slow);
    assert_failed(&slow, LARDER_DEADLINE, 0);
    begin(peer, &waits); /* is not sent on a connection that owes an answer */
    await(&behind);
    if (behind.reply.status == LARDER_OK)
        assert_got(&behind, "behind", 6);
    else
        assert_failed(&behind, LARDER_UNAVAILABLE, 0);
    await(&waits);
    assert_got(&waits, "waits", 5);
    assert_int_equal(server_count(server, &server->accepts), 2);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* The first connection reads no more, until the gate opens; others end at once. */
static bool deaf(struct server_connection *connection, const struct larder_request *request)
{
    (void)request;
    if (connection->number == 0)
        server_wait_gate(connection->server);
    return false;
}

static void what_is_not_written_at_the_deadline_is_not_looked_at_again(void **state)
{
    (void)state;
    struct server *server = server_start(deaf);
    struct http_client_options options = usual();
    options.peer_connections = 1;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome first, large, behind;
    outcome_init(&first, "first");
    begin(peer, &first);
    server_wait(server, &server->requests, 1);
    outcome_init(&large, "large");
    size_t size = 64 << 20; /* more than the socket buffers of both sides take */
    char *value = calloc(1, size);
    assert_non_null(value);
    large.request.operation = LARDER_OP_SET;
    large.request.value = (struct larder_slice){value, size};
    large.request.deadline = in_ms(1000); /* time enough to be begun on any machine */
    outcome_init(&behind, "behind");
    begin(peer, &large);
    begin(peer, &behind);
    await(&large);
    free(value);
    assert_failed(&large, LARDER_DEADLINE, 0);
    await(&first);
    assert_failed(&first, LARDER_UNAVAILABLE, 0);
    await(&behind); /* went down with the connection, unless that was gone before it came */
    assert_failed(&behind, LARDER_UNAVAILABLE, server_count(server, &server->accepts) == 1 ? LARDER_REPLY_NOT_SENT : 0);
    server_gate(server, true);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* ------------------------------------------------------------------------------------------------ no connection */

static void a_refused_connection_is_not_sent(void **state)
{
    (void)state;
    unsigned port;
    int bound = server_bind(&port);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, port);
    struct outcome outcomes[40];
    for (int i = 0; i < 40; i++) {
        outcome_init(&outcomes[i], "key");
        begin(peer, &outcomes[i]);
    }
    char expected[128];
    snprintf(expected, sizeof expected, "peer 127.0.0.1:%u: cannot connect: Connection refused", port);
    for (int i = 0; i < 40; i++) {
        await(&outcomes[i]);
        assert_failed(&outcomes[i], LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT);
        assert_string_equal(outcomes[i].message, expected);
    }
    tp_peer_close(peer);
    close_client(fixture);
    close(bound);
}

static void a_connection_that_is_not_made_in_time_is_not_sent(void **state)
{
    (void)state;
    unsigned port;
    int listener = server_listen(0, &port);
    int fds[16];
    int count = fill_backlog(port, fds, 16);
    struct http_client_options options = usual();
    options.common.connect_timeout_ms = 500;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, port);
    struct outcome outcomes[3];
    for (int i = 0; i < 3; i++) {
        outcome_init(&outcomes[i], "key");
        if (i == 2)
            outcomes[i].request.deadline = in_ms(5); /* before the connection's own limit */
        begin(peer, &outcomes[i]);
    }
    await(&outcomes[2]);
    assert_failed(&outcomes[2], LARDER_DEADLINE, LARDER_REPLY_NOT_SENT);
    for (int i = 0; i < 2; i++) {
        await(&outcomes[i]);
        assert_failed(&outcomes[i], LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT);
        assert_non_null(strstr(outcomes[i].message, "cannot connect: Connection timed out"));
    }
    tp_peer_close(peer);
    close_client(fixture);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
}

static void names_are_looked_up(void **state)
{
    (void)state;
    struct addrinfo *found;
    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        skip(); /* a machine without /etc/hosts knows no name that is sure to lead here */
    freeaddrinfo(found);
    struct server *server = server_start(echo);
    struct fixture *fixture = open_client(usual());
    char address[128];
    snprintf(address, sizeof address, "localhost:%u", server->port);
    struct tp_peer *peer = tp_peer_open(fixture->client, address);
    assert_non_null(peer);
    for (int i = 0; i < 5; i++)
        assert_works(peer);
    assert_int_equal(fixture->workers.count, 1);
    tp_peer_close(peer);

    /* Longer than a part of a name may be: refused without asking anybody. */
    struct outcome outcome;
    outcome_init(&outcome, "key");
    snprintf(address, sizeof address, "%080d.example:1", 0);
    peer = tp_peer_open(fixture->client, address);
    assert_non_null(peer);
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT);
    assert_non_null(strstr(outcome.message, "cannot look up the name: "));
    tp_peer_close(peer);

    fixture->workers.full = true;
    outcome_init(&outcome, "key");
    peer = tp_peer_open(fixture->client, "localhost:1");
    assert_non_null(peer);
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT);
    assert_string_equal(outcome.message, "peer localhost:1: cannot look up the name: all workers are busy");
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void addresses_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = open_client(usual());
    static const char *const good[] = {"127.0.0.1:1", "[::1]:65535", "a-b.example:8001", "[fe80::1%lo]:80"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct tp_peer *peer = tp_peer_open(fixture->client, good[i]);
        if (peer == NULL)
            fail_msg("%s: %s", good[i], last_failure);
        tp_peer_close(peer);
    }
    static const char *const bad[] = {"",           ":",       "host",      "host:",    "host:0",
                                      "host:65536", "host:+1", "host: 1",   "host:1x",  ":8001",
                                      "::1:8001",   "[::1]",   "[::1]8001", "[name]:1", "[]:1",
                                      "[::1:8001",  "a b:1",   "a/b:1",     "a\r\nb:1", "host:99999999999999999999",
                                      "http://a:1", "a:1/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        last_failure[0] = '\0';
        if (tp_peer_open(fixture->client, bad[i]) != NULL)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(last_failure, "address of a peer: got \""));
    }
    char endless[600];
    memset(endless, 'a', sizeof endless);
    snprintf(endless + 500, 20, ":80");
    assert_null(tp_peer_open(fixture->client, endless));
    close_client(fixture);
}

/* ------------------------------------------------------------------------------------------------ broken answers */

static atomic_int cut_at; /* bytes of the answer that are sent before the connection ends */
static bool cut(struct server_connection *connection, const struct larder_request *request)
{
    size_t size;
    char *bytes = server_answer(&(struct larder_reply){.value = request->key}, "", &size);
    int bound = atomic_load(&cut_at);
    bool whole = bound >= (int)size;
    server_send(connection->fd, bytes, whole ? size : (size_t)bound);
    free(bytes);
    return whole;
}

static void a_connection_that_breaks_off_anywhere_fails_the_call(void **state)
{
    (void)state;
    struct server *server = server_start(cut);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    for (int at = 0;; at++) {
        atomic_store(&cut_at, at);
        outcome_init(&outcome, "key");
        call(peer, &outcome);
        if (outcome.reply.status == LARDER_OK)
            break;
        assert_failed(&outcome, LARDER_UNAVAILABLE, 0);
        assert_int_equal(server_count(server, &server->accepts), at + 1);
    }
    assert_got(&outcome, "key", 3);
    assert_in_range(atomic_load(&cut_at), 100, 150);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Every answer that must not be taken, and a word that its message has. */
static const struct {
    const char *name, *bytes, *word;
} wrong[] = {
    {"no HTTP", "garbage garbage garbage\r\n\r\n", "not HTTP"},
    {"NUL", "HTTP/1.1 200 OK\r\nA: \1\r\n\r\n", "not HTTP"},
    {"500", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "HTTP status 500"},
    {"503", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP status 503"},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP status 204"},
    {"100", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP status 100"},
    {"101", "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "HTTP status 101"},
    {"no length", "HTTP/1.1 200 OK\r\n\r\nabc", "without a Content-Length"},
    {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "without a Content-Length"},
    {"both", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "peer"},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "not HTTP"},
    {"signed", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", "not HTTP"},
    {"huge", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "not HTTP"},
    {"too large", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "more than the"},
    {"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "peer reply: got 0 bytes"},
    {"a page", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "peer reply: got 6 bytes"},
};

static atomic_size_t wrong_now;
static bool answer_wrongly(struct server_connection *connection, const struct larder_request *request)
{
    if (memcmp(request->key.data, "key", 3) == 0)
        return echo(connection, request);
    const char *bytes = wrong[atomic_load(&wrong_now)].bytes;
    server_send(connection->fd, bytes, strlen(bytes));
    server_drain(connection);
    return false;
}

static void an_answer_that_makes_no_sense_fails_the_call(void **state)
{
    (void)state;
    struct server *server = server_start(answer_wrongly);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        atomic_store(&wrong_now, i);
        struct outcome outcome;
        outcome_init(&outcome, "wrong");
        call(peer, &outcome);
        /* 503: whoever answers has no room, which says nothing of its health */
        bool busy = strcmp(wrong[i].name, "503") == 0;
        assert_failed(&outcome, busy ? LARDER_BUSY : LARDER_UNAVAILABLE, 0);
        if (strstr(outcome.message, wrong[i].word) == NULL)
            fail_msg("%s: %s", wrong[i].name, outcome.message);
        server_wait(server, &server->ends, (int)i + 1); /* the connection was closed */
        assert_works(peer);
    }
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Sends a header, or headers, without end. */
static bool greedy(struct server_connection *connection, const struct larder_request *request)
{
    const char *line = *(const char *)request->key.data == 'l' ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "A: b\r\n";
    const char *start = "HTTP/1.1 200 OK\r\nB: ";
    server_send(connection->fd, start, strlen(start));
    while (server_send(connection->fd, line, strlen(line)))
        continue;
    return false;
}

static void an_endless_head_is_cut_off(void **state)
{
    (void)state;
    struct server *server = server_start(greedy);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    outcome_init(&outcome, "long");
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, 0);
    assert_non_null(strstr(outcome.message, "too long a head"));
    outcome_init(&outcome, "many");
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, 0);
    assert_non_null(strstr(outcome.message, "too many headers"));
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void a_value_over_the_limit_is_not_taken(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct http_client_options options = usual();
    options.common.max_value = 1000;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const char bytes[1000 + PEER_FORM_MESSAGE_MAX + PEER_FORM_CLUSTER_MAX + 1];
    struct outcome outcome;
    outcome_init(&outcome, "key");
    outcome.request.operation = LARDER_OP_SET;
    outcome.request.value = (struct larder_slice){bytes, 1000};
    call(peer, &outcome);
    assert_got(&outcome, bytes, 1000);
    outcome_init(&outcome, "key");
    outcome.request.operation = LARDER_OP_SET;
    outcome.request.value = (struct larder_slice){bytes, sizeof bytes};
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, 0);
    assert_non_null(strstr(outcome.message, "answered with 1050672 bytes, more than the 1050671 that are taken"));
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Answers, and then says something more that nobody asked for. */
static bool talkative(struct server_connection *connection, const struct larder_request *request)
{
    if (connection->number > 0)
        return echo(connection, request);
    size_t size;
    char *bytes = server_answer(&(struct larder_reply){.value = request->key}, "", &size);
    char *twice = malloc(size * 2);
    if (twice == NULL)
        abort();
    memcpy(twice, bytes, size);
    memcpy(twice + size, bytes, size);
    server_send(connection->fd, twice, size * 2);
    free(twice);
    free(bytes);
    server_drain(connection);
    return false;
}

static void an_answer_to_nothing_is_given_to_nobody(void **state)
{
    (void)state;
    struct server *server = server_start(talkative);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    server_wait(server, &server->ends, 1);
    struct outcome outcome;
    outcome_init(&outcome, "other");
    call(peer, &outcome);
    assert_got(&outcome, "other", 5);
    assert_int_equal(server_count(server, &server->accepts), 2);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* A listener that answers the head of a large request before its body came. */
static void *answer_early(void *arg)
{
    int *listener = arg;
    int fd = accept(*listener, NULL, NULL);
    char head[100];
    if (recv(fd, head, sizeof head, 0) <= 0)
        abort();
    const char *answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    server_send(fd, answer, strlen(answer));
    char buffer[65536];
    while (recv(fd, buffer, sizeof buffer, 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void an_early_refusal_of_a_large_value_is_understood(void **state)
{
    (void)state;
    unsigned port;
    int listener = server_listen(1, &port);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_early, &listener), 0);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, port);
    struct outcome outcome;
    outcome_init(&outcome, "key");
    size_t size = 32 << 20;
    char *value = calloc(1, size);
    assert_non_null(value);
    outcome.request.operation = LARDER_OP_SET;
    outcome.request.value = (struct larder_slice){value, size};
    call(peer, &outcome);
    free(value);
    assert_failed(&outcome, LARDER_TOO_LARGE, 0);
    assert_non_null(strstr(outcome.message, "answered with HTTP status 413"));
    pthread_join(thread, NULL);
    tp_peer_close(peer);
    close_client(fixture);
    close(listener);
}

/* ------------------------------------------------------------------------------------------------ connections that end */

/* The first connection ends after its answer: announced for "told", silently for others. */
static bool one_shot(struct server_connection *connection, const struct larder_request *request)
{
    size_t size;
    bool told = request->key.size == 4;
    char *bytes = server_answer(&(struct larder_reply){.value = request->key}, told ? "Connection: close\r\n" : "",
                                &size);
    server_send(connection->fd, bytes, size);
    free(bytes);
    if (!told)
        shutdown(connection->fd, SHUT_WR);
    server_drain(connection);
    return false;
}

static void a_connection_that_the_peer_closes_is_not_used_again(void **state)
{
    (void)state;
    struct server *server = server_start(one_shot);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const char *const keys[] = {"told", "silent"};
    for (int i = 0; i < 10; i++) {
        struct outcome outcome;
        outcome_init(&outcome, keys[i % 2]);
        call(peer, &outcome);
        assert_got(&outcome, keys[i % 2], strlen(keys[i % 2]));
        server_wait(server, &server->ends, i + 1); /* the client has noticed */
    }
    assert_int_equal(server_count(server, &server->accepts), 10);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

/* Answers the first request of a connection and closes at the second. */
static bool closes_at_second(struct server_connection *connection, const struct larder_request *request)
{
    if (memcmp(request->key.data, "key", 3) == 0)
        return echo(connection, request);
    return false;
}

static void a_request_that_was_written_counts_as_sent(void **state)
{
    (void)state;
    struct server *server = server_start(closes_at_second);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    struct outcome outcome;
    outcome_init(&outcome, "close");
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, 0);
    assert_non_null(strstr(outcome.message, "closed the connection"));
    assert_works(peer);
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void a_connection_that_is_idle_for_long_is_closed(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct http_client_options options = usual();
    options.idle_ms = 10;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 3; i++) {
        assert_works(peer);
        server_wait(server, &server->ends, i + 1);
    }
    tp_peer_close(peer);
    close_client(fixture);
    server_stop(server);
}

static void closing_completes_what_is_pending_once(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct server *server = server_start(slow_waits);
        struct http_client_options options = usual();
        options.common.loop_count = 2;
        options.peer_connections = 2;
        struct fixture *fixture = open_client(options);
        struct tp_peer *peer = open_peer(fixture, server->port);
        static struct outcome outcomes[100];
        for (int i = 0; i < 100; i++) {
            outcome_init(&outcomes[i], "slow");
            begin(peer, &outcomes[i]);
        }
        server_wait(server, &server->requests, 2);
        if (how == 0)
            tp_peer_close(peer);
        close_client(fixture);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(outcomes[i].completions, 1);
            assert_int_equal(outcomes[i].reply.status, LARDER_UNAVAILABLE);
            assert_non_null(strstr(outcomes[i].message, "closing"));
        }
        server_stop(server);
    }
}

static void closing_races_with_answers(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
    struct http_client_options options = usual();
    options.common.loop_count = 2;
    options.peer_connections = 3;
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
        if (server_count(server, &server->accepts) > SERVER_CONNECTIONS - 10)
            break;
    }
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered),
        cmocka_unit_test(values_and_keys_of_any_size_travel),
        cmocka_unit_test(what_the_cluster_adds_travels_up_to_its_limit),
        cmocka_unit_test(the_deadline_travels),
        cmocka_unit_test(the_peers_message_arrives),
        cmocka_unit_test(fault_10_connections_are_used_again),
        cmocka_unit_test(a_slow_call_holds_nobody_up_while_connections_are_left),
        cmocka_unit_test(a_thread_whose_connections_are_full_uses_those_of_others),
        cmocka_unit_test(calls_over_the_limit_share_connections),
        cmocka_unit_test(answers_in_one_piece_are_told_apart),
        cmocka_unit_test(an_answer_in_many_pieces_is_put_together),
        cmocka_unit_test(a_completion_may_call_again),
        cmocka_unit_test(a_late_answer_is_dropped_and_the_connection_goes_on),
        cmocka_unit_test(idle_connections_are_given_up_with_one_that_is_silent),
        cmocka_unit_test(idle_connections_are_kept_when_the_peer_has_answered_meanwhile),
        cmocka_unit_test(a_connection_whose_answer_is_overdue_is_closed),
        cmocka_unit_test(what_is_not_written_at_the_deadline_is_not_looked_at_again),
        cmocka_unit_test(a_refused_connection_is_not_sent),
        cmocka_unit_test(a_connection_that_is_not_made_in_time_is_not_sent),
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(addresses_that_make_no_sense_are_refused),
        cmocka_unit_test(a_connection_that_breaks_off_anywhere_fails_the_call),
        cmocka_unit_test(an_answer_that_makes_no_sense_fails_the_call),
        cmocka_unit_test(an_endless_head_is_cut_off),
        cmocka_unit_test(a_value_over_the_limit_is_not_taken),
        cmocka_unit_test(an_answer_to_nothing_is_given_to_nobody),
        cmocka_unit_test(an_early_refusal_of_a_large_value_is_understood),
        cmocka_unit_test(a_connection_that_the_peer_closes_is_not_used_again),
        cmocka_unit_test(a_request_that_was_written_counts_as_sent),
        cmocka_unit_test(a_connection_that_is_idle_for_long_is_closed),
        cmocka_unit_test(closing_completes_what_is_pending_once),
        cmocka_unit_test(closing_races_with_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
