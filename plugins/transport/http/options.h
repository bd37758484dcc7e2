/* The module's parameters, read once. */
#ifndef TRANSPORT_HTTP_OPTIONS_H
#define TRANSPORT_HTTP_OPTIONS_H

#include "larder/plugin/plugin.h"
#include "scan.h"

struct http_options {
    char *listen; /* NULL: not given; allocated */
    unsigned workers;
    size_t max_connections;
    size_t max_pipeline;   /* requests of one connection under way at a time */
    size_t max_body_bytes; /* of all bodies together */
    struct http_limits limits;
    uint64_t header_timeout, body_timeout, idle_timeout; /* ns */
    uint64_t idle_timeout_ms, connect_timeout_ms;
    unsigned peer_connections;
};

extern const struct larder_param http_params[];

/* False: out of memory. */
bool http_options_read(struct http_options *options, const struct larder_param_value *params);
void http_options_free(struct http_options *options);

#endif
