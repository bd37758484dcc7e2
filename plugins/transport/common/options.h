/* Parameters that every server has: their rows for a module's table, and their values. */
#ifndef TRANSPORT_COMMON_OPTIONS_H
#define TRANSPORT_COMMON_OPTIONS_H

#include "larder/plugin/plugin.h"

/* What a module reads from its own table of parameters. */
struct tp_server_options {
    const char *listen;        /* NULL: not given */
    unsigned workers;          /* 0: one for each processor */
    size_t max_connections;    /* at a time */
    size_t max_body_bytes;     /* memory of the bodies of all requests together */
    uint64_t idle_timeout;     /* ns: how long a client may leave bytes unread that wait for it */
    uint64_t shortest_timeout; /* ns, of all that the protocol sets: decides how often deadlines are looked at */
};

/* Rows of `struct larder_param`. Where the outcome differs between protocols, `more` ends the help. */
#define TP_ROW_LISTEN                                                                                                  \
    {                                                                                                                  \
        .name = "listen", .type = LARDER_PARAM_STRING, .minimum = 2, .maximum = 512,                                   \
        .help = "address to listen on: HOST:PORT, [IPV6]:PORT, or :PORT for all addresses; port 0 takes any"           \
    }

#define TP_ROW_WORKERS                                                                                                 \
    {                                                                                                                  \
        .name = "workers", .type = LARDER_PARAM_INT, .default_text = "0", .minimum = 0, .maximum = 256,                \
        .help = "threads that serve connections; 0: one for each processor"                                            \
    }

#define TP_ROW_MAX_CONNECTIONS(more)                                                                                   \
    {                                                                                                                  \
        .name = "max_connections", .type = LARDER_PARAM_INT, .default_text = "10000", .minimum = 1,                    \
        .maximum = 1000000, .help = "connections at a time; " more                                                     \
    }

#define TP_ROW_MAX_BODY_BYTES(more)                                                                                    \
    {                                                                                                                  \
        .name = "max_body_bytes", .type = LARDER_PARAM_SIZE, .default_text = "1GiB", .minimum = 65536,                 \
        .maximum = 1099511627776.0, .help = "memory for the bodies of all requests under way; " more                   \
    }

#define TP_ROW_IDLE_TIMEOUT                                                                                            \
    {                                                                                                                  \
        .name = "idle_timeout", .type = LARDER_PARAM_DURATION, .default_text = "60s", .minimum = 10,                   \
        .maximum = 86400000.0,                                                                                         \
        .help = "time until a connection that is unused, or whose client does not read, is closed"                     \
    }

#endif
