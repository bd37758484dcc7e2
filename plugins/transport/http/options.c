/* The table of parameters, and its values. */
#include "options.h"

#include "larder/plugin/runtime.h"

enum row {
    ROW_LISTEN,
    ROW_WORKERS,
    ROW_MAX_CONNECTIONS,
    ROW_MAX_PIPELINE,
    ROW_MAX_REQUESTS,
    ROW_MAX_REQUEST_LINE,
    ROW_MAX_HEADER_BYTES,
    ROW_MAX_HEADERS,
    ROW_MAX_BODY_BYTES,
    ROW_HEADER_TIMEOUT,
    ROW_BODY_TIMEOUT,
    ROW_IDLE_TIMEOUT,
    ROW_CONNECT_TIMEOUT,
    ROW_PEER_CONNECTIONS
};

#define HOUR 3600000.0

const struct larder_param http_params[] = {
    [ROW_LISTEN] = TP_ROW_LISTEN,
    [ROW_WORKERS] = TP_ROW_WORKERS,
    [ROW_MAX_CONNECTIONS] = TP_ROW_MAX_CONNECTIONS("more are answered 503 and closed"),
    [ROW_MAX_PIPELINE] = {.name = "max_pipeline",
                          .type = LARDER_PARAM_INT,
                          .default_text = "128",
                          .minimum = 1,
                          .maximum = 65536,
                          .help = "requests of one connection under way at a time"},
    [ROW_MAX_REQUESTS] =
        {.name = "max_requests",
         .type = LARDER_PARAM_INT,
         .default_text = "65536",
         .minimum = 1,
         .maximum = 100000000,
         .help = "requests under way at a time, each worker its part; beyond that a connection that has one "
                 "under way is not read from"},
    [ROW_MAX_REQUEST_LINE] = {.name = "max_request_line",
                              .type = LARDER_PARAM_SIZE,
                              .default_text = "256KiB",
                              .minimum = 256,
                              .maximum = 1 << 20,
                              .help = "bytes of a request line; the longest key takes three times 64 KiB"},
    [ROW_MAX_HEADER_BYTES] = {.name = "max_header_bytes",
                              .type = LARDER_PARAM_SIZE,
                              .default_text = "16KiB",
                              .minimum = 256,
                              .maximum = 1 << 20,
                              .help = "bytes of all header fields of a request"},
    [ROW_MAX_HEADERS] = {.name = "max_headers",
                         .type = LARDER_PARAM_INT,
                         .default_text = "100",
                         .minimum = 1,
                         .maximum = 10000,
                         .help = "header fields of a request"},
    [ROW_MAX_BODY_BYTES] = TP_ROW_MAX_BODY_BYTES("beyond it 503, except for one alone"),
    [ROW_HEADER_TIMEOUT] = {.name = "header_timeout",
                            .type = LARDER_PARAM_DURATION,
                            .default_text = "10s",
                            .minimum = 10,
                            .maximum = HOUR,
                            .help = "time for a request line and its header fields to arrive"},
    [ROW_BODY_TIMEOUT] = {.name = "body_timeout",
                          .type = LARDER_PARAM_DURATION,
                          .default_text = "30s",
                          .minimum = 10,
                          .maximum = HOUR,
                          .help = "time for the whole body of a request to arrive"},
    [ROW_IDLE_TIMEOUT] = TP_ROW_IDLE_TIMEOUT,
    [ROW_CONNECT_TIMEOUT] = {.name = "connect_timeout",
                             .type = LARDER_PARAM_DURATION,
                             .default_text = "1s",
                             .minimum = 1,
                             .maximum = HOUR,
                             .help = "time for a connection to a peer to be made"},
    [ROW_PEER_CONNECTIONS] = {.name = "peer_connections",
                              .type = LARDER_PARAM_INT,
                              .default_text = "64",
                              .minimum = 1,
                              .maximum = 4096,
                              .help = "connections to one peer at a time"},
    {0}};

static uint64_t duration(const struct larder_param_value *value)
{
    return (uint64_t)value->integer * LARDER_NS_PER_MS;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void http_options_read(struct http_options *options, struct tp_server_options *shared,
                       const struct larder_param_value *params)
{
    *options = (struct http_options){
        .max_pipeline = (size_t)params[ROW_MAX_PIPELINE].integer,
        .max_requests = (size_t)params[ROW_MAX_REQUESTS].integer,
        .limits = {.request_line = (size_t)params[ROW_MAX_REQUEST_LINE].integer,
                   .header_bytes = (size_t)params[ROW_MAX_HEADER_BYTES].integer,
                   .headers = (size_t)params[ROW_MAX_HEADERS].integer},
        .header_timeout = duration(&params[ROW_HEADER_TIMEOUT]),
        .body_timeout = duration(&params[ROW_BODY_TIMEOUT]),
        .connect_timeout_ms = (uint64_t)params[ROW_CONNECT_TIMEOUT].integer,
        .peer_connections = (unsigned)params[ROW_PEER_CONNECTIONS].integer,
    };
    *shared = (struct tp_server_options){
        .listen = params[ROW_LISTEN].string,
        .workers = (unsigned)params[ROW_WORKERS].integer,
        .max_connections = (size_t)params[ROW_MAX_CONNECTIONS].integer,
        .max_body_bytes = (size_t)params[ROW_MAX_BODY_BYTES].integer,
        .idle_timeout = duration(&params[ROW_IDLE_TIMEOUT]),
    };
    shared->shortest_timeout = least(least(options->header_timeout, options->body_timeout), shared->idle_timeout);
}
