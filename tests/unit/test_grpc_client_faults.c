/* Calls to peers over gRPC that cannot be reached, say goodbye, break off, hang, or talk nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "grpc_client_kit.h"

#include "plugins/transport/grpc/client_internal.h"

static void assert_says(const struct outcome *outcome, const char *words)
{
    if (strstr(outcome->message, words) == NULL)
        fail_msg("got \"%s\", wanted \"%s\"", outcome->message, words);
}

/* One call with this key, which fails. */
static void assert_fails(struct tp_peer *peer, const char *key, uint32_t flags, const char *words)
{
    struct outcome outcome;
    outcome_init(&outcome, key);
    call(peer, &outcome);
    assert_failed(&outcome, LARDER_UNAVAILABLE, flags);
    assert_says(&outcome, words);
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
    struct grpc_client_options options = usual();
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
        assert_says(&outcomes[i], "cannot connect: Connection timed out");
    }
    tp_peer_close(peer);
    close_client(fixture);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
}

/* What a peer says that does not speak HTTP/2; on an empty text it says nothing. */
static const char *const greetings[] = {
    "",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "220 mail.example ESMTP\r\n........................",
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
};
static const size_t greeting_sizes[] = {0, 47, 48, 31, 20};

static atomic_size_t greeting;

static bool greet_wrongly(struct h2_connection *connection)
{
    size_t which = atomic_load(&greeting);
    if (which == SIZE_MAX)
        return true;
    server_send(connection->fd, greetings[which], greeting_sizes[which]);
    char buffer[4096];
    while (recv(connection->fd, buffer, sizeof buffer, 0) > 0)
        continue;
    h2_add(connection->server, &connection->server->ends);
    return false;
}

/* A peer may have gone on to make no sense for a moment only: calls work as soon as it does, and the pause is over. */
static void assert_works_again(struct tp_peer *peer)
{
    struct outcome outcome;
    do {
        outcome_init(&outcome, "key");
        call(peer, &outcome);
    } while (outcome.reply.status == LARDER_UNAVAILABLE && (outcome.reply.flags & LARDER_REPLY_NOT_SENT) != 0);
    assert_got(&outcome, "key", 3);
}

static void a_peer_that_does_not_answer_in_http2_is_not_sent_a_call(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(echo);
    server->greet = greet_wrongly;
    h2_start(server);
    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        struct grpc_client_options options = usual();
        options.common.connect_timeout_ms = i == 0 ? 200 : 60000;
        struct fixture *fixture = open_client(options);
        struct tp_peer *peer = open_peer(fixture, server->port);
        atomic_store(&greeting, i);
        assert_fails(peer, "key", LARDER_REPLY_NOT_SENT,
                     i == 0 ? "cannot connect: it does not answer in HTTP/2" : "makes no sense as HTTP/2");
        h2_wait(server, &server->ends, (int)i + 1);
        atomic_store(&greeting, SIZE_MAX);
        assert_works_again(peer);
        close_client(fixture);
    }
    assert_int_equal(h2_count(server, &server->requests), sizeof greetings / sizeof greetings[0]);
    h2_stop(server);
}

static bool greet_nobody(struct h2_connection *connection)
{
    (void)connection;
    return false;
}

static enum h2_verdict hang_up(struct h2_connection *connection, struct h2_stream *stream,
                               const struct larder_request *request)
{
    (void)connection;
    (void)stream;
    (void)request;
    return H2_END;
}

static void a_peer_of_no_use_is_not_tried_without_a_pause(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct h2_server *server = h2_new(hang_up);
        server->greet = how == 0 ? greet_nobody : NULL;
        h2_start(server);
        struct fixture *fixture = open_client(usual());
        struct tp_peer *peer = open_peer(fixture, server->port);
        uint64_t start = clock_now(NULL);
        int calls = 0, unsent = 0;
        for (; clock_now(NULL) < start + 450 * LARDER_NS_PER_MS; calls++) {
            struct outcome outcome;
            outcome_init(&outcome, "key");
            call(peer, &outcome);
            assert_int_equal(outcome.reply.status, LARDER_UNAVAILABLE);
            assert_says(&outcome, how == 0 && calls > 0 ? "peer " : "clos");
            unsent += outcome.reply.flags == LARDER_REPLY_NOT_SENT;
        }
        int most = (int)((clock_now(NULL) - start) / (10 * LARDER_NS_PER_MS)) + 1;
        assert_in_range(h2_count(server, &server->accepts), 1, most);
        assert_true(calls > most);
        assert_true(unsent >= calls - most);
        close_client(fixture);
        h2_stop(server);
    }
}

/* ------------------------------------------------------------------------------------------------ goodbyes */

/* "refuse" is refused, "goaway" is not taken any more, "close" is the last that the connection answers; others wait for the gate. */
static enum h2_verdict say_goodbye(struct h2_connection *connection, struct h2_stream *stream,
                                   const struct larder_request *request)
{
    nghttp2_session *session = connection->session;
    if (key_begins(request, "refuse"))
        nghttp2_submit_rst_stream(session, 0, stream->id, NGHTTP2_REFUSED_STREAM);
    else if (key_begins(request, "goaway"))
        nghttp2_submit_goaway(session, 0, stream->id - 2, NGHTTP2_NO_ERROR, NULL, 0);
    else if (key_begins(request, "notice"))
        nghttp2_submit_shutdown_notice(session);
    else if (key_begins(request, "close"))
        return H2_END;
    else
        return slow_waits(connection, stream, request);
    if (key_begins(request, "notice"))
        return echo(connection, stream, request);
    return H2_DONE;
}

static void what_the_peer_refuses_was_not_sent(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(say_goodbye));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 5; i++) {
        assert_fails(peer, "refuse", LARDER_REPLY_NOT_SENT, "refused the call");
        assert_works(peer);
    }
    assert_int_equal(h2_count(server, &server->accepts), 1);
    close_client(fixture);
    h2_stop(server);
}

static void a_goodbye_finishes_what_was_begun_and_gives_back_the_rest(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(say_goodbye));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    static struct outcome slow[20];
    for (int i = 0; i < 20; i++) {
        outcome_init(&slow[i], "slow");
        begin(peer, &slow[i]);
    }
    h2_wait(server, &server->requests, 20);
    assert_fails(peer, "goaway", LARDER_REPLY_NOT_SENT, "refused the call");
    for (int i = 0; i < 10; i++)
        assert_works_again(peer); /* on a new connection */
    assert_int_equal(h2_count(server, &server->accepts), 2);
    for (int i = 0; i < 20; i++)
        assert_int_equal(completions(&slow[i]), 0);
    h2_gate(server, true);
    for (int i = 0; i < 20; i++) {
        await(&slow[i]);
        assert_got(&slow[i], "slow", 4);
    }
    h2_wait(server, &server->ends, 1); /* nothing is left to do on the old one */
    assert_works(peer);
    assert_int_equal(h2_count(server, &server->accepts), 2);
    close_client(fixture);
    h2_stop(server);
}

static void a_notice_of_shutdown_costs_no_call(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(say_goodbye));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 20; i++) {
        struct outcome slow, notice;
        outcome_init(&slow, "slow");
        outcome_init(&notice, "notice");
        assert_works(peer);
        h2_gate(server, false);
        begin(peer, &slow);
        begin(peer, &notice);
        await(&notice);
        assert_got(&notice, "notice", 6);
        assert_works(peer);
        h2_gate(server, true);
        await(&slow);
        assert_got(&slow, "slow", 4);
        h2_wait(server, &server->ends, i + 1);
        assert_int_equal(h2_count(server, &server->accepts), i + 2);
    }
    close_client(fixture);
    h2_stop(server);
}

/* As the server of this module does it that has too many connections. */
static bool turn_away(struct h2_connection *connection)
{
    static const char bytes[] = "\0\0\0\4\0\0\0\0\0"
                                "\0\0\10\7\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\13";
    if (h2_gate_is_open(connection->server))
        return true;
    server_send(connection->fd, bytes, sizeof bytes - 1);
    return false;
}

static void a_peer_that_turns_connections_away_is_busy(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(echo);
    server->greet = turn_away;
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 20; i++) {
        struct outcome outcome;
        outcome_init(&outcome, "key");
        call(peer, &outcome);
        assert_failed(&outcome, LARDER_BUSY, LARDER_REPLY_NOT_SENT);
        assert_says(&outcome, "ENHANCE_YOUR_CALM");
    }
    h2_gate(server, true);
    struct outcome outcome;
    do {
        outcome_init(&outcome, "key");
        call(peer, &outcome);
    } while (outcome.reply.status == LARDER_BUSY);
    assert_got(&outcome, "key", 3);
    close_client(fixture);
    h2_stop(server);
}

static void a_connection_that_is_lost_is_made_anew(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(say_goodbye));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (int i = 0; i < 20; i++) {
        assert_works(peer);
        assert_fails(peer, "close", 0, "closed the connection");
    }
    assert_int_equal(h2_count(server, &server->accepts), 20);
    close_client(fixture);
    h2_stop(server);
}

static void calls_that_wait_for_a_stream_survive_the_loss(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(say_goodbye);
    server->max_streams = 2;
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    struct outcome slow, closes, waits[20];
    outcome_init(&slow, "slow");
    outcome_init(&closes, "close");
    begin(peer, &slow);
    h2_wait(server, &server->requests, 2);
    begin(peer, &closes);
    for (int i = 0; i < 20; i++) {
        outcome_init(&waits[i], "waits");
        begin(peer, &waits[i]);
    }
    await(&slow);
    assert_failed(&slow, LARDER_UNAVAILABLE, 0);
    await(&closes);
    assert_failed(&closes, LARDER_UNAVAILABLE, 0);
    for (int i = 0; i < 20; i++) {
        await(&waits[i]);
        assert_got(&waits[i], "waits", 5);
    }
    assert_int_equal(h2_count(server, &server->accepts), 2);
    close_client(fixture);
    h2_stop(server);
}

/* Once it is asked for "silent" it neither answers nor reads, and ends when the gate opens. */
static enum h2_verdict fall_silent(struct h2_connection *connection, struct h2_stream *stream,
                                   const struct larder_request *request)
{
    if (!key_begins(request, "silent"))
        return echo(connection, stream, request);
    connection->deaf = connection->abrupt = true;
    return H2_DONE;
}

/* One call that does not get an answer in time. */
static void call_in_vain(struct tp_peer *peer)
{
    struct outcome outcome;
    outcome_init(&outcome, "in vain");
    outcome.request.deadline = in_ms(10);
    call(peer, &outcome);
    assert_int_equal(outcome.reply.status, LARDER_DEADLINE);
}

/* Until the bytes that a peer does not read have filled all buffers on their way, the last of which only fill when more is
   written: no more come. */
static void fill_buffers(struct tp_peer *peer, const struct h2_connection *connection)
{
    for (int before = 0, now = 0, same = 0; same < 20; before = now) {
        call_in_vain(peer);
        if (ioctl(connection->fd, FIONREAD, &now) != 0)
            abort();
        same = now > 60000 && now == before ? same + 1 : 0;
    }
}

static void what_was_not_written_was_not_sent(void **state)
{
    (void)state;
    struct h2_server *server = h2_new(fall_silent);
    server->window = 64 << 20;
    h2_start(server);
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome silent, large, behind[20];
    outcome_init(&silent, "silent");
    begin(peer, &silent);
    h2_wait(server, &server->requests, 1);
    size_t size = 32 << 20; /* more than the socket buffers of both sides take */
    char *value = calloc(1, size);
    assert_non_null(value);
    outcome_init(&large, "large");
    large.request.operation = LARDER_OP_SET;
    large.request.value = (struct larder_slice){value, size};
    begin(peer, &large);
    fill_buffers(peer, &server->connections[0]);
    for (int i = 0; i < 20; i++) {
        outcome_init(&behind[i], "behind");
        begin(peer, &behind[i]);
    }
    call_in_vain(peer); /* the others have been given to the connection before */
    h2_gate(server, true);
    await(&large);
    assert_failed(&large, LARDER_UNAVAILABLE, 0);
    for (int i = 0; i < 20; i++) {
        await(&behind[i]);
        assert_failed(&behind[i], LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT);
    }
    await(&silent);
    assert_failed(&silent, LARDER_UNAVAILABLE, 0);
    free(value);
    close_client(fixture);
    h2_stop(server);
}

struct use_up {
    struct tp_task task;
    struct tp_peer *peer;
    atomic_bool done;
};

static void use_up_streams(struct tp_task *task)
{
    struct use_up *use_up = TP_OWNER(task, struct use_up, task);
    const struct grpc_client_lane *lane = (const struct grpc_client_lane *)use_up->peer->lanes[0];
    if (nghttp2_session_set_next_stream_id(lane->current->session, INT32_MAX - 2) != 0)
        abort();
    atomic_store(&use_up->done, true);
}

static void a_connection_without_numbers_for_streams_is_replaced(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(slow_waits));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    struct use_up use_up = {.task.run = use_up_streams, .peer = peer};
    tp_loop_post(fixture->loops[0], &use_up.task);
    while (!atomic_load(&use_up.done))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    struct outcome slow;
    outcome_init(&slow, "slow");
    begin(peer, &slow);
    for (int i = 0; i < 5; i++)
        assert_works(peer);
    assert_int_equal(h2_count(server, &server->accepts), 2);
    h2_gate(server, true);
    await(&slow);
    assert_got(&slow, "slow", 4);
    h2_wait(server, &server->ends, 1);
    close_client(fixture);
    h2_stop(server);
}

/* ------------------------------------------------------------------------------------------------ pings */

static void a_peer_that_owes_a_reply_is_pinged(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(slow_waits));
    struct grpc_client_options options = usual();
    options.ping_interval_ms = 10;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome slow;
    outcome_init(&slow, "slow");
    begin(peer, &slow);
    h2_wait(server, &server->pings, 5);
    assert_int_equal(completions(&slow), 0);
    h2_gate(server, true);
    await(&slow);
    assert_got(&slow, "slow", 4);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    close_client(fixture);
    h2_stop(server);
}

/* Whether the client ends the connection, from which nobody reads, within ten times what a ping may take. */
static bool is_ended(const struct h2_connection *connection)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    uint64_t until = in_ms(2000);
    for (;;) {
        if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
            abort();
        if (info.tcpi_state != TCP_ESTABLISHED || clock_now(NULL) >= until)
            return info.tcpi_state != TCP_ESTABLISHED;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Whether a connection is given up whose call has ended by then. */
static bool is_given_up_later(struct h2_server *server, const struct grpc_client_options *options)
{
    struct fixture *fixture = open_client(*options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    struct outcome outcome;
    assert_works(peer); /* what belongs to the beginning of a connection has been said */
    outcome_init(&outcome, "silent");
    outcome.request.deadline = in_ms(100);
    call(peer, &outcome);
    bool given_up = outcome.reply.status == LARDER_DEADLINE && /* else the ping was lost before */
                    is_ended(&server->connections[h2_count(server, &server->accepts) - 1]);
    close_client(fixture);
    return given_up;
}

static void a_connection_on_which_pings_are_not_answered_is_given_up(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(fall_silent));
    struct grpc_client_options options = usual();
    options.ping_interval_ms = options.ping_timeout_ms = 200;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_fails(peer, "silent", 0, "does not answer a ping");
    close_client(fixture);
    /* Also when nobody waits any more. A server that is too slow reads the ping with the call, and answers it: then again. */
    int tries = 1;
    while (!is_given_up_later(server, &options))
        assert_in_range(++tries, 1, 10);
    h2_stop(server);
}

/* Who tries again does not meet the same silence: the next call has a connection of its own, before the ping is lost. */
static void calls_leave_a_connection_that_is_silent(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(fall_silent));
    struct grpc_client_options options = usual();
    options.ping_interval_ms = options.ping_timeout_ms = 2000;
    struct fixture *fixture = open_client(options);
    struct tp_peer *peer = open_peer(fixture, server->port);
    static const struct {
        const char *key;
        uint64_t ms;
        enum larder_status status;
        unsigned accepts;
    } calls[] = {
        {"well", 30000, LARDER_OK, 1},
        {"silent", 100, LARDER_DEADLINE, 1}, /* too short to tell */
        {"silent", 1200, LARDER_DEADLINE, 1},
        {"well", 30000, LARDER_OK, 2},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct outcome outcome;
        outcome_init(&outcome, calls[i].key);
        outcome.request.deadline = in_ms(calls[i].ms);
        call(peer, &outcome);
        assert_int_equal(outcome.reply.status, calls[i].status);
        assert_int_equal(h2_count(server, &server->accepts), calls[i].accepts);
        larder_reply_release(&outcome.reply);
    }
    close_client(fixture);
    h2_stop(server);
}

/* ------------------------------------------------------------------------------------------------ broken answers */

static void a_connection_that_breaks_off_anywhere_fails_the_call(void **state)
{
    (void)state;
    struct outcome outcome;
    for (int at = 0;; at++) {
        struct h2_server *server = h2_new(echo);
        server->cut = at;
        h2_start(server);
        struct fixture *fixture = open_client(usual());
        struct tp_peer *peer = open_peer(fixture, server->port);
        outcome_init(&outcome, "key");
        call(peer, &outcome);
        close_client(fixture);
        h2_stop(server);
        if (outcome.reply.status == LARDER_OK)
            break;
        assert_int_equal(outcome.reply.status, LARDER_UNAVAILABLE);
        if (at < 9) /* the SETTINGS are not complete */
            assert_int_equal(outcome.reply.flags, LARDER_REPLY_NOT_SENT);
        assert_in_range(at, 0, 300);
    }
    assert_got(&outcome, "key", 3);
}

/* Every answer that must not be taken, by its number, and words that its message has. */
static const struct wrong {
    const char *name;
    struct h2_answer answer;
    const char *words;
    enum larder_status status;
} wrong[] = {
#define GOOD .http_status = "200", .type = "application/grpc"
    {"404", {.http_status = "404", .trailers_only = true}, "HTTP status 404", LARDER_UNAVAILABLE},
    {"503 and a page",
     {.http_status = "503", .type = "text/html", .body = "<html>", .size = 6},
     "HTTP status 503",
     LARDER_UNAVAILABLE},
    {"415, as for a wrong content-type",
     {.http_status = "415", .trailers_only = true},
     "HTTP status 415",
     LARDER_UNAVAILABLE},
    {"no status", {.type = "application/grpc", .trailers_only = true}, "PROTOCOL_ERROR", LARDER_UNAVAILABLE},
    {"a page",
     {.http_status = "200", .type = "text/html", .body = "<html>", .size = 6},
     "content-type \"text/html\"",
     LARDER_UNAVAILABLE},
    {"no content-type", {.http_status = "200", .body = "abc", .size = 3}, "content-type \"\"", LARDER_UNAVAILABLE},
    {"nothing", {GOOD, .trailers_only = true}, "without a grpc-status", LARDER_UNAVAILABLE},
    {"no trailers", {GOOD, .body = "\0\0\0\0\5", .size = 5}, "without trailers", LARDER_UNAVAILABLE},
    {"trailers without a status",
     {GOOD, .body = "\0\0\0\0\5", .size = 5, .grpc_message = "what?"},
     "without a grpc-status",
     LARDER_UNAVAILABLE},
    {"a status that is no number",
     {GOOD, .grpc_status = "ok", .trailers_only = true},
     "grpc-status",
     LARDER_UNAVAILABLE},
    {"an empty status", {GOOD, .grpc_status = "", .trailers_only = true}, "without a grpc-status", LARDER_UNAVAILABLE},
    {"no method",
     {GOOD, .grpc_status = "12", .grpc_message = "unknown%20method%0A", .trailers_only = true},
     "grpc-status 12, UNIMPLEMENTED: unknown method\n",
     LARDER_UNAVAILABLE},
    {"unavailable", {GOOD, .grpc_status = "14", .trailers_only = true}, "14, UNAVAILABLE", LARDER_UNAVAILABLE},
    {"not found, which says nothing of a key",
     {GOOD, .grpc_status = "5", .larder_status = "NOT_FOUND", .trailers_only = true},
     "5, NOT_FOUND",
     LARDER_UNAVAILABLE},
    {"no such code",
     {GOOD, .grpc_status = "999", .trailers_only = true},
     "grpc-status 999, UNKNOWN",
     LARDER_UNAVAILABLE},
    {"too large",
     {GOOD, .grpc_status = "8", .larder_status = "TOO_LARGE", .grpc_message = "100%", .trailers_only = true},
     "RESOURCE_EXHAUSTED: 100%",
     LARDER_TOO_LARGE},
    {"busy", {GOOD, .grpc_status = "8", .trailers_only = true}, "RESOURCE_EXHAUSTED", LARDER_BUSY},
    {"late", {GOOD, .grpc_status = "4", .trailers_only = true}, "DEADLINE_EXCEEDED", LARDER_DEADLINE},
    {"no message", {GOOD, .grpc_status = "0"}, "before the message was complete", LARDER_UNAVAILABLE},
    {"no message, trailers alone",
     {GOOD, .grpc_status = "0", .trailers_only = true},
     "before the message was complete",
     LARDER_UNAVAILABLE},
    {"half a prefix", {GOOD, .grpc_status = "0", .body = "\0\0", .size = 2}, "before the message", LARDER_UNAVAILABLE},
    {"half a message",
     {GOOD, .grpc_status = "0", .body = "\0\0\0\0\5ab", .size = 7},
     "before the message",
     LARDER_UNAVAILABLE},
    {"an answer to what was not asked",
     {GOOD, .grpc_status = "0", .body = "\0\0\0\0\2\120\1", .size = 7},
     "more than it was asked",
     LARDER_UNAVAILABLE},
    {"compressed", {GOOD, .grpc_status = "0", .body = "\1\0\0\0\2ab", .size = 7}, "compressed", LARDER_UNAVAILABLE},
    {"a page for a message",
     {GOOD, .grpc_status = "0", .body = "<html></html>", .size = 13},
     "no message of gRPC",
     LARDER_UNAVAILABLE},
    {"no protobuf",
     {GOOD, .grpc_status = "0", .body = "\0\0\0\0\3abc", .size = 8},
     "no larder.v1.CallResponse",
     LARDER_UNAVAILABLE},
    {"an unknown status",
     {GOOD, .grpc_status = "0", .body = "\0\0\0\0\3\10\310\1", .size = 8},
     "got status 200",
     LARDER_UNAVAILABLE},
    {"2 GiB announced, and no more",
     {GOOD, .grpc_status = "0", .body = "\0\177\377\377\377abc", .size = 8, .endless = true},
     "answered with more than the",
     LARDER_UNAVAILABLE},
};

static atomic_size_t wrong_now;

static enum h2_verdict answer_wrongly(struct h2_connection *connection, struct h2_stream *stream,
                                      const struct larder_request *request)
{
    if (key_begins(request, "key"))
        return echo(connection, stream, request);
    h2_send(connection, stream, wrong[atomic_load(&wrong_now)].answer);
    return H2_DONE;
}

static void an_answer_that_makes_no_sense_fails_the_call_alone(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(answer_wrongly));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        atomic_store(&wrong_now, i);
        struct outcome outcome;
        outcome_init(&outcome, "wrong");
        call(peer, &outcome);
        if (outcome.reply.status != wrong[i].status || outcome.reply.flags != 0 ||
            strstr(outcome.message, wrong[i].words) == NULL)
            fail_msg("%s: %s, %s", wrong[i].name, larder_status_name(outcome.reply.status), outcome.message);
        assert_works(peer);
    }
    assert_int_equal(h2_count(server, &server->accepts), 1);
    close_client(fixture);
    h2_stop(server);
}

/* Headers without end, or one without end, or those before the real ones. */
static enum h2_verdict odd_headers(struct h2_connection *connection, struct h2_stream *stream,
                                   const struct larder_request *request)
{
    static nghttp2_nv many[2000];
    static char huge[60000];
    const nghttp2_nv hints = h2_nv(":status", "103");
    size_t count = 0;
    many[count++] = h2_nv(":status", "200");
    if (key_begins(request, "many"))
        while (count < 2000)
            many[count++] = h2_nv("a", "b");
    if (key_begins(request, "huge")) {
        memset(huge, 'h', sizeof huge - 1);
        many[count++] = h2_nv("a", huge);
    }
    if (count > 1) {
        nghttp2_submit_response(connection->session, stream->id, many, count, NULL);
        return H2_DONE;
    }
    for (int i = 0; i < 3; i++)
        nghttp2_submit_headers(connection->session, 0, stream->id, NULL, &hints, 1, NULL);
    return echo(connection, stream, request);
}

static void headers_without_end_are_not_taken(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(odd_headers));
    struct fixture *fixture = open_client(usual());
    struct tp_peer *peer = open_peer(fixture, server->port);
    assert_works(peer);
    assert_fails(peer, "many", 0, "too many headers");
    assert_works(peer);
    assert_fails(peer, "huge", 0, "too many headers");
    assert_works(peer);
    assert_int_equal(h2_count(server, &server->accepts), 1);
    close_client(fixture);
    h2_stop(server);
}

static void refuse_early(struct h2_connection *connection, struct h2_stream *stream)
{
    h2_send(connection, stream,
            (struct h2_answer){.http_status = "200",
                               .type = "application/grpc",
                               .grpc_status = "8",
                               .larder_status = "TOO_LARGE",
                               .trailers_only = true});
}

static void refuse_and_leave(struct h2_connection *connection, struct h2_stream *stream)
{
    refuse_early(connection, stream);
    connection->ending = connection->abrupt = true;
}

static void an_early_refusal_of_a_large_value_is_understood(void **state)
{
    (void)state;
    for (int leaves = 0; leaves < 2; leaves++) {
        struct h2_server *server = h2_new(echo);
        server->headers = leaves ? refuse_and_leave : refuse_early;
        server->window = 64 << 20;
        h2_start(server);
        struct fixture *fixture = open_client(usual());
        struct tp_peer *peer = open_peer(fixture, server->port);
        size_t size = 32 << 20;
        for (int i = 0; i < 5; i++) {
            if (leaves && i > 0) { /* anew, as the old one may not have heard yet that the server has left */
                close_client(fixture);
                fixture = open_client(usual());
                peer = open_peer(fixture, server->port);
            }
            char *value = calloc(1, size);
            assert_non_null(value);
            struct outcome outcome;
            outcome_init(&outcome, "key");
            outcome.request.operation = LARDER_OP_SET;
            outcome.request.value = (struct larder_slice){value, size};
            call(peer, &outcome);
            free(value);
            assert_failed(&outcome, LARDER_TOO_LARGE, 0);
            assert_says(&outcome, "RESOURCE_EXHAUSTED");
        }
        assert_int_equal(h2_count(server, &server->accepts), leaves ? 5 : 1);
        assert_int_equal(h2_count(server, &server->requests), 0);
        close_client(fixture);
        h2_stop(server);
    }
}

/* Reads nothing until the gate opens. When no more bytes come, the client has some that it cannot send. */
static void turn_deaf(struct h2_connection *connection)
{
    connection->deaf = true;
    for (int before = 0, now = 0, same = 0; same < 20; before = now) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        if (ioctl(connection->fd, FIONREAD, &now) != 0)
            abort();
        same = now > 60000 && now == before ? same + 1 : 0;
    }
}

static void refuse_deaf(struct h2_connection *connection, struct h2_stream *stream)
{
    turn_deaf(connection);
    refuse_early(connection, stream);
}

static void break_off_deaf(struct h2_connection *connection, struct h2_stream *stream)
{
    turn_deaf(connection);
    nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
}

static void a_value_may_go_when_its_call_is_refused(void **state)
{
    (void)state;
    void (*const ways[])(struct h2_connection *, struct h2_stream *) = {refuse_deaf, break_off_deaf};
    for (int way = 0; way < 2; way++) {
        struct h2_server *server = h2_new(echo);
        server->headers = ways[way];
        server->window = 64 << 20;
        h2_start(server);
        struct fixture *fixture = open_client(usual());
        struct tp_peer *peer = open_peer(fixture, server->port);
        size_t size = 32 << 20;
        char *value = calloc(1, size);
        assert_non_null(value);
        struct outcome outcome;
        outcome_init(&outcome, "key");
        outcome.request.operation = LARDER_OP_SET;
        outcome.request.value = (struct larder_slice){value, size};
        call(peer, &outcome);
        free(value);
        assert_failed(&outcome, way == 0 ? LARDER_TOO_LARGE : LARDER_UNAVAILABLE, 0);
        server->headers = NULL; /* the server's thread sleeps until the gate opens */
        h2_gate(server, true);
        assert_works(peer);
        assert_int_equal(h2_count(server, &server->accepts), 1);
        close_client(fixture);
        h2_stop(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_is_not_sent),
        cmocka_unit_test(a_connection_that_is_not_made_in_time_is_not_sent),
        cmocka_unit_test(a_peer_that_does_not_answer_in_http2_is_not_sent_a_call),
        cmocka_unit_test(a_peer_of_no_use_is_not_tried_without_a_pause),
        cmocka_unit_test(what_the_peer_refuses_was_not_sent),
        cmocka_unit_test(a_goodbye_finishes_what_was_begun_and_gives_back_the_rest),
        cmocka_unit_test(a_notice_of_shutdown_costs_no_call),
        cmocka_unit_test(a_peer_that_turns_connections_away_is_busy),
        cmocka_unit_test(a_connection_that_is_lost_is_made_anew),
        cmocka_unit_test(calls_that_wait_for_a_stream_survive_the_loss),
        cmocka_unit_test(what_was_not_written_was_not_sent),
        cmocka_unit_test(a_connection_without_numbers_for_streams_is_replaced),
        cmocka_unit_test(a_peer_that_owes_a_reply_is_pinged),
        cmocka_unit_test(a_connection_on_which_pings_are_not_answered_is_given_up),
        cmocka_unit_test(calls_leave_a_connection_that_is_silent),
        cmocka_unit_test(a_connection_that_breaks_off_anywhere_fails_the_call),
        cmocka_unit_test(an_answer_that_makes_no_sense_fails_the_call_alone),
        cmocka_unit_test(headers_without_end_are_not_taken),
        cmocka_unit_test(an_early_refusal_of_a_large_value_is_understood),
        cmocka_unit_test(a_value_may_go_when_its_call_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
