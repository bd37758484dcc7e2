/* A write in this node's store: what each operation does there, and what follows for those who wait. */
#include "core/group/write.h"

#include "core/base/bytes.h"
#include "core/group/flight.h"

static uint32_t put_flags(uint32_t flags)
{
    return (flags & LARDER_REQUEST_IF_ABSENT ? LDR_PUT_IF_ABSENT : 0) |
           (flags & LARDER_REQUEST_IF_PRESENT ? LDR_PUT_IF_PRESENT : 0) |
           (flags & LARDER_REQUEST_IF_VERSION ? LDR_PUT_IF_VERSION : 0);
}

/* What is written for an owner that is away is handed to it later, where there are copies; else it must go soon. */
static uint64_t expires(const struct ldr_write *write)
{
    const struct larder_request *request = write->request;
    return ldr_group_expires(write->group, &(struct ldr_lifetime){
                                               .key = request->key,
                                               .ttl_ms = request->ttl_ms,
                                               .stand_in = write->stand_in && write->group->context->replicas == 1,
                                               .spread = request->ttl_ms == LARDER_TTL_DEFAULT,
                                           });
}

/* Strict: the owner's own epoch, whatever list may have come meanwhile; and then older than what came with that. */
static struct larder_version draw(struct ldr_write *write, struct ldr_put *put)
{
    struct larder_version version = ldr_context_version(write->group->context);
    if (write->serial != 0) {
        version.epoch = write->epoch;
        put->flags |= LDR_PUT_NEWER;
    }
    put->version = version;
    return version;
}

/* What is there for a writer: not what is remembered as not found, or stale. */
static struct ldr_entry *peek(struct ldr_group *group, struct larder_slice key)
{
    uint64_t now = larder_now(group->context->runtime);
    struct ldr_entry *entry = ldr_store_peek(group->store, key, now);
    if (entry == NULL || (!ldr_entry_negative(entry) && ldr_entry_age(entry, now) != LDR_STALE))
        return entry;
    ldr_entry_release(entry);
    return NULL;
}

static bool is_absent(struct ldr_group *group, struct larder_slice key)
{
    struct ldr_entry *entry = peek(group, key);
    bool absent = entry == NULL;
    ldr_entry_release(entry);
    return absent;
}

static enum larder_status put(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    struct ldr_put put = {
        .key = request->key,
        .value = request->value,
        .expires = expires(write),
        .expected = request->version,
        .flags = put_flags(request->flags),
    };
    bool created = false;
    draw(write, &put);
    enum larder_status status = ldr_store_put(group->store, &put, larder_now(group->context->runtime), &created);
    if (status == LARDER_OK) {
        ldr_count(&group->counters.sets);
        write->spread = write->copies;
        write->version = put.version;
        write->reply.version = put.version;
        write->reply.flags = created ? LARDER_REPLY_CREATED : 0;
    }
    return status;
}

/* A delete that is remembered, so that no copy brings the key back. */
static enum larder_status bury(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    struct ldr_context *context = group->context;
    const struct larder_request *request = write->request;
    struct ldr_put put = {
        .key = request->key,
        .expires = larder_deadline_in(context->runtime, context->tombstone_ttl_ms),
        .expected = request->version,
        .flags = put_flags(request->flags) | LDR_PUT_NEGATIVE | LDR_PUT_TOMBSTONE,
    };
    bool absent = true;
    write->version = draw(write, &put);
    enum larder_status status = ldr_store_put(group->store, &put, larder_now(context->runtime), &absent);
    if (status == LARDER_PRECONDITION) /* as without copies: a condition on what is not there finds nothing */
        status = is_absent(group, request->key) ? LARDER_NOT_FOUND : LARDER_PRECONDITION;
    write->spread = status == LARDER_OK;
    if (status == LARDER_OK && absent)
        return LARDER_NOT_FOUND;
    if (status == LARDER_OK)
        ldr_count(&group->counters.deletes);
    return status;
}

static enum larder_status erase(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    if (write->copies)
        return bury(write);
    enum larder_status status = ldr_store_remove(group->store, request->key, put_flags(request->flags),
                                                 request->version, larder_now(group->context->runtime));
    if (status == LARDER_OK)
        ldr_count(&group->counters.deletes);
    return status;
}

/* The same value anew, so that the other copies get its new time, too. */
static enum larder_status rewrite(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    struct ldr_context *context = group->context;
    struct ldr_entry *entry = peek(group, write->request->key);
    if (entry == NULL)
        return LARDER_NOT_FOUND;
    struct ldr_put put = {
        .key = write->request->key,
        .value = ldr_entry_value(entry),
        .expires = expires(write),
        .aging = ldr_entry_aging(entry),
        .expected = ldr_entry_version(entry),
        .flags = LDR_PUT_IF_VERSION,
    };
    write->version = draw(write, &put);
    enum larder_status status = ldr_store_put(group->store, &put, larder_now(context->runtime), NULL);
    ldr_entry_release(entry);
    write->reply.version = put.version;
    write->spread = status == LARDER_OK;
    return status;
}

static enum larder_status retime(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    if (write->copies)
        return rewrite(write);
    return ldr_store_touch(group->store, write->request->key, expires(write), larder_now(group->context->runtime),
                           &write->reply.version);
}

enum larder_status ldr_write_execute(struct ldr_write *write)
{
    switch (write->request->operation) {
    case LARDER_OP_SET: return put(write);
    case LARDER_OP_DELETE: return erase(write);
    default: return retime(write);
    }
}

/*
 * Who waits for a load that began before the set would get a value older than it, and so would gets at other nodes that
 * began after it and joined such a wait there: all of them get what was set.
 */
static void answer_overtaken(struct ldr_group *group, const struct larder_request *request)
{
    for (;;) {
        struct ldr_entry *entry = peek(group, request->key);
        struct ldr_flight *flight = NULL;
        if (entry != NULL)
            flight = ldr_flights_overtaken(group->context->flights, group, request->group, request->key);
        if (flight == NULL) {
            ldr_entry_release(entry);
            return;
        }
        struct larder_reply reply = ldr_group_entry_reply(group, entry, LARDER_SOURCE_LOCAL, LDR_NOW);
        ldr_flight_finish(flight, &reply);
    }
}

void ldr_write_executed(struct ldr_write *write, enum larder_status status)
{
    const struct larder_request *request = write->request;
    if (status == LARDER_OK && request->operation == LARDER_OP_SET && ldr_group_loads(write->group))
        answer_overtaken(write->group, request);
    write->reply.status = status;
    write->reply.source = LARDER_SOURCE_LOCAL;
}

void ldr_write_answer(struct ldr_write *write)
{
    const struct ldr_context *context = write->group->context;
    if (write->request->operation == LARDER_OP_SET)
        ldr_histogram_add(&write->group->set_latency, larder_now(context->runtime) - write->begun);
    ldr_answer(context, &write->reply, write->done, write->arg);
}
