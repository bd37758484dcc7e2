/* What the HTTP protocol adds to the transports' server. */
#ifndef TRANSPORT_HTTP_SERVER_H
#define TRANSPORT_HTTP_SERVER_H

#include "options.h"
#include "plugins/transport/common/worker.h"
#include "window.h"

struct http_exchange;

struct http_server {
    struct tp_server base;
    struct http_options options;
};

struct http_worker {
    struct tp_worker base;
    struct http_exchange *pool;
    size_t pooled;
    size_t exchanges; /* in use */
    struct http_window window;
    uint64_t date_until; /* `date` holds until then, on the runtime's clock */
    char date[29];       /* "Fri, 20 Nov 2026 10:00:00 GMT" */
};

/* NULL: host->fail() was called. */
struct http_server *http_server_open(const struct larder_transport_host *host, const struct larder_param_value *params);
void http_server_close(struct http_server *server);

/* The current date, 29 bytes, for the Date field. */
const char *http_worker_date(struct http_worker *worker);

/* Every worker of this module is one of ours, and so is its server. */
static inline struct http_worker *http_worker_of(struct tp_worker *worker)
{
    return (struct http_worker *)worker;
}

static inline const struct http_options *http_options_of(const struct tp_worker *worker)
{
    return &((const struct http_server *)worker->server)->options;
}

#endif
