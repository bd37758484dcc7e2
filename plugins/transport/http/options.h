/* The module's parameters, read once. */
#ifndef TRANSPORT_HTTP_OPTIONS_H
#define TRANSPORT_HTTP_OPTIONS_H

#include "larder/plugin/plugin.h"
#include "plugins/transport/common/server.h"
#include "scan.h"

struct http_options {
    size_t max_pipeline; /* requests of one connection under way at a time */
    size_t max_requests; /* of all together; once the server is open, of one worker's */
    struct http_limits limits;
    uint64_t header_timeout, body_timeout; /* ns */
    uint64_t connect_timeout_ms;
    unsigned peer_connections;
};

extern const struct larder_param http_params[];

/* The shared ones point into `params`. */
void http_options_read(struct http_options *options, struct tp_server_options *shared,
                       const struct larder_param_value *params);

#endif
