/* Calls to peers over HTTP while allocations fail: a call is lost, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client_memory.h"
#include "peer_server.h"

#include "plugins/transport/http/client.h"

static struct tp_client *open_client(struct tp_loop *const *loops)
{
    const struct http_client_options options = {
        .common = {.host = &host, .loops = loops, .loop_count = 2, .connect_timeout_ms = 10000, .max_value = 1 << 20},
        .peer_connections = 4,
        .idle_ms = 600000};
    return http_client_open(&options);
}

static bool echo(struct server_connection *connection, const struct larder_request *request)
{
    const struct larder_reply reply = {.value = request->value, .message = {"told", 4}};
    return server_reply(connection, &reply);
}

static void calls_are_completed_whichever_allocations_fail(void **state)
{
    (void)state;
    struct server *server = server_start(echo);
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
    server_stop(server);
}

static void opening_says_no(void **state)
{
    (void)state;
    assert_int_equal(assert_opening_says_no(open_client), 2); /* the client and the peer are one allocation each */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_completed_whichever_allocations_fail),
        cmocka_unit_test(opening_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
