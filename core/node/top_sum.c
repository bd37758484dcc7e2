/* The keys that are asked for most: of this node, or of all members together. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/node/json.h"
#include "core/node/top.h"

#define COUNT_DEFAULT 20
#define COUNT_MAX     1000

/* A member tells of more keys than are asked for: what is nowhere among the first may be so in the sum. */
#define COUNT_OF_MEMBER(count) (4 * (count) + 64)

/* ------------------------------------------------------------------------------------------------ sums */

static double rate_of(const json_t *key)
{
    return json_number_value(json_object_get(key, "rate"));
}

static const char *digest_of(const json_t *key)
{
    const char *digest = json_string_value(json_object_get(key, "digest"));
    return digest != NULL ? digest : "";
}

static int by_rate(const void *a, const void *b)
{
    const json_t *first = *(json_t *const *)a, *second = *(json_t *const *)b;
    int order = (rate_of(first) < rate_of(second)) - (rate_of(first) > rate_of(second));
    return order != 0 ? order : strcmp(digest_of(first), digest_of(second));
}

static int by_digest(const void *a, const void *b)
{
    return strcmp(digest_of(*(json_t *const *)a), digest_of(*(json_t *const *)b));
}

/* Makes one of neighbours that are of the same key. Returns how many are left. */
static size_t merge(json_t **keys, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(digest_of(keys[kept - 1]), digest_of(keys[i])) == 0)
            json_real_set(json_object_get(keys[kept - 1], "rate"), rate_of(keys[kept - 1]) + rate_of(keys[i]));
        else
            keys[kept++] = keys[i];
    }
    return kept;
}

/* The hottest `most` of an array, which it takes, each key once. NULL when out of memory. */
static json_t *hottest(json_t *all, size_t most)
{
    size_t count = json_array_size(all);
    json_t **keys = calloc(count + 1, sizeof(json_t *));
    json_t *result = keys != NULL ? json_array() : NULL;
    for (size_t i = 0; i < count && keys != NULL; i++)
        keys[i] = json_array_get(all, i);
    if (keys != NULL) {
        qsort(keys, count, sizeof(json_t *), by_digest);
        count = merge(keys, count);
        qsort(keys, count, sizeof(json_t *), by_rate);
    }
    for (size_t i = 0; i < count && i < most && result != NULL; i++)
        result = ldr_json_append(result, json_incref(keys[i]));
    free(keys);
    json_decref(all);
    return result;
}

/* ------------------------------------------------------------------------------------------------ all members */

struct round {
    struct ldr_fanout fanout;
    struct larder_node *node;
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
    size_t count;
    /* Filled in as members answer, which they do one at a time. */
    json_t *keys, *failed; /* arrays */
    size_t members;        /* that have answered */
    bool found;            /* one of them has the group */
};

/* What a member sends is only looked at: anything that is no such key would be shown to somebody. */
static bool is_key(const json_t *key)
{
    const json_t *text = json_object_get(key, "key"), *coded = json_object_get(key, "key_base64");
    return json_is_string(json_object_get(key, "group")) && json_is_string(json_object_get(key, "digest")) &&
           json_is_string(json_object_get(key, "owner")) && json_is_real(json_object_get(key, "rate")) &&
           json_is_integer(json_object_get(key, "key_size")) && (json_is_string(text) || json_is_string(coded));
}

static bool add_keys(struct round *round, struct larder_slice document)
{
    json_t *json = json_loadb(document.data, document.size, 0, NULL);
    const json_t *keys = json_object_get(json, "keys");
    size_t i;
    json_t *key;
    bool good = json_is_array(keys);
    json_array_foreach(keys, i, key) good = good && is_key(key);
    if (good && json_array_extend(round->keys, (json_t *)keys) != 0)
        good = false;
    json_decref(json);
    return good;
}

static void member_answered(struct ldr_fanout *fanout, const char *member, struct larder_reply *reply)
{
    struct round *round = (struct round *)fanout;
    bool answered = reply->status == LARDER_NO_GROUP;
    if (reply->status == LARDER_OK)
        round->found |= answered = add_keys(round, reply->value);
    if (answered)
        round->members++;
    else
        json_array_append_new(round->failed, json_string(member));
    larder_reply_release(reply);
}

static json_t *document(json_t *keys, size_t members, json_t *failed)
{
    json_t *json = ldr_json_set(json_object(), "members", json_integer((json_int_t)members));
    json = ldr_json_set(json, "failed", failed);
    return ldr_json_set(json, "keys", keys);
}

static void all_answered(struct ldr_fanout *fanout)
{
    struct round round = *(struct round *)fanout;
    free(fanout);
    if (!round.found && json_array_size(round.failed) == 0) {
        char message[LARDER_GROUP_MAX + 16];
        snprintf(message, sizeof message, "no group %.*s", (int)round.request->group.size,
                 (const char *)round.request->group.data);
        json_decref(round.keys);
        json_decref(round.failed);
        ldr_answer_status(&round.node->context, LARDER_NO_GROUP, message, round.done, round.arg);
        return;
    }
    ldr_answer_document(round.node, document(hottest(round.keys, round.count), round.members, round.failed), round.done,
                        round.arg);
}

/* A gateway has no keys of its own. */
static bool begin_here(struct round *round)
{
    struct larder_node *node = round->node;
    if (node->transit != NULL)
        return true;
    json_t *keys = ldr_top_keys(node, round->request->group, COUNT_OF_MEMBER(round->count));
    round->found = keys != NULL;
    if (keys == NULL && larder_last_status() != LARDER_NO_GROUP)
        return false;
    round->members = 1;
    if (keys != NULL) {
        json_decref(round->keys);
        round->keys = keys;
    }
    return true;
}

static void go_around(struct larder_node *node, const struct larder_request *request, size_t count,
                      larder_reply_fn done, void *arg)
{
    struct round *round = calloc(1, sizeof *round);
    if (round != NULL)
        *round = (struct round){.fanout = {member_answered, all_answered},
                                .node = node,
                                .request = request,
                                .done = done,
                                .arg = arg,
                                .count = count,
                                .keys = json_array(),
                                .failed = json_array()};
    if (round == NULL || round->keys == NULL || round->failed == NULL || !begin_here(round)) {
        if (round != NULL) {
            json_decref(round->keys);
            json_decref(round->failed);
        }
        free(round);
        ldr_answer_status(&node->context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    ldr_cluster_call_all(node->context.cluster, request, &round->fanout);
}

/* ------------------------------------------------------------------------------------------------ the door */

/* How many keys are asked for. */
static enum larder_status read_count(struct larder_slice value, size_t *count)
{
    *count = COUNT_DEFAULT;
    if (value.size == 0)
        return LARDER_OK;
    json_t *json = json_loadb(value.data, value.size, 0, NULL);
    json_int_t wanted = json_integer_value(json_object_get(json, "count"));
    json_decref(json);
    if (wanted < 1 || wanted > COUNT_MAX)
        return ldr_fail(LARDER_INVALID, "top: wanted a count of 1 to %d", COUNT_MAX);
    *count = (size_t)wanted;
    return LARDER_OK;
}

void ldr_node_answer_top(struct larder_node *node, const struct larder_request *request, larder_reply_fn done,
                         void *arg)
{
    size_t count;
    bool of_peer = (request->flags & LARDER_REQUEST_PEER) != 0;
    bool around = node->transit != NULL || (request->flags & LARDER_REQUEST_CLUSTER) != 0;
    enum larder_status status = read_count(request->value, &count);
    if (status == LARDER_OK && around && !of_peer && node->context.cluster != NULL) {
        go_around(node, request, count, done, arg);
        return;
    }
    if (of_peer)
        count = COUNT_OF_MEMBER(count);
    json_t *keys = status == LARDER_OK ? ldr_top_keys(node, request->group, count) : NULL;
    if (keys == NULL)
        ldr_answer_status(&node->context, larder_last_status(), larder_last_error(), done, arg);
    else
        ldr_answer_document(node, document(hottest(keys, count), 1, json_array()), done, arg);
}
