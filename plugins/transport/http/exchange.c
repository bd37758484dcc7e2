/* The life of an exchange: from the pool, through the node, back to its connection. */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "connection.h"
#include "peer_form.h"
#include "window.h"

#define POOL_MAX 256

struct http_exchange *http_exchange_new(struct http_worker *worker, struct http_connection *connection)
{
    struct http_exchange *exchange = worker->pool;
    if (exchange != NULL) {
        worker->pool = exchange->next;
        worker->pooled--;
    } else {
        exchange = malloc(sizeof *exchange);
        if (exchange == NULL)
            return NULL;
    }
    memset(exchange, 0, offsetof(struct http_exchange, small));
    worker->exchanges++;
    exchange->base.worker = &worker->base;
    exchange->connection = connection;
    return exchange;
}

void http_exchange_free(struct http_exchange *exchange)
{
    tp_submission_free(&exchange->base);
    free(exchange->body);
    free(exchange->memory);
    http_batch_free(exchange->batch);
    struct http_worker *worker = http_worker_of(exchange->base.worker);
    worker->exchanges--;
    if (worker->pooled == POOL_MAX) {
        free(exchange);
        return;
    }
    exchange->next = worker->pool;
    worker->pool = exchange;
    worker->pooled++;
}

void http_exchange_pool_free(struct http_worker *worker)
{
    while (worker->pool != NULL) {
        struct http_exchange *next = worker->pool->next;
        free(worker->pool);
        worker->pool = next;
    }
    worker->pooled = 0;
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *format, ...)
{
    if (exchange->refused != 0)
        return;
    exchange->refused = status;
    va_list arguments;
    va_start(arguments, format);
    tp_submission_refuse(&exchange->base, format, arguments);
    va_end(arguments);
}

/*
 * What is not understood is answered in the peer's form, not in HTTP's: the request may be a newer node's, and whoever
 * answers it is no peer that fails.
 */
static void decode_peer(struct http_exchange *exchange, struct larder_slice body, uint64_t now)
{
    char reason[PEER_FORM_REASON];
    if (peer_form_decode_request(body, now, &exchange->base.request, reason))
        return;
    http_exchange_refuse(exchange, 400, "%s", reason);
    exchange->base.reply = (struct larder_reply){.status = LARDER_INVALID,
                                                 .message = {exchange->base.message, exchange->base.message_size}};
}

void http_exchange_body(struct http_exchange *exchange, char *body, size_t size, uint64_t now)
{
    exchange->body = body;
    if (exchange->refused != 0)
        return;
    bool never = exchange->timeout_ms >= (LARDER_NEVER - now) / LARDER_NS_PER_MS;
    exchange->base.request.deadline = never ? LARDER_NEVER : now + exchange->timeout_ms * LARDER_NS_PER_MS;
    struct larder_slice slice = {body, size};
    switch (exchange->kind) {
    case HTTP_KIND_SET:
    case HTTP_KIND_OLD_SET:
    case HTTP_KIND_GROUP_PUT: exchange->base.request.value = slice; break;
    case HTTP_KIND_PEER: decode_peer(exchange, slice, now); break;
    case HTTP_KIND_BATCH:
        http_batch_parse(exchange, slice);
        free(exchange->body); /* the batch holds what it needs */
        exchange->body = NULL;
        break;
    default: break; /* a body that means nothing is read and dropped */
    }
}

void http_exchange_submit(struct http_exchange *exchange)
{
    if (exchange->base.done)
        return;
    if (exchange->kind == HTTP_KIND_PAGE) {
        exchange->base.done = true;
        return;
    }
    if (exchange->base.request.operation == LARDER_OP_GET && exchange->kind != HTTP_KIND_BATCH) {
        http_window_add(exchange);
        return;
    }
    bool answered = exchange->kind == HTTP_KIND_BATCH ? http_batch_submit(exchange) : tp_submit(&exchange->base);
    if (answered)
        http_connection_answered(exchange->connection, exchange);
}

void http_exchange_answered(struct tp_submission *submission)
{
    struct http_exchange *exchange = (struct http_exchange *)submission;
    struct http_connection *connection = exchange->connection;
    if (connection == NULL) {
        http_exchange_free(exchange);
        return;
    }
    http_connection_answered(connection, exchange);
    tp_worker_schedule(connection->base.worker, &connection->base);
}
