/* Problems (RFC 9457), the earlier system's words, batches and states. */
#include "answer.h"

#include <jansson.h>

#include "batch.h"
#include "server.h"
#include "status_names.h"

bool http_is_old(enum http_kind kind)
{
    return kind == HTTP_KIND_OLD_SET || kind == HTTP_KIND_OLD_GET || kind == HTTP_KIND_OLD_DELETE ||
           kind == HTTP_KIND_OLD_STATS;
}

char *http_put_methods(char *at, unsigned methods)
{
    static const char *const names[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};
    bool first = true;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if ((methods & 1u << i) == 0)
            continue;
        if (!first)
            at = HTTP_PUT_TEXT(at, ", ");
        at = http_put(at, names[i], strlen(names[i]));
        first = false;
    }
    return at;
}

static struct larder_slice message_of(const struct http_exchange *exchange)
{
    return (struct larder_slice){exchange->base.message, exchange->base.message_size};
}

static void problem(struct http_text *text, const char *slug, const char *title, int status, struct larder_slice detail)
{
    http_text_literal(text, "{\"type\":\"");
    http_text_literal(text, slug[0] == '\0' ? "about:blank" : "urn:larder:problem:");
    http_text_literal(text, slug);
    http_text_literal(text, "\",\"title\":\"");
    http_text_literal(text, title);
    http_text_literal(text, "\",\"status\":");
    http_text_number(text, (uint64_t)status);
    http_text_literal(text, ",\"detail\":");
    http_text_json(text, detail);
    http_text_literal(text, "}");
}

static struct larder_slice literal(const char *text)
{
    return (struct larder_slice){text, strlen(text)};
}

/* The earlier system's words. */
static int old_failure(const struct http_exchange *exchange, struct http_text *text)
{
    struct larder_slice message = message_of(exchange);
    if (exchange->refused != 0) {
        http_text_add(text, message.data, message.size);
        return exchange->refused;
    }
    const struct http_status_name *name = http_status_name(exchange->base.reply.status);
    if (exchange->base.reply.status == LARDER_NOT_FOUND) {
        http_text_literal(text, "key not found: ");
        http_text_add(text, exchange->base.request.key.data, exchange->base.request.key.size);
    } else if (message.size > 0) {
        http_text_add(text, message.data, message.size);
    } else {
        http_text_literal(text, name->title);
    }
    return name->http;
}

int http_answer_failure(const struct http_exchange *exchange, struct http_text *text)
{
    if (http_is_old(exchange->kind))
        return old_failure(exchange, text);
    struct larder_slice message = message_of(exchange);
    if (exchange->refused != 0) {
        const char *title = http_status_line(exchange->refused) + 4; /* after the number */
        problem(text, "", title, exchange->refused, message.size > 0 ? message : literal(title));
        return exchange->refused;
    }
    const struct http_status_name *name = http_status_name(exchange->base.reply.status);
    problem(text, name->slug, name->title, name->http, message.size > 0 ? message : literal(name->title));
    return name->http;
}

/* The whole cluster's counts, out of the group's document. */
static bool old_stats(struct http_exchange *exchange, struct http_text *text)
{
    struct larder_slice value = exchange->base.reply.value;
    json_t *document = value.size > 0 ? json_loadb(value.data, value.size, 0, NULL) : NULL;
    json_t *entries = json_object_get(document, "entries"), *bytes = json_object_get(document, "value_bytes");
    bool good = json_is_integer(entries) && json_is_integer(bytes);
    if (good) {
        http_text_literal(text, "{\"keys_count\": ");
        http_text_number(text, (uint64_t)json_integer_value(entries));
        http_text_literal(text, ", \"bytes_used\": ");
        http_text_number(text, (uint64_t)json_integer_value(bytes));
        http_text_literal(text, "}");
    }
    json_decref(document);
    return good;
}

bool http_answer_text(struct http_exchange *exchange, struct http_text *text)
{
    switch (exchange->kind) {
    case HTTP_KIND_BATCH: http_batch_answer(exchange->batch, text); break;
    case HTTP_KIND_OLD_SET:
    case HTTP_KIND_OLD_DELETE: http_text_literal(text, "OK"); break;
    case HTTP_KIND_OLD_STATS: return old_stats(exchange, text);
    case HTTP_KIND_STATE:
        if (exchange->base.reply.value.size > 0)
            http_text_add(text, exchange->base.reply.value.data, exchange->base.reply.value.size);
        else
            http_text_literal(text, "{\"status\":\"ok\"}");
        break;
    default: return false;
    }
    return !text->failed;
}
