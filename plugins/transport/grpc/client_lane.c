/* The connections of a lane: one that takes calls, and those that finish theirs. */
#include <stdio.h>
#include <string.h>

#include "call_form.h"
#include "client_internal.h"

#define CONNECT_PAUSE_MS 100 /* after a connection that was of no use */

void grpc_client_lane_retire(struct grpc_client_connection *connection, const char *reason)
{
    struct grpc_client_lane *lane = connection->lane;
    if (lane->current != connection)
        return;
    lane->current = NULL;
    if (connection->served || lane->base.closed)
        return;
    /* Another one at once might be of no use either, and so on without end. */
    lane->connect_after = larder_deadline_in(lane->base.peer->client->runtime, CONNECT_PAUSE_MS);
    lane->refusal = connection->refusal;
    snprintf(lane->reason, sizeof lane->reason, "%s", reason);
}

/* A connection for the calls that wait. NULL: none can be made now, and `reason` tells why. */
static struct grpc_client_connection *begin(struct grpc_client_lane *lane)
{
    if (larder_now(lane->base.peer->client->runtime) < lane->connect_after)
        return NULL;
    lane->current = grpc_client_connection_new(lane);
    if (lane->current == NULL) {
        lane->refusal = LARDER_UNAVAILABLE;
        snprintf(lane->reason, sizeof lane->reason, "out of memory");
    }
    return lane->current;
}

/* Whether the connection, which is open, takes one more call now. */
static bool has_room(const struct grpc_client_connection *connection)
{
    return connection->streams <
           nghttp2_session_get_remote_settings(connection->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void grpc_client_lane_dispatch(struct tp_lane *base)
{
    struct grpc_client_lane *lane = (struct grpc_client_lane *)base;
    while (base->waiting_count > 0) {
        struct grpc_client_connection *connection = lane->current != NULL ? lane->current : begin(lane);
        if (connection == NULL) {
            tp_lane_fail_waiting(base, base->calls, lane->refusal, lane->reason);
            break;
        }
        if (connection->state != GRPC_CLIENT_OPEN || !has_room(connection))
            break;
        if (nghttp2_session_check_request_allowed(connection->session) == 0) { /* all numbers of streams are used */
            connection->state = GRPC_CLIENT_DRAINING;
            grpc_client_lane_retire(connection, "has no more streams");
            grpc_client_connection_settle(connection);
            continue;
        }
        grpc_client_stream_open(connection, (struct grpc_client_call *)tp_lane_next(base));
    }
}

void grpc_client_lane_close(struct tp_lane *base)
{
    struct grpc_client_lane *lane = (struct grpc_client_lane *)base;
    struct grpc_client_connection *connection;
    while ((connection = TAILQ_FIRST(&lane->connections)) != NULL)
        grpc_client_connection_close(connection, "closing");
}

static nghttp2_nv header(const char *name, const char *value)
{
    /* Neither is copied, nor written to. */
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

void grpc_client_lane_open(struct tp_lane *base)
{
    struct grpc_client_lane *lane = (struct grpc_client_lane *)base;
    const nghttp2_nv headers[GRPC_CLIENT_HEADERS] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", CALL_FORM_PATH),
        header(":authority", base->peer->address.text),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    };
    memcpy(lane->headers, headers, sizeof headers);
    TAILQ_INIT(&lane->connections);
}
