/* The protocol's table, and the date that answers carry. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connection.h"

const char *http_worker_date(struct http_worker *worker)
{
    if (worker->base.now < worker->date_until)
        return worker->date;
    const struct larder_runtime *runtime = worker->base.server->host->base.runtime;
    uint64_t wall = runtime->wall_ms(runtime);
    worker->date_until = worker->base.now + (1000 - wall % 1000) * LARDER_NS_PER_MS;
    time_t seconds = (time_t)(wall / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[80]; /* room for what the compiler thinks the numbers could be */
    snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * parts.tm_wday, parts.tm_mday,
             months + 3 * parts.tm_mon, parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    memcpy(worker->date, text, sizeof worker->date);
    return worker->date;
}

static bool worker_open(struct tp_worker *worker)
{
    http_window_open(http_worker_of(worker));
    return true;
}

static void worker_close(struct tp_worker *worker)
{
    http_exchange_pool_free(http_worker_of(worker));
}

#define TURNED_AWAY                                                                                                    \
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"                                   \
    "Retry-After: 1\r\nConnection: close\r\nContent-Length: 97\r\n\r\n"                                                \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many connections\"}"

static const struct tp_protocol protocol = {.name = "http",
                                            .worker_size = sizeof(struct http_worker),
                                            .connection_size = sizeof(struct http_connection),
                                            .turned_away = {TURNED_AWAY, sizeof TURNED_AWAY - 1},
                                            .worker_open = worker_open,
                                            .worker_close = worker_close,
                                            .opened = http_connection_opened,
                                            .closed = http_connection_closed,
                                            .read = http_connection_read,
                                            .settle = http_connection_settle,
                                            .expire = http_connection_expire,
                                            .drain = http_connection_drain,
                                            .answered = http_exchange_answered};

struct http_server *http_server_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        host->base.fail(&host->base, LARDER_NO_MEMORY, "http: out of memory");
        return NULL;
    }
    struct tp_server_options shared;
    http_options_read(&server->options, &shared, params);
    if (!tp_server_open(&server->base, &protocol, host, &shared)) {
        free(server);
        return NULL;
    }
    /* No worker has a connection yet. */
    server->options.max_requests /= server->base.options.workers;
    return server;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    tp_server_close(&server->base);
    free(server);
}
