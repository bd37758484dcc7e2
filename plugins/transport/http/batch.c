/* The document is read with jansson; each key becomes a request of its own, and the last answer completes the exchange. */
#include "batch.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "status_names.h"
#include "worker.h"

/* Brackets, colons and commas of a batch: an entry has at most three members. */
#define STRUCTURE_MAX (16 * HTTP_BATCH_MAX)

struct item {
    struct http_batch *batch;
    struct larder_request request;
    struct larder_reply reply;
    bool key_coded; /* told as key_base64 */
};

struct http_batch {
    struct http_exchange *exchange;
    json_t *document; /* keys and values lie in it */
    bool sets;
    size_t count;
    atomic_size_t left; /* to be answered, and one while they are being submitted */
    struct item items[];
};

void http_batch_free(struct http_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        larder_reply_release(&batch->items[i].reply);
    json_decref(batch->document);
    free(batch);
}

/* Decodes base64 where it lies: the string is the batch's own, and shrinks. */
static bool decode_string(json_t *string, struct larder_slice *bytes)
{
    size_t size;
    /* jansson hands its own memory out as const; nobody else holds this document. */
    char *data = (char *)(uintptr_t)json_string_value(string);
    if (data == NULL || !http_base64_decode(data, json_string_length(string), &size))
        return false;
    *bytes = (struct larder_slice){data, size};
    return true;
}

static bool plain_string(json_t *string, struct larder_slice *bytes)
{
    if (!json_is_string(string))
        return false;
    *bytes = (struct larder_slice){json_string_value(string), json_string_length(string)};
    return true;
}

/* "key": text, or "key_base64": any bytes. */
static bool read_key(struct item *item, json_t *object)
{
    json_t *plain = json_object_get(object, "key"), *coded = json_object_get(object, "key_base64");
    if ((plain == NULL) == (coded == NULL))
        return false;
    item->key_coded = coded != NULL;
    struct larder_slice *key = &item->request.key;
    bool good = coded != NULL ? decode_string(coded, key) : plain_string(plain, key);
    return good && key->size >= 1 && key->size <= LARDER_KEY_MAX;
}

static const char *read_get(struct item *item, json_t *entry)
{
    item->request.operation = LARDER_OP_GET;
    if (!json_is_string(entry))
        return json_is_object(entry) && json_object_size(entry) == 1 && read_key(item, entry)
                   ? NULL
                   : "wanted a text, or {\"key_base64\": ...}, of 1 to 65535 bytes";
    plain_string(entry, &item->request.key);
    bool good = item->request.key.size >= 1 && item->request.key.size <= LARDER_KEY_MAX;
    return good ? NULL : "wanted a key of 1 to 65535 bytes";
}

static const char *read_set(struct item *item, json_t *entry, size_t max_value)
{
    json_t *value = json_object_get(entry, "value"), *ttl = json_object_get(entry, "ttl");
    struct larder_slice time;
    item->request.operation = LARDER_OP_SET;
    if (!read_key(item, entry))
        return "wanted \"key\" or \"key_base64\" of 1 to 65535 bytes";
    if (value == NULL || !decode_string(value, &item->request.value))
        return "wanted \"value\" in base64";
    if (item->request.value.size > max_value)
        return "the value is larger than the group takes";
    if (ttl != NULL && !(plain_string(ttl, &time) && http_parse_ttl(time, &item->request.ttl_ms)))
        return "wanted \"ttl\" like \"250ms\", \"30s\", \"5m\" or \"1h\", or \"none\"";
    if (json_object_size(entry) != (ttl != NULL ? 3u : 2u))
        return "wanted \"key\" or \"key_base64\", \"value\" and \"ttl\" only";
    return NULL;
}

static void read_items(struct http_exchange *exchange, struct http_batch *batch, json_t *list)
{
    for (size_t i = 0; i < batch->count && exchange->refused == 0; i++) {
        struct item *item = &batch->items[i];
        json_t *entry = json_array_get(list, i);
        item->batch = batch;
        item->request = exchange->request; /* group and deadline */
        const char *wrong = batch->sets ? read_set(item, entry, exchange->value_limit) : read_get(item, entry);
        if (wrong != NULL)
            http_exchange_refuse(exchange, 400, "%s[%zu]: %s", batch->sets ? "set" : "get", i, wrong);
    }
}

static void build(struct http_exchange *exchange, json_t *document)
{
    json_t *get = json_object_get(document, "get"), *set = json_object_get(document, "set"),
           *list = get != NULL ? get : set;
    if (json_object_size(document) != 1 || !json_is_array(list)) {
        http_exchange_refuse(exchange, 400, "wanted {\"get\": [...]} or {\"set\": [...]}");
        return;
    }
    size_t count = json_array_size(list);
    if (count > HTTP_BATCH_MAX) {
        http_exchange_refuse(exchange, 413, "the batch has %zu keys, wanted at most %d", count, HTTP_BATCH_MAX);
        return;
    }
    struct http_batch *batch = calloc(1, sizeof *batch + count * sizeof batch->items[0]);
    if (batch == NULL) {
        http_exchange_refuse(exchange, 503, "out of memory");
        return;
    }
    exchange->batch = batch;
    batch->exchange = exchange;
    batch->document = json_incref(document);
    batch->sets = set != NULL;
    batch->count = count;
    read_items(exchange, batch, list);
}

/*
 * Whether the text has no more brackets, colons and commas than a batch needs: each of them could become an object in
 * memory, many times as large. Whatever stands between quotes is skipped; what is no JSON is left to the parser.
 */
static bool is_plain(const char *at, size_t size)
{
    size_t left = STRUCTURE_MAX;
    bool quoted = false;
    for (const char *end = at + size; at < end; at++) {
        if (quoted && *at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && strchr("[{,:", *at) != NULL && *at != '\0' && left-- == 0)
            return false;
    }
    return true;
}

void http_batch_parse(struct http_exchange *exchange, struct larder_slice text)
{
    json_error_t error;
    if (!is_plain(text.data, text.size)) {
        http_exchange_refuse(exchange, 413, "the batch has more parts than %d keys need", HTTP_BATCH_MAX);
        return;
    }
    json_t *document = json_loadb(text.size > 0 ? text.data : "", text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                                  &error);
    if (document == NULL) {
        http_exchange_refuse(exchange, 400, "%d:%d: %s", error.line, error.column, error.text);
        return;
    }
    build(exchange, document);
    json_decref(document);
}

/* Called once for each item, and once when all are submitted; on any thread. */
static void one_less(struct http_batch *batch)
{
    /* Release hands over what this item's completion wrote, acquire receives what the others' did. */
    if (atomic_fetch_sub_explicit(&batch->left, 1, memory_order_acq_rel) != 1)
        return;
    struct larder_reply all = {.status = LARDER_OK};
    http_exchange_complete(batch->exchange, &all);
}

static void item_done(void *arg, struct larder_reply *reply)
{
    struct item *item = arg;
    item->reply = *reply;
    item->reply.message = (struct larder_slice){0}; /* the status says enough */
    one_less(item->batch);
}

void http_batch_submit(struct http_exchange *exchange)
{
    struct http_batch *batch = exchange->batch;
    const struct larder_transport_host *host = exchange->worker->server->host;
    atomic_store_explicit(&batch->left, batch->count + 1, memory_order_relaxed); /* nobody else knows of it yet */
    for (size_t i = 0; i < batch->count; i++)
        host->submit(host, &batch->items[i].request, item_done, &batch->items[i]);
    one_less(batch);
}

static void add_key(struct http_text *text, const struct item *item)
{
    if (item->key_coded) {
        http_text_literal(text, "{\"key_base64\":\"");
        http_text_base64(text, item->request.key);
        http_text_literal(text, "\"");
    } else {
        http_text_literal(text, "{\"key\":");
        http_text_json(text, item->request.key);
    }
}

static void add_version(struct http_text *text, struct larder_version version)
{
    char buffer[HTTP_ETAG_MAX];
    http_text_literal(text, ",\"version\":");
    http_text_add(text, buffer, (size_t)(http_put_etag(buffer, version) - buffer));
}

static void add_value(struct http_text *text, const struct larder_reply *reply)
{
    http_text_literal(text, ",\"value\":\"");
    http_text_base64(text, reply->value);
    http_text_literal(text, "\",\"source\":\"");
    http_text_literal(text, larder_source_name(reply->source));
    http_text_literal(text, "\"");
    if (reply->ttl_ms > 0) {
        http_text_literal(text, ",\"ttl_ms\":");
        http_text_number(text, (uint64_t)reply->ttl_ms);
    }
}

static void add_item(struct http_text *text, const struct http_batch *batch, const struct item *item, size_t limit)
{
    const struct larder_reply *reply = &item->reply;
    bool good = reply->status == LARDER_OK;
    bool fits = batch->sets || !good || (text->size < limit && reply->value.size < (limit - text->size) / 4 * 3);
    add_key(text, item);
    http_text_literal(text, ",\"status\":\"");
    http_text_literal(text, http_status_name(fits ? reply->status : LARDER_TOO_LARGE)->name);
    http_text_literal(text, "\"");
    if (good && fits) {
        add_version(text, reply->version);
        if (!batch->sets)
            add_value(text, reply);
        else
            http_text_literal(text,
                              (reply->flags & LARDER_REPLY_CREATED) != 0 ? ",\"created\":true" : ",\"created\":false");
    }
    http_text_literal(text, "}");
}

void http_batch_answer(const struct http_batch *batch, size_t limit, struct http_text *text)
{
    http_text_literal(text, "{\"results\":[");
    for (size_t i = 0; i < batch->count; i++) {
        if (i > 0)
            http_text_literal(text, ",");
        add_item(text, batch, &batch->items[i], limit);
    }
    http_text_literal(text, "]}");
}
