/* From method, path, query and fields to a request. */
#include <stdlib.h>

#include "exchange.h"
#include "peer_form.h"
#include "route.h"
#include "server.h"
#include "target.h"

#define OTHER_BODY_MAX 65536               /* bytes of a body that means nothing and is dropped */
#define GROUP_BODY_MAX (UINT64_C(1) << 20) /* bytes of a group's settings */
#define BATCH_BODY_MIN (UINT64_C(4) << 20) /* bytes of a batch, beside the largest value in base64 */
#define TIMEOUT_MAX    INT64_C(86400000)   /* Larder-Timeout: a day */

enum place { PLACE_FIXED, PLACE_GROUP, PLACE_KEY, PLACE_OLD };

struct route {
    enum place place;
    const char *path; /* PLACE_GROUP: what follows the group's name */
    enum http_method method;
    enum http_kind kind;
    enum larder_operation operation; /* 0: none, or told by the body */
    bool alone;
};

/* Keys first: they are asked for most. */
static const struct route routes[] = {
    {PLACE_KEY, "", HTTP_METHOD_GET, HTTP_KIND_GET, LARDER_OP_GET, false},
    {PLACE_KEY, "", HTTP_METHOD_PUT, HTTP_KIND_SET, LARDER_OP_SET, true},
    {PLACE_KEY, "", HTTP_METHOD_PATCH, HTTP_KIND_TOUCH, LARDER_OP_TOUCH, true},
    {PLACE_KEY, "", HTTP_METHOD_DELETE, HTTP_KIND_DELETE, LARDER_OP_DELETE, true},
    {PLACE_GROUP, "", HTTP_METHOD_GET, HTTP_KIND_DOCUMENT, LARDER_OP_GROUP_GET, false},
    {PLACE_GROUP, "", HTTP_METHOD_PUT, HTTP_KIND_GROUP_PUT, LARDER_OP_GROUP_PUT, true},
    {PLACE_GROUP, "", HTTP_METHOD_DELETE, HTTP_KIND_DONE, LARDER_OP_GROUP_DROP, true},
    {PLACE_GROUP, "/keys", HTTP_METHOD_DELETE, HTTP_KIND_DONE, LARDER_OP_GROUP_CLEAR, true},
    {PLACE_GROUP, "/stats", HTTP_METHOD_GET, HTTP_KIND_DOCUMENT, LARDER_OP_GROUP_STATS, false},
    {PLACE_GROUP, "/batch", HTTP_METHOD_POST, HTTP_KIND_BATCH, 0, true},
    {PLACE_FIXED, PEER_FORM_PATH, HTTP_METHOD_POST, HTTP_KIND_PEER, 0, false},
    {PLACE_FIXED, "/v1/groups", HTTP_METHOD_GET, HTTP_KIND_DOCUMENT, LARDER_OP_GROUP_LIST, false},
    {PLACE_FIXED, "/v1/cluster", HTTP_METHOD_GET, HTTP_KIND_DOCUMENT, LARDER_OP_CLUSTER, false},
    {PLACE_FIXED, "/v1/top", HTTP_METHOD_GET, HTTP_KIND_DOCUMENT, LARDER_OP_TOP, false},
    {PLACE_FIXED, "/v1/cluster/leave", HTTP_METHOD_POST, HTTP_KIND_DONE, LARDER_OP_LEAVE, true},
    {PLACE_FIXED, "/stats", HTTP_METHOD_GET, HTTP_KIND_DOCUMENT, LARDER_OP_STATS, false},
    {PLACE_FIXED, "/metrics", HTTP_METHOD_GET, HTTP_KIND_METRICS, LARDER_OP_METRICS, false},
    {PLACE_FIXED, "/health", HTTP_METHOD_GET, HTTP_KIND_STATE, LARDER_OP_HEALTH, false},
    {PLACE_FIXED, "/ready", HTTP_METHOD_GET, HTTP_KIND_STATE, LARDER_OP_READY, false},
    {PLACE_FIXED, "/status", HTTP_METHOD_GET, HTTP_KIND_PAGE, 0, false},
    {PLACE_OLD, "/api", HTTP_METHOD_GET, HTTP_KIND_OLD_GET, LARDER_OP_GET, false},
    {PLACE_OLD, "/api/set", HTTP_METHOD_POST, HTTP_KIND_OLD_SET, LARDER_OP_SET, true},
    {PLACE_OLD, "/api/delete", HTTP_METHOD_DELETE, HTTP_KIND_OLD_DELETE, LARDER_OP_DELETE, true},
    {PLACE_OLD, "/api/stats", HTTP_METHOD_GET, HTTP_KIND_OLD_STATS, LARDER_OP_GROUP_STATS, false},
};

/* A path taken apart, still encoded. */
struct place_parts {
    bool group_given, key_given;
    struct larder_slice group, key, rest; /* rest: what follows the group, or all of the path */
};

/* Everything after "/keys/" is the key, also a "/" that was not encoded. */
static void take_apart(struct larder_slice path, struct place_parts *parts)
{
    *parts = (struct place_parts){.rest = path};
    struct larder_slice rest = path;
    if (!http_slice_skip(&rest, "/v1/groups/"))
        return;
    const char *data = rest.data, *slash = memchr(data, '/', rest.size);
    size_t size = slash == NULL ? rest.size : (size_t)(slash - data);
    parts->group_given = true;
    parts->group = (struct larder_slice){data, size};
    parts->rest = (struct larder_slice){data + size, rest.size - size};
    parts->key = parts->rest;
    parts->key_given = http_slice_skip(&parts->key, "/keys/");
}

static bool is_place(const struct route *route, const struct place_parts *parts)
{
    switch (route->place) {
    case PLACE_KEY: return parts->key_given;
    case PLACE_GROUP: return parts->group_given && !parts->key_given && http_slice_is(parts->rest, route->path);
    case PLACE_FIXED:
    case PLACE_OLD: return !parts->group_given && http_slice_is(parts->rest, route->path);
    }
    return false;
}

/* NULL: refused. */
static const struct route *find(struct http_exchange *exchange, const struct place_parts *parts,
                                enum http_method method)
{
    enum http_method wanted = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!is_place(&routes[i], parts))
            continue;
        if (routes[i].method == wanted)
            return &routes[i];
        exchange->allow |= routes[i].method;
        exchange->kind = routes[i].kind; /* whose way it is to say no */
    }
    if ((exchange->allow & HTTP_METHOD_GET) != 0)
        exchange->allow |= HTTP_METHOD_HEAD;
    if (exchange->allow != 0)
        http_exchange_refuse(exchange, 405, "method not allowed");
    else
        http_exchange_refuse(exchange, 404, "no such path");
    return NULL;
}

/* Room for what is decoded, which is never longer than `size`. NULL: refused. */
static char *room(struct http_exchange *exchange, size_t size)
{
    if (size <= sizeof exchange->small)
        return exchange->small;
    exchange->memory = malloc(size);
    if (exchange->memory == NULL)
        http_exchange_refuse(exchange, 503, "out of memory");
    return exchange->memory;
}

static bool decode_names(struct http_exchange *exchange, struct larder_slice group, struct larder_slice key,
                         bool key_wanted)
{
    char *memory = room(exchange, group.size + key.size);
    size_t group_size, key_size = 0;
    if (memory == NULL)
        return false;
    if (!http_percent_decode(group, memory, &group_size) || !http_percent_decode(key, memory + group_size, &key_size)) {
        http_exchange_refuse(exchange, 400, "the path has a %% that is not followed by two hexadecimal digits");
        return false;
    }
    if (group_size == 0 || group_size > LARDER_GROUP_MAX) {
        http_exchange_refuse(exchange, 400, "the group's name has %zu bytes, wanted 1 to %d", group_size,
                             LARDER_GROUP_MAX);
        return false;
    }
    if (key_wanted && key_size == 0) {
        http_exchange_refuse(exchange, 400, "the key is empty, wanted 1 to %d bytes", LARDER_KEY_MAX);
        return false;
    }
    if (key_size > LARDER_KEY_MAX) {
        http_exchange_refuse(exchange, 413, "the key has %zu bytes, wanted 1 to %d", key_size, LARDER_KEY_MAX);
        return false;
    }
    exchange->base.request.group = (struct larder_slice){memory, group_size};
    exchange->base.request.key = (struct larder_slice){memory + group_size, key_size};
    return true;
}

/* How much of a text a message repeats. */
static int shown(struct larder_slice text)
{
    return text.size > 64 ? 64 : (int)text.size;
}

static void read_ttl(struct http_exchange *exchange, struct larder_slice query)
{
    struct larder_slice name, value;
    while (http_query_next(&query, &name, &value)) {
        if (!http_slice_is(name, "ttl"))
            http_exchange_refuse(exchange, 400, "unknown parameter \"%.*s\", wanted ttl", shown(name),
                                 (const char *)name.data);
        else if (!http_parse_ttl(value, &exchange->base.request.ttl_ms))
            http_exchange_refuse(exchange, 400, "ttl: got \"%.*s\", wanted a time like 250ms, 30s, 5m or 1h, or none",
                                 shown(value), (const char *)value.data);
    }
}

static void read_scope(struct http_exchange *exchange, struct larder_slice query)
{
    struct larder_slice name, value;
    while (http_query_next(&query, &name, &value))
        if (http_slice_is(name, "cluster") && http_slice_is(value, "true"))
            exchange->base.request.flags |= LARDER_REQUEST_CLUSTER;
}

/* The earlier system's parameters: key, and group when it is not "default". */
static void read_old(struct http_exchange *exchange, struct larder_slice query)
{
    struct larder_slice name, value, group = {"default", 7}, key = {"", 0};
    while (http_query_next(&query, &name, &value)) {
        if (http_slice_is(name, "key"))
            key = value;
        else if (http_slice_is(name, "group"))
            group = value;
    }
    bool key_wanted = exchange->kind != HTTP_KIND_OLD_STATS;
    if (key_wanted && key.size == 0)
        http_exchange_refuse(exchange, 400, "key parameter is required");
    else
        decode_names(exchange, group, key_wanted ? key : (struct larder_slice){"", 0}, key_wanted);
    if (!key_wanted)
        exchange->base.request.flags |= LARDER_REQUEST_CLUSTER;
}

/* If-Match and If-None-Match of a write: what the node can decide with the key at hand. */
static void read_write_conditions(struct http_exchange *exchange, const struct http_head *head)
{
    struct http_tags match = {0}, none = {0};
    struct larder_request *request = &exchange->base.request;
    if (head->if_match.data != NULL && !http_parse_tags(head->if_match, &match))
        http_exchange_refuse(exchange, 400, "If-Match: wanted * or an entity tag");
    if (head->if_none_match.data != NULL && (!http_parse_tags(head->if_none_match, &none) || !none.any))
        http_exchange_refuse(exchange, 400, "If-None-Match: wanted * on a write");
    if (exchange->kind == HTTP_KIND_TOUCH && (head->if_match.data != NULL || head->if_none_match.data != NULL))
        http_exchange_refuse(exchange, 400, "PATCH takes no If-Match and no If-None-Match");
    if (exchange->kind == HTTP_KIND_DELETE && none.any)
        http_exchange_refuse(exchange, 400, "DELETE takes no If-None-Match");
    if (match.any)
        request->flags |= LARDER_REQUEST_IF_PRESENT;
    if (none.any)
        request->flags |= LARDER_REQUEST_IF_ABSENT;
    if (match.count > 1)
        http_exchange_refuse(exchange, 400, "If-Match: wanted one entity tag");
    if (match.count == 1 && match.strong == 0)
        http_exchange_refuse(exchange, 412, "no version has this entity tag");
    if (match.count == 1) {
        request->flags |= LARDER_REQUEST_IF_VERSION;
        request->version = match.versions[0];
    }
}

static void read_get_conditions(struct http_exchange *exchange, const struct http_head *head)
{
    if (head->if_match.data != NULL && !http_parse_tags(head->if_match, &exchange->match))
        http_exchange_refuse(exchange, 400, "If-Match: wanted * or entity tags");
    if (head->if_none_match.data != NULL && !http_parse_tags(head->if_none_match, &exchange->none_match))
        http_exchange_refuse(exchange, 400, "If-None-Match: wanted * or entity tags");
}

static void read_timeout(struct http_exchange *exchange, const struct http_head *head)
{
    int64_t ms = 0;
    if (head->timeout.data != NULL && !http_parse_duration(head->timeout, TIMEOUT_MAX, &ms)) {
        http_exchange_refuse(exchange, 400, "Larder-Timeout: wanted a time like 500ms, 30s or 5m");
        return;
    }
    exchange->timeout_ms = ms > 0 ? (uint64_t)ms : exchange->base.worker->server->host->request_timeout_ms;
}

static size_t clamp(uint64_t size)
{
    return size > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)size;
}

/* The group is known: what it takes decides how much is buffered. */
static void set_body_limit(struct http_exchange *exchange)
{
    const struct larder_transport_host *host = exchange->base.worker->server->host;
    switch (exchange->kind) {
    case HTTP_KIND_SET:
    case HTTP_KIND_OLD_SET:
    case HTTP_KIND_BATCH: {
        size_t value = clamp(host->value_limit(host, exchange->base.request.group));
        exchange->no_group = value == 0;
        exchange->value_limit = value > 0 ? value : OTHER_BODY_MAX;
        if (value == 0)
            return; /* the node will say so, when the body is short enough to get there */
        exchange->body_limit = exchange->kind == HTTP_KIND_BATCH ? value + value / 3 + BATCH_BODY_MIN : value;
        return;
    }
    case HTTP_KIND_GROUP_PUT: exchange->body_limit = GROUP_BODY_MAX; return;
    case HTTP_KIND_PEER:
        exchange->body_limit = clamp(host->max_value) + LARDER_KEY_MAX + PEER_FORM_REQUEST_HEAD + PEER_FORM_CLUSTER_MAX;
        return;
    default: return;
    }
}

static void read_parameters(struct http_exchange *exchange, const struct route *route, const struct place_parts *parts,
                            const struct http_head *head, struct larder_slice query)
{
    if (route->place == PLACE_OLD) {
        read_old(exchange, query);
        return;
    }
    if (parts->group_given) {
        struct larder_slice key = parts->key_given ? parts->key : (struct larder_slice){"", 0};
        if (!decode_names(exchange, parts->group, key, parts->key_given))
            return;
    }
    if (exchange->kind == HTTP_KIND_SET || exchange->kind == HTTP_KIND_TOUCH)
        read_ttl(exchange, query);
    else if (route->operation == LARDER_OP_GROUP_STATS)
        read_scope(exchange, query);
    else if (route->operation == LARDER_OP_TOP)
        http_read_top(exchange, query);
    if (exchange->kind == HTTP_KIND_GET)
        read_get_conditions(exchange, head);
    else if (route->place == PLACE_KEY)
        read_write_conditions(exchange, head);
}

void http_exchange_route(struct http_exchange *exchange, const struct http_head *head)
{
    struct larder_slice path, query;
    struct place_parts parts;
    exchange->head_only = head->method == HTTP_METHOD_HEAD;
    exchange->old_client = head->minor == 0;
    exchange->keep_alive = head->keep_alive;
    exchange->body_limit = OTHER_BODY_MAX;
    if (!http_target_split(head->target, &path, &query)) {
        http_exchange_refuse(exchange, 400, "the target is neither a path nor a URL");
        return;
    }
    take_apart(path, &parts);
    const struct route *route = find(exchange, &parts, head->method);
    if (route == NULL)
        return;
    exchange->kind = route->kind;
    exchange->alone = route->alone;
    exchange->base.request.operation = route->operation;
    read_timeout(exchange, head);
    read_parameters(exchange, route, &parts, head, query);
    if (exchange->refused == 0)
        set_body_limit(exchange);
}
