/* The connections of a lane: one that takes calls, and those that finish theirs. */
#include <stdio.h>
#include <string.h>

#include "call_form.h"
#include "client_internal.h"

/* After a connection that was of no use: no longer than callers wait, by default, before they try again. */
#define CONNECT_PAUSE_MS 10

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

/* How many calls the connection, which is open, takes now: the peer's limit is one of calls, however few streams they share. */
static uint32_t room(const struct grpc_client_connection *connection)
{
    uint32_t most = nghttp2_session_get_remote_settings(connection->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return connection->stream_count < most && connection->call_count < most ? most - connection->call_count : 0;
}

/* Whether it takes one more, and has a number for its stream. */
static bool has_room(const struct grpc_client_connection *connection)
{
    return room(connection) > 0 && nghttp2_session_check_request_allowed(connection->session) != 0;
}

void grpc_client_lane_fill(struct grpc_client_connection *connection)
{
    struct tp_lane *lane = &connection->lane->base;
    while (lane->waiting_count > 0 && connection->state == GRPC_CLIENT_OPEN && has_room(connection))
        grpc_client_stream_open(connection, room(connection));
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
        if (connection->state == GRPC_CLIENT_OPEN && nghttp2_session_check_request_allowed(connection->session) == 0) {
            connection->state = GRPC_CLIENT_DRAINING; /* all numbers of streams are used */
            grpc_client_lane_retire(connection, "has no more streams");
            grpc_client_connection_settle(connection);
            continue;
        }
        /* More may come in this turn of the loop, with which they then share a stream. */
        if (connection->state == GRPC_CLIENT_OPEN && has_room(connection))
            grpc_client_connection_schedule(connection);
        break;
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
