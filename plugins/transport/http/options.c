/* The table of parameters, and its values. */
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "larder/plugin/runtime.h"

enum row {
    ROW_LISTEN,
    ROW_WORKERS,
    ROW_MAX_CONNECTIONS,
    ROW_MAX_PIPELINE,
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
    [ROW_LISTEN] = {.name = "listen",
                    .type = LARDER_PARAM_STRING,
                    .minimum = 2,
                    .maximum = 512,
                    .help =
                        "address to listen on: HOST:PORT, [IPV6]:PORT, or :PORT for all addresses; port 0 takes any"},
    [ROW_WORKERS] = {.name = "workers",
                     .type = LARDER_PARAM_INT,
                     .default_text = "0",
                     .minimum = 0,
                     .maximum = 256,
                     .help = "threads that serve connections; 0: one for each processor"},
    [ROW_MAX_CONNECTIONS] = {.name = "max_connections",
                             .type = LARDER_PARAM_INT,
                             .default_text = "10000",
                             .minimum = 1,
                             .maximum = 1000000,
                             .help = "connections at a time; more are answered 503 and closed"},
    [ROW_MAX_PIPELINE] = {.name = "max_pipeline",
                          .type = LARDER_PARAM_INT,
                          .default_text = "128",
                          .minimum = 1,
                          .maximum = 65536,
                          .help = "requests of one connection under way at a time"},
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
    [ROW_MAX_BODY_BYTES] = {.name = "max_body_bytes",
                            .type = LARDER_PARAM_SIZE,
                            .default_text = "1GiB",
                            .minimum = 65536,
                            .maximum = 1099511627776.0,
                            .help =
                                "memory for the bodies of all requests under way; beyond it 503, except for one alone"},
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
    [ROW_IDLE_TIMEOUT] = {.name = "idle_timeout",
                          .type = LARDER_PARAM_DURATION,
                          .default_text = "60s",
                          .minimum = 10,
                          .maximum = 24 * HOUR,
                          .help = "time until a connection that is unused, or whose client does not read, is closed"},
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

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 256 ? 256 : (unsigned)count;
}

bool http_options_read(struct http_options *options, const struct larder_param_value *params)
{
    *options = (struct http_options){
        .workers = (unsigned)params[ROW_WORKERS].integer,
        .max_connections = (size_t)params[ROW_MAX_CONNECTIONS].integer,
        .max_pipeline = (size_t)params[ROW_MAX_PIPELINE].integer,
        .max_body_bytes = (size_t)params[ROW_MAX_BODY_BYTES].integer,
        .limits = {.request_line = (size_t)params[ROW_MAX_REQUEST_LINE].integer,
                   .header_bytes = (size_t)params[ROW_MAX_HEADER_BYTES].integer,
                   .headers = (size_t)params[ROW_MAX_HEADERS].integer},
        .header_timeout = (uint64_t)params[ROW_HEADER_TIMEOUT].integer * LARDER_NS_PER_MS,
        .body_timeout = (uint64_t)params[ROW_BODY_TIMEOUT].integer * LARDER_NS_PER_MS,
        .idle_timeout = (uint64_t)params[ROW_IDLE_TIMEOUT].integer * LARDER_NS_PER_MS,
        .idle_timeout_ms = (uint64_t)params[ROW_IDLE_TIMEOUT].integer,
        .connect_timeout_ms = (uint64_t)params[ROW_CONNECT_TIMEOUT].integer,
        .peer_connections = (unsigned)params[ROW_PEER_CONNECTIONS].integer,
    };
    if (options->workers == 0)
        options->workers = processors();
    if (params[ROW_LISTEN].string == NULL)
        return true;
    options->listen = strdup(params[ROW_LISTEN].string);
    return options->listen != NULL;
}

void http_options_free(struct http_options *options)
{
    free(options->listen);
    options->listen = NULL;
}
