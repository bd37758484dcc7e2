/* The life of an exchange: from the pool, through the node, back to its connection. */
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "connection.h"
#include "peer_form.h"

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
    exchange->worker = worker;
    exchange->connection = connection;
    return exchange;
}

bool http_exchange_charge(struct http_exchange *exchange, size_t size)
{
    struct http_server *server = exchange->worker->server;
    size_t more = size > exchange->charged ? size - exchange->charged : 0;
    /* Relaxed: a count that stands for nothing else. */
    size_t before = atomic_fetch_add_explicit(&server->body_bytes, more, memory_order_relaxed);
    /* One body alone may always arrive, or none larger than the limit ever could. */
    if (before > exchange->charged && before + more > server->options.max_body_bytes) {
        atomic_fetch_sub_explicit(&server->body_bytes, more, memory_order_relaxed);
        return false;
    }
    exchange->charged += more;
    return true;
}

void http_exchange_free(struct http_exchange *exchange)
{
    larder_reply_release(&exchange->reply);
    if (exchange->charged > 0)
        atomic_fetch_sub_explicit(&exchange->worker->server->body_bytes, exchange->charged, memory_order_relaxed);
    free(exchange->message);
    free(exchange->body);
    free(exchange->memory);
    http_batch_free(exchange->batch);
    struct http_worker *worker = exchange->worker;
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
    exchange->done = true;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&exchange->message, format, arguments);
    va_end(arguments);
    if (size < 0)
        exchange->message = NULL; /* the answer then tells its status alone */
    exchange->message_size = size < 0 ? 0 : (size_t)size;
    atomic_fetch_add_explicit(&exchange->worker->server->refused_requests, 1, memory_order_relaxed);
}

static void decode_peer(struct http_exchange *exchange, struct larder_slice body, uint64_t now)
{
    char reason[PEER_FORM_REASON];
    if (!peer_form_decode_request(body, now, &exchange->request, reason))
        http_exchange_refuse(exchange, 400, "%s", reason);
}

void http_exchange_body(struct http_exchange *exchange, char *body, size_t size, uint64_t now)
{
    exchange->body = body;
    if (exchange->refused != 0)
        return;
    bool never = exchange->timeout_ms >= (LARDER_NEVER - now) / LARDER_NS_PER_MS;
    exchange->request.deadline = never ? LARDER_NEVER : now + exchange->timeout_ms * LARDER_NS_PER_MS;
    struct larder_slice slice = {body, size};
    switch (exchange->kind) {
    case HTTP_KIND_SET:
    case HTTP_KIND_OLD_SET:
    case HTTP_KIND_GROUP_PUT: exchange->request.value = slice; break;
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
    if (exchange->done)
        return;
    if (exchange->kind == HTTP_KIND_PAGE) {
        exchange->done = true;
        return;
    }
    const struct larder_transport_host *host = exchange->worker->server->host;
    exchange->worker->outstanding++;
    exchange->submitting = true;
    if (exchange->kind == HTTP_KIND_BATCH)
        http_batch_submit(exchange);
    else
        host->submit(host, &exchange->request, http_exchange_complete, exchange);
    exchange->submitting = false;
    if (exchange->done) {
        exchange->worker->outstanding--;
        http_connection_answered(exchange->connection, exchange);
    }
}

/* On the loop's thread, after a completion that came from elsewhere or later. */
static void arrive(struct tp_task *task)
{
    struct http_exchange *exchange = (struct http_exchange *)((char *)task - offsetof(struct http_exchange, task));
    struct http_worker *worker = exchange->worker;
    struct http_connection *connection = exchange->connection;
    exchange->done = true;
    worker->outstanding--;
    if (connection == NULL) {
        http_exchange_free(exchange);
        http_worker_orphan_done(worker);
        return;
    }
    http_connection_answered(connection, exchange);
    http_worker_schedule(worker, connection);
}

static void keep_message(struct http_exchange *exchange, struct larder_slice message)
{
    if (message.size == 0)
        return;
    exchange->message = malloc(message.size);
    if (exchange->message == NULL)
        return;
    memcpy(exchange->message, message.data, message.size);
    exchange->message_size = message.size;
}

void http_exchange_complete(void *arg, struct larder_reply *reply)
{
    struct http_exchange *exchange = arg;
    exchange->reply = *reply;
    keep_message(exchange, reply->message);
    exchange->reply.message = (struct larder_slice){exchange->message, exchange->message_size};
    /* `submitting` is the loop's; only there it is looked at. */
    if (tp_loop_inside(exchange->worker->loop) && exchange->submitting) {
        exchange->done = true;
        return;
    }
    exchange->task.run = arrive;
    tp_loop_post(exchange->worker->loop, &exchange->task);
}
