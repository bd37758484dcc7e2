/* A gRPC client for tests, and what the server answers most of them. */
#ifndef TESTS_GRPC_CLIENT_KIT_H
#define TESTS_GRPC_CLIENT_KIT_H

#include "client_kit.h"
#include "h2_server.h"

#include "plugins/transport/grpc/client.h"

/* Starting values for a client; a test changes what it is about before open_client(). */
static inline struct grpc_client_options usual(void)
{
    return (struct grpc_client_options){.common = {.loop_count = 1, .connect_timeout_ms = 10000, .max_value = 16 << 20},
                                        .ping_interval_ms = 600000,
                                        .ping_timeout_ms = 600000};
}

static inline struct fixture *open_client(struct grpc_client_options options)
{
    struct fixture *fixture = open_fixture(&options.common);
    fixture->client = grpc_client_open(&options);
    assert_non_null(fixture->client);
    return fixture;
}

/* Answers with the key, or for a SET with the value. */
static inline enum h2_verdict echo(struct h2_connection *connection, struct h2_stream *stream,
                                   const struct larder_request *request)
{
    const struct larder_reply reply = {
        .value = request->operation == LARDER_OP_SET ? request->value : request->key,
        .source = LARDER_SOURCE_LOCAL,
        .ttl_ms = request->ttl_ms,
        .version = {1, 2},
        .ring = {3, 4, 5},
        .cluster = request->cluster,
    };
    h2_reply(connection, stream, &reply);
    return H2_DONE;
}

static inline bool key_begins(const struct larder_request *request, const char *text)
{
    return request->key.size >= strlen(text) && memcmp(request->key.data, text, strlen(text)) == 0;
}

/* Keys that begin with "slow" wait for the gate. */
static inline enum h2_verdict slow_waits(struct h2_connection *connection, struct h2_stream *stream,
                                         const struct larder_request *request)
{
    if (key_begins(request, "slow") && !h2_gate_is_open(connection->server))
        return H2_HOLD;
    return echo(connection, stream, request);
}

#endif
