/* The module's parameters, read once. */
#ifndef TRANSPORT_GRPC_OPTIONS_H
#define TRANSPORT_GRPC_OPTIONS_H

#include "plugins/transport/common/options.h"

struct grpc_options {
    uint32_t max_streams;    /* of one connection at a time */
    size_t max_message;      /* bytes of a client's message; those of peers take whatever a value may have */
    size_t max_header_bytes; /* of a call's metadata: names, values and 32 for each, as HTTP/2 counts them */
    uint64_t handshake_timeout, message_timeout, keepalive_interval, keepalive_timeout; /* ns */
    uint64_t connect_timeout_ms;                                                        /* to peers */
};

extern const struct larder_param grpc_params[];

void grpc_options_read(struct grpc_options *options, struct tp_server_options *shared,
                       const struct larder_param_value *params);

#endif
