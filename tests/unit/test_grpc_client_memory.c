/* Calls to peers over gRPC while allocations fail: a call is lost, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client_memory.h"
#include "h2_server.h"

#include "plugins/transport/grpc/client.h"

/* ------------------------------------------------------------------------------------------------ the libraries */

static void *session_malloc(size_t size, void *arg)
{
    (void)arg;
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
    return calloc(count, size);
}

static void *session_realloc(void *memory, size_t size, void *arg)
{
    (void)arg;
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
    return malloc(size);
}

static void *loop_realloc(void *memory, size_t size)
{
    return realloc(memory, size);
}

static void loop_free(void *memory)
{
    free(memory);
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

int main(void)
{
    event_set_mem_functions(loop_malloc, loop_realloc, loop_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_completed_whichever_allocations_fail),
        cmocka_unit_test(opening_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
