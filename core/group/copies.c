#include "core/group/copies.h"

#include <stdlib.h>

#include "core/base/fail.h"

bool ldr_group_has_copies(const struct ldr_group *group)
{
    struct ldr_cluster *cluster = group->context->cluster;
    if (cluster == NULL || group->store == NULL)
        return false;
    return group->context->replicas > 1 || ldr_cluster_strict(cluster) || ldr_cluster_is_owed(cluster);
}

bool ldr_group_must_ask(struct ldr_group *group)
{
    struct ldr_cluster *cluster = group->context->cluster;
    return cluster != NULL && group->store != NULL && ldr_cluster_is_owed(cluster);
}

void ldr_group_hold(struct ldr_group *group, uint64_t past, bool floors)
{
    if (group->store != NULL)
        ldr_store_hold(group->store, past, floors);
}

/* ------------------------------------------------------------------------------------------------ entries */

struct ldr_wire_copy ldr_group_copy_of(const struct ldr_entry *entry, uint64_t now)
{
    uint64_t expires = ldr_entry_expires(entry);
    struct ldr_wire_copy copy = {
        .key = ldr_entry_key(entry),
        .value = ldr_entry_value(entry),
        .version = ldr_entry_version(entry),
        .ttl_ms = LARDER_TTL_NONE,
        .negative = ldr_entry_negative(entry),
        .tombstone = ldr_entry_tombstone(entry),
    };
    if (expires != LARDER_NEVER) /* rounded down, and 0 when it has passed: nothing may live longer for having moved */
        copy.ttl_ms = expires > now ? (int64_t)((expires - now) / LARDER_NS_PER_MS) : 0;
    return copy;
}

struct taking {
    struct ldr_group *group;
    struct ldr_put put;
    uint64_t now;
    bool stored;
};

static bool is_there(const struct taking *taking)
{
    struct ldr_entry *entry = ldr_store_peek(taking->group->store, taking->put.key, 0);
    bool there = entry != NULL && ldr_version_equal(ldr_entry_version(entry), taking->put.version);
    ldr_entry_release(entry);
    return there;
}

/*
 * Strict: what cannot be stored leaves a trace, which is past its time: nothing older comes in its place, and what could not be
 * stored may come again, as the trace is a little older than that. Where there is no room for it, either, it is as if it had been
 * evicted.
 */
static void store_trace(const struct taking *taking)
{
    struct ldr_put trace = taking->put;
    if (taking->group->context->kept_past == 0 || trace.version.clock == 0)
        return;
    trace.value = (struct larder_slice){0};
    trace.version.clock--;
    trace.expires = taking->now;
    trace.flags = LDR_PUT_NEWER | LDR_PUT_COPY | LDR_PUT_NEGATIVE | LDR_PUT_TRACE;
    ldr_store_put(taking->group->store, &trace, taking->now, NULL);
}

/* What cannot be stored is as good as evicted at once: what is older must not stay in its place. */
static enum larder_status drop_older(const struct taking *taking)
{
    struct ldr_store *store = taking->group->store;
    struct ldr_entry *entry = ldr_store_peek(store, taking->put.key, 0);
    if (entry != NULL && ldr_version_newer(taking->put.version, ldr_entry_version(entry)))
        ldr_store_drop(store, taking->put.key, ldr_entry_version(entry));
    ldr_entry_release(entry);
    store_trace(taking);
    return LARDER_OK;
}

static enum larder_status take(void *arg)
{
    struct taking *taking = arg;
    if (is_there(taking))
        return LARDER_PRECONDITION; /* that no flight is overtaken by what is no news */
    enum larder_status status = ldr_store_put(taking->group->store, &taking->put, taking->now, NULL);
    if (status == LARDER_TOO_LARGE || status == LARDER_NO_ROOM)
        return drop_older(taking);
    taking->stored = status == LARDER_OK && is_there(taking);
    return status != LARDER_OK || taking->stored ? status : LARDER_PRECONDITION;
}

enum larder_status ldr_group_take_copy(struct ldr_group *group, struct larder_slice name,
                                       const struct ldr_wire_copy *copy, uint64_t age, bool *news)
{
    struct ldr_context *context = group->context;
    uint64_t now = larder_now(context->runtime), expires = LARDER_NEVER;
    if (copy->ttl_ms != LARDER_TTL_NONE) {
        uint64_t at = larder_deadline_in(context->runtime, (uint64_t)copy->ttl_ms);
        /* The age is an upper bound: a value must not outlive its time, and what is deleted must not be forgotten before it. */
        expires = copy->tombstone ? at : at > now && at - now > age ? at - age : now;
    }
    struct taking taking = {
        .group = group,
        .now = now,
        .put = {.key = copy->key,
                .value = copy->value,
                .version = copy->version,
                .expires = expires,
                .flags = LDR_PUT_NEWER | LDR_PUT_COPY | (copy->negative || copy->tombstone ? LDR_PUT_NEGATIVE : 0) |
                         (copy->tombstone ? LDR_PUT_TOMBSTONE : 0)},
    };
    ldr_context_observe(context, copy->version);
    enum larder_status status = ldr_flights_write(context->flights, group, name, copy->key, take, &taking);
    *news = taking.stored;
    return status == LARDER_PRECONDITION ? LARDER_OK : status;
}

void ldr_group_drop_outlived(struct ldr_group *group)
{
    struct ldr_cluster *cluster = group->context->cluster;
    struct ldr_store_walk walk = {0};
    struct ldr_entry *entries[64];
    size_t count;
    do {
        count = ldr_store_walk(group->store, &walk, entries, 64);
        for (size_t i = 0; i < count; i++) {
            struct larder_slice key = ldr_entry_key(entries[i]);
            struct larder_version version = ldr_entry_version(entries[i]);
            if (ldr_cluster_outlived(cluster, ldr_slice_text(group->name), key, version))
                ldr_store_drop(group->store, key, version);
            ldr_entry_release(entries[i]);
        }
    } while (count == 64);
}

/* ------------------------------------------------------------------------------------------------ answers */

static void answer(struct ldr_context *context, const struct larder_request *request, enum larder_status status,
                   uint32_t flags, larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {.status = status};
    if (request != NULL)
        ldr_cluster_greet(context->cluster, request, &reply);
    if (reply.release == NULL) {
        unsigned char *bytes = calloc(1, LDR_HEADER_SIZE);
        if (bytes != NULL)
            ldr_header_encode(&(struct ldr_header){.flags = flags}, bytes);
        reply.cluster = ldr_slice(bytes, bytes != NULL ? LDR_HEADER_SIZE : 0);
        reply.pin = bytes;
        reply.release = free;
    }
    ldr_header_flag(reply.pin, flags);
    reply.message = ldr_slice_text((flags & LDR_HEADER_MOVED) != 0 ? "another member has to be asked, or this one later"
                                                                   : larder_status_text(status));
    ldr_answer(context, &reply, done, arg);
}

void ldr_answer_header(struct ldr_context *context, enum larder_status status, uint32_t flags, larder_reply_fn done,
                       void *arg)
{
    answer(context, NULL, status, flags, done, arg);
}

void ldr_answer_moved(struct ldr_context *context, const struct larder_request *request, larder_reply_fn done,
                      void *arg)
{
    answer(context, request, LARDER_UNAVAILABLE, LDR_HEADER_MOVED, done, arg);
}
