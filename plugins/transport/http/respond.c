/* Response heads are put together by hand in a buffer on the stack: this is the way of every get. */
#include "respond.h"

#include <stdlib.h>

#include "answer.h"
#include "peer_form.h"
#include "server.h"
#include "status_names.h"
#include "status_page.h"
#include "text.h"

/* Status line and fields, all of bounded length. */
#define HEAD_MAX 768

struct response {
    struct http_exchange *exchange;
    struct tp_output *output;
    const char *date;
    bool last;
    char *at; /* in `head` */
    char head[HEAD_MAX];
};

static void put(struct response *response, const char *text)
{
    response->at = http_put(response->at, text, strlen(text));
}

static void put_number(struct response *response, uint64_t number)
{
    response->at = http_put_number(response->at, number);
}

static void begin(struct response *response, int status)
{
    response->at = response->head;
    response->at = HTTP_PUT_TEXT(response->at, "HTTP/1.1 ");
    put(response, http_status_line(status));
    response->at = HTTP_PUT_TEXT(response->at, "\r\nDate: ");
    response->at = http_put(response->at, response->date, 29);
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
    if (response->last)
        response->at = HTTP_PUT_TEXT(response->at, "Connection: close\r\n");
    else if (response->exchange->old_client)
        response->at = HTTP_PUT_TEXT(response->at, "Connection: keep-alive\r\n");
}

static void put_type(struct response *response, const char *type)
{
    response->at = HTTP_PUT_TEXT(response->at, "Content-Type: ");
    put(response, type);
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
}

static void put_length(struct response *response, uint64_t size)
{
    response->at = HTTP_PUT_TEXT(response->at, "Content-Length: ");
    put_number(response, size);
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
}

static void put_version(struct response *response, struct larder_version version)
{
    if (version.epoch == 0 && version.clock == 0)
        return;
    response->at = HTTP_PUT_TEXT(response->at, "ETag: ");
    response->at = http_put_etag(response->at, version);
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
}

/* An entry that never expires by itself may still be written at any time: nothing is promised about it. */
static void put_age(struct response *response, int64_t ttl_ms)
{
    if (ttl_ms < 0)
        return;
    response->at = HTTP_PUT_TEXT(response->at, "Cache-Control: max-age=");
    put_number(response, (uint64_t)ttl_ms / 1000);
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
}

static bool end(struct response *response)
{
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
    return tp_output_copy(response->output, response->head, (size_t)(response->at - response->head));
}

/* The reply's value becomes the output's, with its pin. */
static bool end_with_value(struct response *response)
{
    struct larder_reply *reply = &response->exchange->base.reply;
    if (!end(response))
        return false;
    if (response->exchange->head_only)
        return true;
    if (!tp_output_pin(response->output, reply->value, reply->release, reply->pin))
        return false;
    reply->release = NULL;
    return true;
}

static bool respond_text(struct response *response, int status, const char *type, const struct http_text *text)
{
    if (text->failed)
        return false;
    begin(response, status);
    put_type(response, type);
    put_length(response, text->size);
    if (status == 503)
        put(response, "Retry-After: 1\r\n");
    if (status == 405) {
        put(response, "Allow: ");
        response->at = http_put_methods(response->at, response->exchange->allow);
        put(response, "\r\n");
    }
    return end(response) && (response->exchange->head_only || tp_output_copy(response->output, text->data, text->size));
}

/* A failure, in the form of its route. */
static bool respond_failure(struct response *response)
{
    struct http_text text = {0};
    int status = http_answer_failure(response->exchange, &text);
    const char *type = http_is_old(response->exchange->kind) ? HTTP_TYPE_PLAIN : HTTP_TYPE_PROBLEM;
    bool good = respond_text(response, status, type, &text);
    http_text_free(&text);
    return good;
}

static bool respond_empty(struct response *response, int status)
{
    begin(response, status);
    put_version(response, response->exchange->base.reply.version);
    if (status != 204 && status != 304)
        put_length(response, 0);
    return end(response);
}

static bool respond_get(struct response *response)
{
    struct http_exchange *exchange = response->exchange;
    struct larder_reply *reply = &exchange->base.reply;
    const struct http_tags *match = &exchange->match, *none = &exchange->none_match;
    if (match->count > 0 && !http_tags_match(match, reply->version, false)) {
        reply->status = LARDER_PRECONDITION;
        return respond_failure(response);
    }
    bool same = none->any || (none->count > 0 && http_tags_match(none, reply->version, true));
    begin(response, same ? 304 : 200);
    if (!same) {
        put_type(response, HTTP_TYPE_BYTES);
        put_length(response, reply->value.size);
    }
    put_version(response, reply->version);
    put_age(response, reply->ttl_ms);
    response->at = HTTP_PUT_TEXT(response->at, "Larder-Source: ");
    put(response, larder_source_name(reply->source));
    response->at = HTTP_PUT_TEXT(response->at, "\r\n");
    if (reply->ttl_ms == 0)
        response->at = HTTP_PUT_TEXT(response->at, "Larder-Stale: 1\r\n");
    return same ? end(response) : end_with_value(response);
}

/* The reply's value as it is. */
static bool respond_value(struct response *response, int status, const char *type)
{
    begin(response, status);
    put_type(response, type);
    put_length(response, response->exchange->base.reply.value.size);
    return end_with_value(response);
}

static bool respond_page(struct response *response)
{
    begin(response, 200);
    put_type(response, "text/html; charset=utf-8");
    put_length(response, http_status_page_size);
    put(response, "Cache-Control: no-cache\r\n"
                  "X-Content-Type-Options: nosniff\r\n"
                  "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                  "connect-src 'self'\r\n");
    struct larder_slice page = {http_status_page, http_status_page_size};
    return end(response) && (response->exchange->head_only || tp_output_pin(response->output, page, NULL, NULL));
}

static bool respond_peer(struct response *response)
{
    struct larder_reply *reply = &response->exchange->base.reply;
    unsigned char form[PEER_FORM_REPLY_HEAD];
    struct larder_slice cluster;
    size_t size = peer_form_encode_reply(reply, form, &cluster);
    begin(response, 200);
    put_type(response, PEER_FORM_TYPE);
    put_length(response, size + cluster.size + reply->value.size);
    if (!end(response) || !tp_output_copy(response->output, form, size) ||
        (cluster.size > 0 && !tp_output_copy(response->output, cluster.data, cluster.size)))
        return false;
    if (!tp_output_pin(response->output, reply->value, reply->release, reply->pin))
        return false;
    reply->release = NULL;
    return true;
}

static bool respond_made(struct response *response)
{
    struct http_exchange *exchange = response->exchange;
    bool plain = http_is_old(exchange->kind) && exchange->kind != HTTP_KIND_OLD_STATS;
    struct http_text text = {0};
    bool good = http_answer_text(exchange, &text);
    if (good) {
        good = respond_text(response, 200, plain ? HTTP_TYPE_PLAIN : HTTP_TYPE_JSON, &text);
    } else if (!text.failed) { /* the node's document is not what was wanted */
        exchange->base.reply.status = LARDER_IO;
        good = respond_failure(response);
    }
    http_text_free(&text);
    return good;
}

bool http_respond(struct http_exchange *exchange, const char *date, bool last, struct tp_output *output)
{
    struct response response = {.exchange = exchange, .output = output, .date = date, .last = last};
    const struct larder_reply *reply = &exchange->base.reply;
    if (exchange->kind == HTTP_KIND_PEER && (exchange->refused == 0 || reply->status == LARDER_INVALID))
        return respond_peer(&response);
    if (exchange->refused != 0 || reply->status != LARDER_OK)
        return respond_failure(&response);
    bool created = (reply->flags & LARDER_REPLY_CREATED) != 0;
    switch (exchange->kind) {
    case HTTP_KIND_GET: return respond_get(&response);
    case HTTP_KIND_SET: return respond_empty(&response, created ? 201 : 204);
    case HTTP_KIND_TOUCH:
    case HTTP_KIND_DELETE:
    case HTTP_KIND_DONE: return respond_empty(&response, 204);
    case HTTP_KIND_GROUP_PUT:
        if (reply->value.size == 0)
            return respond_empty(&response, created ? 201 : 204);
        return respond_value(&response, created ? 201 : 200, HTTP_TYPE_JSON);
    case HTTP_KIND_DOCUMENT: return respond_value(&response, 200, HTTP_TYPE_JSON);
    case HTTP_KIND_METRICS: return respond_value(&response, 200, HTTP_TYPE_METRICS);
    case HTTP_KIND_OLD_GET: return respond_value(&response, 200, HTTP_TYPE_PLAIN);
    case HTTP_KIND_PAGE: return respond_page(&response);
    default: return respond_made(&response);
    }
}
