/* Bytes to exchanges: heads, bodies, and the rules of who may go on when. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunks.h"
#include "connection.h"

/* With so much waiting to be written, or to be written later, no further request is begun. */
#define OUTPUT_HIGH ((size_t)1 << 20)
/* A body's memory grows from here with what really arrives, whatever was announced. */
#define BODY_FIRST ((size_t)65536)

/* What is answered makes the connection settle anew: so one that has nothing under way may always begin something. */
static bool worker_has_room(const struct http_connection *connection)
{
    struct tp_worker *worker = connection->base.worker;
    return connection->queued == 0 || http_worker_of(worker)->exchanges < http_options_of(worker)->max_requests;
}

/* A get that is gathered has not said yet how large its value is. When other bytes wait to be written, its own come first. */
static bool gathers_enough(const struct http_connection *connection)
{
    return connection->last != NULL && connection->last->gathered &&
           connection->held + connection->base.output.pending > 0;
}

bool http_connection_open_for_more(const struct http_connection *connection)
{
    return connection->phase < HTTP_PHASE_TURN &&
           connection->queued < http_options_of(connection->base.worker)->max_pipeline && worker_has_room(connection) &&
           connection->base.output.pending < OUTPUT_HIGH && connection->held < OUTPUT_HIGH &&
           !(connection->last != NULL && connection->last->alone) && !gathers_enough(connection);
}

static void enqueue(struct http_connection *connection, struct http_exchange *exchange)
{
    if (connection->last == NULL)
        connection->first = exchange;
    else
        connection->last->next = exchange;
    connection->last = exchange;
    connection->queued++;
    if (!exchange->keep_alive)
        connection->phase = HTTP_PHASE_END;
    http_exchange_submit(exchange);
}

void http_connection_turn(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->current;
    bool alone = exchange->alone || (connection->last != NULL && connection->last->alone);
    if (alone && connection->first != NULL)
        return;
    connection->current = NULL;
    connection->phase = HTTP_PHASE_HEAD;
    enqueue(connection, exchange);
}

/* The request is complete. Those that change something wait until all before them are answered (RFC 9112, 9.3.2). */
static void complete(struct http_connection *connection, char *body, size_t size)
{
    http_exchange_body(connection->current, body, size, connection->base.worker->now);
    connection->phase = HTTP_PHASE_TURN;
    http_connection_turn(connection);
}

static void drop_chunks(struct http_connection *connection)
{
    if (connection->chunks == NULL)
        return;
    http_chunks_close(connection->chunks);
    free(connection->chunks);
    connection->chunks = NULL;
}

void http_connection_refuse(struct http_connection *connection, int status, const char *detail)
{
    struct http_exchange *exchange = connection->current;
    if (exchange == NULL)
        exchange = http_exchange_new(http_worker_of(connection->base.worker), connection);
    if (exchange == NULL) {
        connection->reset = true;
        return;
    }
    http_exchange_refuse(exchange, status, "%s", detail);
    exchange->keep_alive = false;
    drop_chunks(connection);
    connection->continue_due = false;
    connection->current = NULL;
    enqueue(connection, exchange);
}

static void refuse_scan(struct http_connection *connection, enum http_scan_result result)
{
    switch (result) {
    case HTTP_SCAN_LONG_LINE: http_connection_refuse(connection, 414, "the request line is too long"); break;
    case HTTP_SCAN_LARGE: http_connection_refuse(connection, 431, "the header fields are too large"); break;
    case HTTP_SCAN_MANY: http_connection_refuse(connection, 431, "too many header fields"); break;
    default: http_connection_refuse(connection, 400, "malformed request"); break;
    }
}

/* The body has more bytes than the route takes. */
static void refuse_size(struct http_connection *connection)
{
    if (connection->current->no_group) {
        http_connection_refuse(connection, 404, "no such group");
        return;
    }
    char detail[64];
    snprintf(detail, sizeof detail, "body: got more than the %zu bytes that are taken here",
             connection->current->body_limit);
    http_connection_refuse(connection, 413, detail);
}

static void refuse_memory(struct http_connection *connection)
{
    http_connection_refuse(connection, 503, "no memory for the body");
}

/* A refusal known from the head waits for the body, so that the connection can go on, unless the body is not worth it. */
static void begin_body(struct http_connection *connection, const struct http_head *head)
{
    struct http_exchange *exchange = connection->current;
    if (head->length > exchange->body_limit) {
        refuse_size(connection);
        return;
    }
    if (exchange->refused != 0 && head->expect_continue) {
        http_connection_refuse(connection, exchange->refused, "");
        return;
    }
    connection->continue_due = head->expect_continue;
    connection->began = connection->base.worker->now;
    if (!head->chunked) {
        connection->phase = HTTP_PHASE_LENGTH;
        connection->body_size = (size_t)head->length;
        connection->body_got = connection->body_capacity = 0;
        return;
    }
    connection->chunks = malloc(sizeof *connection->chunks);
    if (connection->chunks == NULL) {
        refuse_memory(connection);
        return;
    }
    connection->phase = HTTP_PHASE_CHUNKS;
    http_chunks_open(connection->chunks, exchange->body_limit);
}

static void begin_request(struct http_connection *connection, const struct http_head *head)
{
    connection->blank_skipped = false;
    connection->current = http_exchange_new(http_worker_of(connection->base.worker), connection);
    if (connection->current == NULL) {
        connection->reset = true;
        return;
    }
    http_exchange_route(connection->current, head);
    if (head->length == 0 && !head->chunked)
        complete(connection, NULL, 0);
    else
        begin_body(connection, head);
}

static void parse_request(struct http_connection *connection, const char *data, size_t size)
{
    struct http_head head;
    struct http_refusal refusal = http_head_parse(data, size, &head);
    if (refusal.status != 0) {
        http_connection_refuse(connection, refusal.status, refusal.detail);
        return;
    }
    http_repeat_note(&connection->repeat, data, size, &head);
    begin_request(connection, &head);
}

static size_t consume_head(struct http_connection *connection, const char *data, size_t size)
{
    const struct http_limits *limits = &http_options_of(connection->base.worker)->limits;
    if (connection->scan.at == 0) {
        /* One empty line before a request is forgiven (RFC 9112, 2.2). */
        if (size >= 2 && data[0] == '\r' && data[1] == '\n' && !connection->blank_skipped) {
            connection->blank_skipped = true;
            return 2;
        }
        if (size == 1 && data[0] == '\r')
            return 0;
        connection->began = connection->base.worker->now;
        struct http_head head;
        size_t used = http_repeat_match(&connection->repeat, limits, data, size, &head);
        if (used > 0) {
            begin_request(connection, &head);
            return used;
        }
    }
    enum http_scan_result result = http_scan_head(&connection->scan, limits, data, size);
    if (result == HTTP_SCAN_MORE)
        return 0;
    size_t used = connection->scan.at;
    connection->scan = (struct http_scan){0};
    if (result == HTTP_SCAN_DONE)
        parse_request(connection, data, used);
    else
        refuse_scan(connection, result);
    return used;
}

char *http_connection_body_room(struct http_connection *connection, size_t *room)
{
    struct http_exchange *exchange = connection->current;
    if (connection->body_got == connection->body_capacity) {
        size_t capacity = connection->body_capacity == 0 ? BODY_FIRST : connection->body_capacity * 2;
        if (capacity > connection->body_size)
            capacity = connection->body_size;
        char *body = tp_submission_charge(&exchange->base, capacity) ? realloc(exchange->body, capacity) : NULL;
        if (body == NULL) {
            refuse_memory(connection);
            return NULL;
        }
        exchange->body = body;
        connection->body_capacity = capacity;
    }
    *room = connection->body_capacity - connection->body_got;
    return exchange->body + connection->body_got;
}

void http_connection_body_took(struct http_connection *connection, size_t got)
{
    connection->body_got += got;
    connection->continue_due = connection->continue_due && got == 0;
    if (connection->body_got == connection->body_size)
        complete(connection, connection->current->body, connection->body_size);
}

static size_t consume_length(struct http_connection *connection, const char *data, size_t size)
{
    size_t room;
    char *at = http_connection_body_room(connection, &room);
    if (at == NULL)
        return size;
    size_t take = size < room ? size : room;
    memcpy(at, data, take);
    http_connection_body_took(connection, take);
    return take;
}

static size_t consume_chunks(struct http_connection *connection, const char *data, size_t size)
{
    struct http_chunks *chunks = connection->chunks;
    size_t used = 0;
    connection->continue_due = false;
    enum http_chunks_result result = http_chunks_feed(chunks, &http_options_of(connection->base.worker)->limits, data,
                                                      size, &used);
    if (!tp_submission_charge(&connection->current->base, chunks->body.capacity))
        result = HTTP_CHUNKS_NO_MEMORY;
    switch (result) {
    case HTTP_CHUNKS_MORE: return used;
    case HTTP_CHUNKS_BAD: http_connection_refuse(connection, 400, "malformed chunks"); return size;
    case HTTP_CHUNKS_NO_MEMORY: refuse_memory(connection); return size;
    case HTTP_CHUNKS_TOO_LARGE: refuse_size(connection); return size;
    case HTTP_CHUNKS_DONE: break;
    }
    struct http_text body = chunks->body;
    chunks->body = (struct http_text){0};
    drop_chunks(connection);
    complete(connection, body.data, body.size);
    return used;
}

size_t http_connection_consume(struct http_connection *connection, const char *data, size_t size)
{
    size_t used = 0;
    while (used < size && !connection->reset && http_connection_open_for_more(connection)) {
        size_t took = 0;
        switch (connection->phase) {
        case HTTP_PHASE_HEAD: took = consume_head(connection, data + used, size - used); break;
        case HTTP_PHASE_LENGTH: took = consume_length(connection, data + used, size - used); break;
        case HTTP_PHASE_CHUNKS: took = consume_chunks(connection, data + used, size - used); break;
        case HTTP_PHASE_TURN:
        case HTTP_PHASE_END: break;
        }
        if (took == 0)
            break; /* incomplete */
        used += took;
    }
    return used;
}
