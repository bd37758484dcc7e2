/* Reads replies: llhttp finds the body, peer_form reads it where it lies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_internal.h"

#define HEAD_BYTES_MAX 16384
#define HEADERS_MAX    64
#define DIRECT_MINIMUM 16384 /* a body of which so much is missing is read without a copy */

/* Gives the reason why the connection has to be closed; the first one counts. */
static int refuse(struct http_client_connection *connection, enum larder_status status, const char *reason)
{
    if (connection->failure[0] == '\0') {
        connection->refusal = status;
        snprintf(connection->failure, sizeof connection->failure, "%s", reason);
    }
    return -1;
}

static int on_head_bytes(llhttp_t *parser, const char *at, size_t size)
{
    (void)at;
    struct http_client_connection *connection = parser->data;
    connection->head_bytes += size;
    if (connection->head_bytes > HEAD_BYTES_MAX)
        return refuse(connection, LARDER_UNAVAILABLE, "answered with too long a head");
    return 0;
}

static int on_header(llhttp_t *parser)
{
    struct http_client_connection *connection = parser->data;
    if (++connection->headers > HEADERS_MAX)
        return refuse(connection, LARDER_UNAVAILABLE, "answered with too many headers");
    return 0;
}

static int on_begin(llhttp_t *parser)
{
    struct http_client_connection *connection = parser->data;
    connection->head_bytes = connection->headers = 0;
    connection->body_size = connection->body_filled = 0;
    if (TAILQ_EMPTY(&connection->pipeline))
        return refuse(connection, LARDER_UNAVAILABLE, "answered what was not asked");
    return 0;
}

static int on_head(llhttp_t *parser)
{
    struct http_client_connection *connection = parser->data;
    if (parser->status_code != 200) {
        char reason[64];
        snprintf(reason, sizeof reason, "answered with HTTP status %u", parser->status_code);
        /* 413: the body was larger than the peer takes, and trying again would not help. 503: its door has no room. */
        return refuse(connection,
                      parser->status_code == 413   ? LARDER_TOO_LARGE
                      : parser->status_code == 503 ? LARDER_BUSY
                                                   : LARDER_UNAVAILABLE,
                      reason);
    }
    if ((parser->flags & F_CONTENT_LENGTH) == 0 || (parser->flags & F_TRANSFER_ENCODING) != 0)
        return refuse(connection, LARDER_UNAVAILABLE, "answered without a Content-Length");
    uint64_t most = connection->lane->base.peer->client->options.max_value;
    if (__builtin_add_overflow(most, PEER_FORM_REPLY_HEAD + PEER_FORM_CLUSTER_MAX, &most) || most > SIZE_MAX)
        most = SIZE_MAX;
    if (parser->content_length > most) {
        char reason[96];
        snprintf(reason, sizeof reason, "answered with %llu bytes, more than the %llu that are taken",
                 (unsigned long long)parser->content_length, (unsigned long long)most);
        return refuse(connection, LARDER_UNAVAILABLE, reason);
    }
    connection->body_size = (size_t)parser->content_length;
    if (http_client_connection_first(connection)->base.answered)
        return 0; /* nobody wants it */
    connection->body = malloc(connection->body_size > 0 ? connection->body_size : 1);
    return connection->body != NULL ? 0 : refuse(connection, LARDER_UNAVAILABLE, "out of memory for its answer");
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct http_client_connection *connection = parser->data;
    /* The parser never hands over more than the Content-Length. What was read directly lies in its place. */
    if (connection->body != NULL && (const unsigned char *)at != connection->body + connection->body_filled)
        memcpy(connection->body + connection->body_filled, at, size);
    connection->body_filled += size;
    return 0;
}

/* Hands the body on: with the reply when it carries a value, else it is freed after the completion. */
static int answer(struct http_client_connection *connection, struct tp_call *call)
{
    char reason[PEER_FORM_REASON];
    unsigned char *body = connection->body;
    if (!peer_form_decode_reply((struct larder_slice){body, connection->body_size}, &call->reply, reason))
        return refuse(connection, LARDER_UNAVAILABLE, reason);
    connection->body = NULL;
    struct larder_reply *reply = &call->reply;
    if (reply->value.size == 0) {
        reply->value.data = NULL;
        call->body = body;
    } else {
        reply->release = free;
        reply->pin = body;
        /* Whoever takes the reply may release the body before the message is looked at. */
        if (reply->message.size > 0)
            call->body = malloc(reply->message.size);
        if (call->body != NULL)
            reply->message.data = memcpy(call->body, reply->message.data, reply->message.size);
        else
            reply->message = (struct larder_slice){0};
    }
    tp_call_finish(call);
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct http_client_connection *connection = parser->data;
    struct http_client_lane *lane = connection->lane;
    struct http_client_call *call = http_client_connection_first(connection);
    bool early = !http_client_connection_has_written(connection, call);
    if (!call->base.answered && answer(connection, &call->base) != 0)
        return -1;
    evtimer_del(&connection->overdue);
    TAILQ_REMOVE(&connection->pipeline, &call->base, place);
    connection->depth--;
    tp_call_release(&call->base);
    free(connection->body);
    connection->body = NULL;
    /* An answer to half a request: the rest of the request may not be looked at any more. */
    if (early || !llhttp_should_keep_alive(parser))
        return refuse(connection, LARDER_UNAVAILABLE, "closed the connection");
    const struct http_client_call *next = http_client_connection_first(connection);
    if (next == NULL) {
        connection->idle_since = http_client_now(lane);
        http_client_lane_list(connection, &lane->idle);
    } else if (next->base.answered) {
        http_client_connection_expect(connection);
    }
    return 0;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_begin,
    .on_status = on_head_bytes,
    .on_header_field = on_head_bytes,
    .on_header_value = on_head_bytes,
    .on_header_value_complete = on_header,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void http_client_reply_init(struct http_client_connection *connection)
{
    llhttp_init(&connection->parser, HTTP_RESPONSE, &settings);
    connection->parser.data = connection;
}

bool http_client_reply_take(struct http_client_connection *connection, const void *data, size_t size)
{
    if (llhttp_execute(&connection->parser, data, size) == HPE_OK)
        return true;
    char reason[TP_REASON];
    snprintf(reason, sizeof reason, "answered with what is not HTTP: %.200s",
             llhttp_get_error_reason(&connection->parser));
    refuse(connection, LARDER_UNAVAILABLE, reason);
    return false;
}

size_t http_client_reply_room(const struct http_client_connection *connection, unsigned char **room)
{
    if (connection->body == NULL || connection->body_size - connection->body_filled < DIRECT_MINIMUM)
        return 0;
    *room = connection->body + connection->body_filled;
    return connection->body_size - connection->body_filled;
}
