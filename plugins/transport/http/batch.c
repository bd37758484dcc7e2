/* The document is read with jansson; each key becomes a request of its own, and the last answer completes the exchange. */
#include "batch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "status_names.h"

/* Brackets, colons and commas of a batch: an entry has at most three members. */
#define STRUCTURE_MAX (16 * HTTP_BATCH_MAX)

/* Text of the answer beside the largest value. */
#define ANSWER_MIN ((size_t)8 << 20)

struct http_batch {
    json_t *document; /* keys and values lie in it */
    bool sets;
    size_t limit;               /* values beyond so many bytes of text are left out, and TOO_LARGE */
    bool coded[HTTP_BATCH_MAX]; /* whose key is told as key_base64 */
    size_t count;
    struct tp_part parts[];
};

void http_batch_free(struct http_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        tp_part_release(&batch->parts[i]);
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
static bool read_key(struct larder_request *request, bool *is_coded, json_t *object)
{
    json_t *plain = json_object_get(object, "key"), *coded = json_object_get(object, "key_base64");
    if ((plain == NULL) == (coded == NULL))
        return false;
    *is_coded = coded != NULL;
    struct larder_slice *key = &request->key;
    bool good = coded != NULL ? decode_string(coded, key) : plain_string(plain, key);
    return good && key->size >= 1 && key->size <= LARDER_KEY_MAX;
}

static const char *read_get(struct larder_request *request, bool *coded, json_t *entry)
{
    request->operation = LARDER_OP_GET;
    if (!json_is_string(entry))
        return json_is_object(entry) && json_object_size(entry) == 1 && read_key(request, coded, entry)
                   ? NULL
                   : "wanted a text, or {\"key_base64\": ...}, of 1 to 65535 bytes";
    plain_string(entry, &request->key);
    bool good = request->key.size >= 1 && request->key.size <= LARDER_KEY_MAX;
    return good ? NULL : "wanted a key of 1 to 65535 bytes";
}

static const char *read_set(struct larder_request *request, bool *coded, json_t *entry, size_t max_value)
{
    json_t *value = json_object_get(entry, "value"), *ttl = json_object_get(entry, "ttl");
    struct larder_slice time;
    request->operation = LARDER_OP_SET;
    if (!read_key(request, coded, entry))
        return "wanted \"key\" or \"key_base64\" of 1 to 65535 bytes";
    if (value == NULL || !decode_string(value, &request->value))
        return "wanted \"value\" in base64";
    if (request->value.size > max_value)
        return "the value is larger than the group takes";
    if (ttl != NULL && !(plain_string(ttl, &time) && http_parse_ttl(time, &request->ttl_ms)))
        return "wanted \"ttl\" like \"250ms\", \"30s\", \"5m\" or \"1h\", or \"none\"";
    if (json_object_size(entry) != (ttl != NULL ? 3u : 2u))
        return "wanted \"key\" or \"key_base64\", \"value\" and \"ttl\" only";
    return NULL;
}

static void read_parts(struct http_exchange *exchange, struct http_batch *batch, json_t *list)
{
    for (size_t i = 0; i < batch->count && exchange->refused == 0; i++) {
        struct larder_request *request = &batch->parts[i].request;
        json_t *entry = json_array_get(list, i);
        *request = exchange->base.request; /* group and deadline */
        const char *wrong = batch->sets ? read_set(request, &batch->coded[i], entry, exchange->value_limit)
                                        : read_get(request, &batch->coded[i], entry);
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
    size_t size = sizeof(struct http_batch) + count * sizeof(struct tp_part);
    /* Few bytes ask for many: so the requests that are made of them are counted, too. */
    bool room = tp_submission_charge(&exchange->base, exchange->base.charged + size);
    struct http_batch *batch = room ? calloc(1, size) : NULL;
    if (batch == NULL) {
        http_exchange_refuse(exchange, 503, room ? "out of memory" : "no memory for the batch");
        return;
    }
    exchange->batch = batch;
    batch->document = json_incref(document);
    batch->sets = set != NULL;
    batch->limit = exchange->value_limit + exchange->value_limit / 3 + ANSWER_MIN;
    batch->count = count;
    exchange->base.room = batch->limit / 4 * 3; /* in base64 */
    read_parts(exchange, batch, list);
}

/*
 * Whether the text has no more brackets, colons and commas than a batch needs: each of them could become an object in
 * memory, many times as large. Whatever stands between quotes is skipped; what is no JSON is left to the parser.
 */
static bool is_plain(struct larder_slice text)
{
    const char *bytes = text.data;
    size_t left = STRUCTURE_MAX;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        if (quoted && bytes[i] == '\\')
            i++;
        else if (bytes[i] == '"')
            quoted = !quoted;
        else if (!quoted && strchr("[{,:", bytes[i]) != NULL && bytes[i] != '\0' && left-- == 0)
            return false;
    }
    return true;
}

void http_batch_parse(struct http_exchange *exchange, struct larder_slice text)
{
    json_error_t error;
    if (!is_plain(text)) {
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

bool http_batch_submit(struct http_exchange *exchange)
{
    return tp_submit_parts(&exchange->base, exchange->batch->parts, exchange->batch->count);
}

static void add_key(struct http_text *text, struct larder_slice key, bool coded)
{
    if (coded) {
        http_text_literal(text, "{\"key_base64\":\"");
        http_text_base64(text, key);
        http_text_literal(text, "\"");
    } else {
        http_text_literal(text, "{\"key\":");
        http_text_json(text, key);
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
    if (reply->ttl_ms >= 0) {
        http_text_literal(text, ",\"ttl_ms\":");
        http_text_number(text, (uint64_t)reply->ttl_ms);
    }
}

static void add_part(struct http_text *text, const struct http_batch *batch, size_t i)
{
    const struct larder_reply *reply = &batch->parts[i].reply;
    bool good = reply->status == LARDER_OK;
    bool fits = batch->sets || !good ||
                (text->size < batch->limit && reply->value.size < (batch->limit - text->size) / 4 * 3);
    add_key(text, batch->parts[i].request.key, batch->coded[i]);
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

void http_batch_answer(const struct http_batch *batch, struct http_text *text)
{
    http_text_literal(text, "{\"results\":[");
    for (size_t i = 0; i < batch->count; i++) {
        if (i > 0)
            http_text_literal(text, ",");
        add_part(text, batch, i);
    }
    http_text_literal(text, "]}");
}
