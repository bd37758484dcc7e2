/* The table of parameters, and its values. */
#include "options.h"

#include "larder/plugin/runtime.h"

enum row {
    ROW_LISTEN,
    ROW_WORKERS,
    ROW_MAX_CONNECTIONS,
    ROW_MAX_STREAMS,
    ROW_MAX_MESSAGE,
    ROW_MAX_HEADER_BYTES,
    ROW_MAX_BODY_BYTES,
    ROW_HANDSHAKE_TIMEOUT,
    ROW_MESSAGE_TIMEOUT,
    ROW_IDLE_TIMEOUT,
    ROW_KEEPALIVE_INTERVAL,
    ROW_KEEPALIVE_TIMEOUT,
    ROW_CONNECT_TIMEOUT
};

#define HOUR 3600000.0

const struct larder_param grpc_params[] = {
    [ROW_LISTEN] = TP_ROW_LISTEN,
    [ROW_WORKERS] = TP_ROW_WORKERS,
    [ROW_MAX_CONNECTIONS] = TP_ROW_MAX_CONNECTIONS("more are sent GOAWAY and closed"),
    [ROW_MAX_STREAMS] = {.name = "max_streams",
                         .type = LARDER_PARAM_INT,
                         .default_text = "1024",
                         .minimum = 1,
                         .maximum = 65536,
                         .help =
                             "streams of one connection at a time, each of which is a call; clients wait with more; "
                             "requests of peers share streams, and up to three times as many are taken"},
    [ROW_MAX_MESSAGE] = {.name = "max_message",
                         .type = LARDER_PARAM_SIZE,
                         .default_text = "4MiB",
                         .minimum = 1024,
                         .maximum = 2147483648.0,
                         .help = "bytes of a client's message, and of the answer to a batch; gRPC clients take 4MiB "
                                 "unless they are told otherwise"},
    [ROW_MAX_HEADER_BYTES] = {.name = "max_header_bytes",
                              .type = LARDER_PARAM_SIZE,
                              .default_text = "16KiB",
                              .minimum = 512,
                              .maximum = 65536, /* nghttp2 takes no more */
                              .help = "bytes of a call's metadata, with 32 more for each field"},
    [ROW_MAX_BODY_BYTES] = TP_ROW_MAX_BODY_BYTES("beyond it RESOURCE_EXHAUSTED, except for one alone"),
    [ROW_HANDSHAKE_TIMEOUT] = {.name = "handshake_timeout",
                               .type = LARDER_PARAM_DURATION,
                               .default_text = "10s",
                               .minimum = 10,
                               .maximum = HOUR,
                               .help = "time for a new connection to say that it speaks HTTP/2"},
    [ROW_MESSAGE_TIMEOUT] = {.name = "message_timeout",
                             .type = LARDER_PARAM_DURATION,
                             .default_text = "30s",
                             .minimum = 10,
                             .maximum = HOUR,
                             .help = "time for a call's whole message to arrive"},
    [ROW_IDLE_TIMEOUT] = TP_ROW_IDLE_TIMEOUT,
    [ROW_KEEPALIVE_INTERVAL] = {.name = "keepalive_interval",
                                .type = LARDER_PARAM_DURATION,
                                .default_text = "30s",
                                .minimum = 10,
                                .maximum = 24 * HOUR,
                                .help =
                                    "who owes or awaits an answer, client or peer, and has sent nothing for so long is "
                                    "pinged"},
    [ROW_KEEPALIVE_TIMEOUT] = {.name = "keepalive_timeout",
                               .type = LARDER_PARAM_DURATION,
                               .default_text = "20s",
                               .minimum = 10,
                               .maximum = HOUR,
                               .help = "time for an answer to a ping, or the connection is closed"},
    [ROW_CONNECT_TIMEOUT] = {.name = "connect_timeout",
                             .type = LARDER_PARAM_DURATION,
                             .default_text = "1s",
                             .minimum = 1,
                             .maximum = HOUR,
                             .help = "time for a connection to a peer to be made, and for a peer to answer a ping"},
    {0}};

static uint64_t duration(const struct larder_param_value *value)
{
    return (uint64_t)value->integer * LARDER_NS_PER_MS;
}

void grpc_options_read(struct grpc_options *options, struct tp_server_options *shared,
                       const struct larder_param_value *params)
{
    *options = (struct grpc_options){
        .max_streams = (uint32_t)params[ROW_MAX_STREAMS].integer,
        .max_message = (size_t)params[ROW_MAX_MESSAGE].integer,
        .max_header_bytes = (size_t)params[ROW_MAX_HEADER_BYTES].integer,
        .handshake_timeout = duration(&params[ROW_HANDSHAKE_TIMEOUT]),
        .message_timeout = duration(&params[ROW_MESSAGE_TIMEOUT]),
        .keepalive_interval = duration(&params[ROW_KEEPALIVE_INTERVAL]),
        .keepalive_timeout = duration(&params[ROW_KEEPALIVE_TIMEOUT]),
        .connect_timeout_ms = (uint64_t)params[ROW_CONNECT_TIMEOUT].integer,
    };
    *shared = (struct tp_server_options){
        .listen = params[ROW_LISTEN].string,
        .workers = (unsigned)params[ROW_WORKERS].integer,
        .max_connections = (size_t)params[ROW_MAX_CONNECTIONS].integer,
        .max_body_bytes = (size_t)params[ROW_MAX_BODY_BYTES].integer,
        .idle_timeout = duration(&params[ROW_IDLE_TIMEOUT]),
    };
    const uint64_t timeouts[] = {shared->idle_timeout, options->handshake_timeout, options->message_timeout,
                                 options->keepalive_interval, options->keepalive_timeout};
    shared->shortest_timeout = timeouts[0];
    for (size_t i = 1; i < sizeof timeouts / sizeof *timeouts; i++)
        if (timeouts[i] < shared->shortest_timeout)
            shared->shortest_timeout = timeouts[i];
}
