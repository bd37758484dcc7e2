/* Loads from the origin: through a loader module, or through a callback of the embedding program. */
#include <stddef.h>
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/group/copies.h"
#include "core/group/flight.h"
#include "core/group/limits.h"
#include "core/group/stale.h"

/* Where a callback puts its value; see larder_loaded_set(). */
struct larder_loaded {
    uint64_t max_value;
    void *value; /* malloc'ed; NULL until set */
    size_t size;
    int64_t ttl_ms;
};

/* What a load brings to the store, and the reply that comes of it. */
struct outcome {
    const struct larder_load_result *result;
    uint64_t took;           /* ns */
    struct ldr_entry *entry; /* as stored; pinned */
    int64_t forgotten_ms;    /* of a "not found": how long it is remembered; 0: it is not */
    bool stored;
};

static bool same_version(struct larder_version a, struct larder_version b)
{
    return a.epoch == b.epoch && a.clock == b.clock;
}

static bool older(struct larder_version a, struct larder_version b)
{
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.clock < b.clock;
}

/* What came is not kept: nor may what it takes the place of be answered any more. */
static void drop_older(const struct ldr_flight *flight)
{
    struct ldr_store *store = flight->group->store;
    uint64_t now = larder_now(flight->group->context->runtime);
    struct ldr_entry *entry = ldr_store_peek(store, flight->key, now);
    if (entry != NULL && !ldr_entry_tombstone(entry) && older(ldr_entry_version(entry), flight->version))
        ldr_store_remove(store, flight->key, LDR_PUT_IF_VERSION, ldr_entry_version(entry), now);
    ldr_entry_release(entry);
}

/* False: it is not in the store. */
static bool store_result(struct ldr_flight *flight, struct outcome *outcome)
{
    const struct larder_load_result *result = outcome->result;
    struct ldr_group *group = flight->group;
    bool negative = result->status == LARDER_NOT_FOUND;
    struct ldr_lifetime lifetime = {
        .key = flight->key,
        .ttl_ms = negative ? group->negative_ttl_ms : result->ttl_ms,
        .stand_in = flight->stand_in,
        .spread = true,
    };
    if (result->no_store || (negative && lifetime.ttl_ms == 0))
        return false;
    uint64_t now = larder_now(group->context->runtime);
    struct ldr_put put = {
        .key = flight->key,
        .expires = ldr_group_expires(group, &lifetime),
        .version = flight->version,
        .flags = LDR_PUT_NEWER | (negative ? LDR_PUT_NEGATIVE : 0),
    };
    if (!negative)
        put.value = result->value;
    /* Strict: what is answered is never older than what others have, so that it is neither stale nor loaded ahead. */
    if (!negative && !flight->stand_in && flight->serial == 0)
        put.aging = ldr_stale_aging(group, result, outcome->took);
    outcome->stored = ldr_store_put(group->store, &put, now, NULL) == LARDER_OK;
    if (outcome->stored && negative)
        outcome->forgotten_ms = ldr_context_remaining(put.expires, now);
    else if (outcome->stored)
        outcome->entry = ldr_store_peek(group->store, flight->key, now);
    if (outcome->entry != NULL && ldr_entry_negative(outcome->entry)) { /* a delete that is newer than the load */
        ldr_entry_release(outcome->entry);
        outcome->entry = NULL;
    }
    return outcome->stored;
}

/* What does not fit is answered all the same: a cache that is too small is slow, not broken. */
static void store_outcome(struct ldr_flight *flight, void *arg)
{
    if (!store_result(flight, arg))
        drop_older(flight);
}

/* A reply with a copy of the value, for what was not stored. */
static struct larder_reply copied_reply(const struct ldr_flight *flight, const struct larder_load_result *result)
{
    struct larder_reply reply = {.status = LARDER_NO_MEMORY};
    char *copy = malloc(result->value.size + 1);
    if (copy == NULL)
        return reply;
    if (result->value.size != 0)
        memcpy(copy, result->value.data, result->value.size);
    reply = (struct larder_reply){
        .status = LARDER_OK,
        .source = LARDER_SOURCE_LOADER,
        .value = ldr_slice(copy, result->value.size),
        .ttl_ms = result->no_store ? 1 : ldr_group_ttl(flight->group, result->ttl_ms, flight->stand_in),
        .version = flight->version,
        .release = free,
        .pin = copy,
    };
    return reply;
}

/*
 * What a loader may say. Anything else would be taken for an answer of this node: UNAVAILABLE makes peers look for another
 * owner.
 */
static bool is_known(enum larder_status status)
{
    switch (status) {
    case LARDER_OK:
    case LARDER_NOT_FOUND:
    case LARDER_TOO_LARGE:
    case LARDER_NO_MEMORY:
    case LARDER_DEADLINE:
    case LARDER_BUSY:
    case LARDER_LOAD_FAILED: return true;
    default: return false;
    }
}

/* The others that hold the key get it as well, so that it need not be loaded when this node is gone; nobody waits for it. */
static void spread(const struct ldr_flight *flight)
{
    struct ldr_placement placement;
    ldr_cluster_place(flight->group->context->cluster, flight->name, flight->key, &placement);
    if (placement.self < placement.count)
        ldr_group_replicate(flight->group,
                            &(struct ldr_replication){flight->name, flight->key, LARDER_NEVER, NULL, NULL}, &placement);
    ldr_placement_release(&placement);
}

static void loaded(struct ldr_flight *flight, const struct larder_load_result *result)
{
    struct ldr_group *group = flight->group;
    struct outcome outcome = {.result = result, .took = larder_now(group->context->runtime) - flight->begun};
    struct larder_reply reply = {.status = result->status, .source = LARDER_SOURCE_LOADER, .message = result->message};
    bool failed = result->status != LARDER_OK && result->status != LARDER_NOT_FOUND;
    ldr_stale_note(group, flight->key, failed);
    if (!failed)
        ldr_flight_store(flight, store_outcome, &outcome);
    if (result->status == LARDER_OK)
        reply = outcome.entry != NULL ? ldr_group_entry_reply(group, outcome.entry, LARDER_SOURCE_LOADER, LDR_NOW)
                                      : copied_reply(flight, result);
    else if (failed)
        ldr_count(&group->counters.load_errors);
    else
        reply.ttl_ms = outcome.forgotten_ms;
    /* What is not in the store is not the owner's for longer than this answer. */
    if (!flight->stand_in && (outcome.entry != NULL || outcome.forgotten_ms != 0))
        reply.flags |= LARDER_REPLY_OWNER;
    ldr_histogram_add(&group->load_latency, outcome.took);
    ldr_limits_loaded(group);
    if (outcome.stored && group->context->replicas > 1)
        spread(flight);
    ldr_flight_finish(flight, &reply);
}

/* ------------------------------------------------------------------------------------------------ modules */

static void module_done(struct larder_load *load, const struct larder_load_result *result)
{
    struct larder_load_result known = *result;
    if (!is_known(known.status))
        known.status = LARDER_LOAD_FAILED;
    loaded((struct ldr_flight *)((char *)load - offsetof(struct ldr_flight, load)), &known);
}

/* What a load gives that comes after ldr_group_shut(). */
static const struct larder_load_result dropped = {.status = LARDER_NO_GROUP};

static void load_by_module(struct ldr_flight *flight)
{
    struct ldr_group *group = flight->group;
    pthread_rwlock_rdlock(&group->loader_lock);
    if (group->loader_state == NULL) {
        pthread_rwlock_unlock(&group->loader_lock);
        loaded(flight, &dropped);
        return;
    }
    flight->load = (struct larder_load){
        .group = ldr_slice_text(group->name),
        .key = flight->key,
        .deadline = flight->deadline,
        .max_value = group->max_value,
        .done = module_done,
    };
    group->loader->load(group->loader_state, &flight->load);
    pthread_rwlock_unlock(&group->loader_lock);
}

/* ------------------------------------------------------------------------------------------------ callbacks */

enum larder_status larder_loaded_set(struct larder_loaded *loaded, const void *value, size_t value_size, int64_t ttl_ms)
{
    if (value_size > loaded->max_value)
        return ldr_fail(LARDER_TOO_LARGE, "the loaded value has %zu bytes, wanted at most %llu", value_size,
                        (unsigned long long)loaded->max_value);
    if (ttl_ms < LARDER_TTL_NONE || ttl_ms > LARDER_TTL_MAX)
        return ldr_fail(LARDER_INVALID, "ttl_ms of the loaded value: got %lld, wanted -1 to %lld", (long long)ttl_ms,
                        (long long)LARDER_TTL_MAX);
    void *copy = malloc(value_size + 1);
    if (copy == NULL)
        return ldr_fail_memory();
    if (value_size != 0)
        memcpy(copy, value, value_size);
    free(loaded->value);
    loaded->value = copy;
    loaded->size = value_size;
    loaded->ttl_ms = ttl_ms;
    return LARDER_OK;
}

static void run_callback(struct larder_task *task)
{
    struct ldr_flight *flight = (struct ldr_flight *)((char *)task - offsetof(struct ldr_flight, task));
    struct ldr_group *group = flight->group;
    larder_load_fn load = atomic_load_explicit(&group->load, memory_order_acquire);
    uint64_t now = larder_now(group->context->runtime);
    struct larder_loaded place = {.max_value = group->max_value};
    struct larder_load_result result = {.status = load == NULL ? LARDER_NO_GROUP : LARDER_DEADLINE};
    /* A call that waited for a worker until nobody wants it any more, or the node closes, is not made. */
    if (load != NULL && now < flight->deadline && ldr_flight_wanted(flight))
        result.status = load(group->load_arg, flight->key.data, flight->key.size,
                             (flight->deadline - now) / LARDER_NS_PER_MS, &place);
    if (load != NULL && !is_known(result.status)) {
        result.status = LARDER_LOAD_FAILED;
        result.message = ldr_slice_text("the loader returned a status that is none of a loader's");
    }
    if (result.status == LARDER_OK && place.value == NULL) {
        result.status = LARDER_LOAD_FAILED;
        result.message = ldr_slice_text("the loader returned LARDER_OK without larder_loaded_set()");
    }
    result.value = ldr_slice(place.value, place.size);
    result.ttl_ms = place.ttl_ms;
    loaded(flight, &result);
    free(place.value);
}

static void load_by_callback(struct ldr_flight *flight)
{
    const struct larder_runtime *runtime = flight->group->context->runtime;
    flight->task.run = run_callback;
    if (runtime->work(runtime, &flight->task))
        return;
    struct larder_reply busy = ldr_limits_busy(flight->group->context, "too many loads wait for a worker");
    loaded(flight, &(struct larder_load_result){.status = busy.status, .message = busy.message});
}

/* ------------------------------------------------------------------------------------------------ both */

/*
 * What is loaded for an owner that is away is newer than what is here, and than nothing else: what others have, or were given by
 * writers, it must not take the place of when it is handed to them.
 */
static struct larder_version least_version(const struct ldr_flight *flight)
{
    struct larder_version version = {0};
    struct ldr_entry *entry = ldr_store_peek(flight->group->store, flight->key, 0);
    if (entry != NULL)
        version = ldr_entry_version(entry);
    version.clock++;
    ldr_entry_release(entry);
    return version;
}

void ldr_group_load_from_origin(struct ldr_flight *flight)
{
    struct ldr_group *group = flight->group;
    struct ldr_context *context = group->context;
    if (!ldr_limits_load(group, flight->ahead)) {
        struct larder_reply busy = {.status = LARDER_BUSY};
        if (!flight->ahead)
            busy = ldr_limits_busy(context, "too many loads of the group are under way");
        ldr_flight_finish(flight, &busy);
        return;
    }
    flight->version = flight->stand_in ? least_version(flight) : ldr_context_version(context);
    if (flight->serial != 0) /* the epoch in which this node was found to be the owner */
        flight->version.epoch = flight->epoch;
    flight->begun = larder_now(context->runtime);
    ldr_count(&group->counters.loads);
    if (flight->ahead)
        ldr_count(&group->counters.refreshes);
    if (group->loader != NULL)
        load_by_module(flight);
    else
        load_by_callback(flight);
}

/*
 * What another flight has stored between the look into the store and the beginning of this one, or what others had: then
 * there is nothing to be loaded any more. True: finished.
 */
static bool finish_with_stored(struct ldr_flight *flight, enum larder_source source)
{
    struct ldr_group *group = flight->group;
    uint64_t now = larder_now(group->context->runtime);
    struct ldr_entry *entry = ldr_store_peek(group->store, flight->key, now);
    bool same = entry != NULL && flight->ahead && same_version(ldr_entry_version(entry), flight->replaces);
    if (entry == NULL || same || ldr_entry_tombstone(entry) || ldr_entry_age(entry, now) == LDR_STALE) {
        ldr_entry_release(entry);
        return false;
    }
    struct larder_reply reply = {
        .status = LARDER_NOT_FOUND,
        .source = source,
        .ttl_ms = ldr_context_remaining(ldr_entry_expires(entry), now),
    };
    if (ldr_entry_negative(entry))
        ldr_entry_release(entry);
    else
        reply = ldr_group_entry_reply(group, entry, source, now);
    if (!flight->stand_in)
        reply.flags |= LARDER_REPLY_OWNER;
    ldr_flight_finish(flight, &reply);
    return true;
}

/* What is stored, or what the origin gives; NOT_FOUND where there is none to ask. */
void ldr_group_load_now(struct ldr_flight *flight)
{
    if (finish_with_stored(flight, flight->source))
        return;
    if (ldr_group_loads(flight->group) && ldr_flight_wanted(flight))
        ldr_group_load_from_origin(flight);
    else
        ldr_flight_finish(flight, &(struct larder_reply){.status = LARDER_NOT_FOUND});
}

/* Those that had the key before have said what they have, as far as they can be reached. */
static void asked(struct ldr_flight *flight, bool complete)
{
    (void)complete;
    flight->source = LARDER_SOURCE_PEER;
    ldr_group_load_now(flight);
}

/* Whoever asked this node goes by another list: those that hold the key have it, and not this node. */
static bool is_elsewhere(const struct ldr_flight *flight)
{
    struct ldr_group *group = flight->group;
    return !flight->stand_in && !ldr_group_holds(group, flight->name, flight->key);
}

void ldr_group_load(struct ldr_flight *flight)
{
    /* Another flight may have stored the key between the look into the store and the beginning of this one. */
    if (finish_with_stored(flight, LARDER_SOURCE_LOCAL))
        return;
    bool elsewhere = is_elsewhere(flight);
    flight->stand_in |= elsewhere; /* what is loaded here takes the place of nothing that the holders have */
    if (ldr_group_must_ask(flight->group) || elsewhere)
        ldr_group_ask(flight, asked);
    else if (ldr_group_loads(flight->group))
        ldr_group_load_from_origin(flight);
    else
        ldr_flight_finish(flight, &(struct larder_reply){.status = LARDER_NOT_FOUND});
}
