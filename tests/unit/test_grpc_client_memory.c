/* Calls to peers over gRPC while allocations fail: a call is lost, nothing else; and what a call costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client_memory.h"
#include "h2_server.h"

#include "plugins/transport/grpc/client.h"

/* ------------------------------------------------------------------------------------------------ the libraries */

static atomic_size_t by_libraries; /* of the allocations */
static atomic_size_t writes;

static void *session_malloc(size_t size, void *arg)
{
    (void)arg;
    atomic_fetch_add(&by_libraries, subject);
    return malloc(size);
}

static void session_free(void *memory, void *arg)
{
    (void)arg;
    free(memory);
}

static void *session_calloc(size_t count, size_t size, void *arg)
{
    (void)arg;
    atomic_fetch_add(&by_libraries, subject);
    return calloc(count, size);
}

static void *session_realloc(void *memory, size_t size, void *arg)
{
    (void)arg;
    atomic_fetch_add(&by_libraries, subject);
    return realloc(memory, size);
}

static nghttp2_mem session_memory = {NULL, session_malloc, session_free, session_calloc, session_realloc};

int __wrap_nghttp2_session_client_new(nghttp2_session **session, const nghttp2_session_callbacks *callbacks,
                                      void *user);
int __wrap_nghttp2_session_client_new(nghttp2_session **session, const nghttp2_session_callbacks *callbacks, void *user)
{
    return nghttp2_session_client_new3(session, callbacks, user, NULL, &session_memory);
}

int __real_nghttp2_session_callbacks_new(nghttp2_session_callbacks **callbacks);
int __wrap_nghttp2_session_callbacks_new(nghttp2_session_callbacks **callbacks);
int __wrap_nghttp2_session_callbacks_new(nghttp2_session_callbacks **callbacks)
{
    return fails() ? NGHTTP2_ERR_NOMEM : __real_nghttp2_session_callbacks_new(callbacks);
}

static void *loop_malloc(size_t size)
{
    atomic_fetch_add(&by_libraries, subject);
    return malloc(size);
}

static void *loop_realloc(void *memory, size_t size)
{
    atomic_fetch_add(&by_libraries, subject);
    return realloc(memory, size);
}

static void loop_free(void *memory)
{
    free(memory);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    atomic_fetch_add(&writes, subject);
    return __real_sendmsg(fd, message, flags);
}

/* ------------------------------------------------------------------------------------------------ tests */

static struct tp_client *open_client(struct tp_loop *const *loops)
{
    const struct grpc_client_options options = {
        .common = {.host = &host, .loops = loops, .loop_count = 2, .connect_timeout_ms = 10000, .max_value = 1 << 20},
        .ping_interval_ms = 10000,
        .ping_timeout_ms = 10000};
    return grpc_client_open(&options);
}

static enum h2_verdict echo(struct h2_connection *connection, struct h2_stream *stream,
                            const struct larder_request *request)
{
    h2_reply(connection, stream, &(struct larder_reply){.value = request->value, .message = {"told", 4}});
    return H2_DONE;
}

static void calls_are_completed_whichever_allocations_fail(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct tp_loop *loops[2] = {open_loop(), open_loop()};
    fail_no_more();
    struct tp_client *client = open_client(loops);
    assert_non_null(client);
    struct tp_peer *peer = open_peer(client, server->port);
    assert_non_null(peer);
    assert_survives(peer);
    tp_peer_close(peer);
    tp_client_close(client);
    tp_loop_close(loops[0]);
    tp_loop_close(loops[1]);
    h2_stop(server);
}

static void opening_says_no(void **state)
{
    (void)state;
    assert_int_equal(assert_opening_says_no(open_client), 2); /* the client and the peer are one allocation each */
}

/* Calls of one turn of the loop, as a node makes them that answers its own clients there. */
struct turn {
    struct tp_task task;
    struct tp_peer *peer;
    struct larder_request request;
    atomic_int left;
};

static void count_down(void *arg, struct larder_reply *reply)
{
    if (reply->status != LARDER_OK)
        abort(); /* on the loop's thread, where cmocka cannot fail */
    larder_reply_release(reply);
    atomic_fetch_sub(&((struct turn *)arg)->left, 1);
}

static void call_in_one_turn(struct tp_task *task)
{
    struct turn *turn = TP_OWNER(task, struct turn, task);
    for (int i = 0; i < CALLS; i++)
        tp_peer_call(turn->peer, &turn->request, count_down, turn);
}

static void a_small_call_costs_neither_an_allocation_nor_a_write_of_its_own(void **state)
{
    (void)state;
    struct h2_server *server = h2_start(h2_new(echo));
    struct tp_loop *loops[2] = {open_loop(), open_loop()};
    fail_no_more();
    struct tp_client *client = open_client(loops);
    struct turn turn = {
        .task.run = call_in_one_turn,
        .peer = open_peer(client, server->port),
        .request = {.operation = LARDER_OP_SET,
                    .flags = LARDER_REQUEST_PEER,
                    .group = {"users", 5},
                    .key = {"key", 3},
                    .value = {"a value of usual size, that is to say of a hundred bytes or so: .....", 69},
                    .deadline = larder_deadline_in(&runtime, 600000)}};
    for (int round = 0; round < 3; round++) { /* the first ones connect, and fill the pool */
        atomic_store(&allocations, 0);
        atomic_store(&by_libraries, 0);
        atomic_store(&writes, 0);
        atomic_store(&turn.left, CALLS);
        tp_loop_post(loops[0], &turn.task);
        while (atomic_load(&turn.left) > 0)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    assert_in_range(atomic_load(&allocations) - atomic_load(&by_libraries), 1,
                    8); /* two streams, and what is gathered for the socket */
    assert_in_range(atomic_load(&writes), 1, 3);
    tp_client_close(client);
    tp_loop_close(loops[0]);
    tp_loop_close(loops[1]);
    h2_stop(server);
}

int main(void)
{
    event_set_mem_functions(loop_malloc, loop_realloc, loop_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_completed_whichever_allocations_fail),
        cmocka_unit_test(opening_says_no),
        cmocka_unit_test(a_small_call_costs_neither_an_allocation_nor_a_write_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
