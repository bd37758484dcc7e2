#include "core/group/stale.h"

#include <math.h>

#include "core/base/bytes.h"
#include "core/group/flight.h"

#define NS_PER_US UINT64_C(1000)
#define RETRY_NS  (1000 * LARDER_NS_PER_MS) /* between two loads of a key that fail while nobody waits */

/* ------------------------------------------------------------------------------------------------ keys that fail */

static _Atomic uint64_t *retry_at(struct ldr_group *group, struct larder_slice key)
{
    return &group->retry_at[ldr_hash(key, group->spread_seed) % LDR_RETRY_SLOTS];
}

void ldr_stale_note(struct ldr_group *group, struct larder_slice key, bool failed)
{
    _Atomic uint64_t *place = retry_at(group, key);
    uint64_t at = failed ? larder_now(group->context->runtime) + RETRY_NS : 0;
    /* Relaxed: a hint that guards nothing. Read first, so that loads that go well write no shared line. */
    if (at != atomic_load_explicit(place, memory_order_relaxed))
        atomic_store_explicit(place, at, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------------ loading anew */

static void begin(struct ldr_flight *flight, void *arg)
{
    flight->ahead = true;
    flight->replaces = *(const struct larder_version *)arg;
    ldr_group_load(flight);
}

static void load_anew(struct ldr_group *group, struct larder_slice name, const struct ldr_entry *entry, uint64_t now)
{
    struct larder_slice key = ldr_entry_key(entry);
    struct larder_version version = ldr_entry_version(entry);
    if (now < atomic_load_explicit(retry_at(group, key), memory_order_relaxed) || !ldr_group_loads(group))
        return;
    ldr_flight_ask(group->context->flights,
                   &(struct ldr_flight_ask){
                       .group = group,
                       .name = name,
                       .key = key,
                       .of_peer = true, /* at the owner no flight of its own waits for a peer */
                       .flight_deadline = larder_deadline_in(group->context->runtime, group->load_timeout_ms),
                       .begin = begin,
                       .begin_arg = &version,
                   });
}

/*
 * True with the probability exp(-left / ahead), left being the time until the entry expires. A key that is asked for k times
 * while a load takes place is loaded anew about ln(k) loads' times before it expires; one that is hardly asked for is not.
 */
static bool drawn(const struct ldr_group *group, const struct ldr_entry *entry, uint64_t now)
{
    const struct larder_runtime *runtime = group->context->runtime;
    double left = (double)(ldr_entry_expires(entry) - now);
    double ahead = (double)(ldr_entry_aging(entry).ahead_us * NS_PER_US);
    double chance = ((double)(runtime->random(runtime) >> 11) + 1) * 0x1p-53; /* above 0, at most 1 */
    return -log(chance) * ahead >= left;
}

/* ------------------------------------------------------------------------------------------------ answering */

/* How far a stale entry is past its time, in ms. */
static uint64_t past_ms(const struct ldr_entry *entry, uint64_t now)
{
    return (now - ldr_entry_expires(entry)) / LARDER_NS_PER_MS;
}

static bool stale_answers(struct ldr_group *group, const struct ldr_entry *entry, uint64_t now)
{
    struct ldr_aging aging = ldr_entry_aging(entry);
    if (past_ms(entry, now) < aging.revalidate_ms)
        return true;
    return past_ms(entry, now) < aging.error_ms &&
           atomic_load_explicit(retry_at(group, ldr_entry_key(entry)), memory_order_relaxed) != 0;
}

bool ldr_stale_answers(struct ldr_group *group, struct larder_slice name, const struct ldr_entry *entry, uint64_t now,
                       bool owner)
{
    enum ldr_age age = ldr_entry_age(entry, now);
    bool answers = age == LDR_FRESH || age == LDR_RIPE ||
                   (age == LDR_STALE && owner && stale_answers(group, entry, now));
    if (owner && answers && (age == LDR_STALE || (age == LDR_RIPE && drawn(group, entry, now))))
        load_anew(group, name, entry, now);
    return answers;
}

/* What a load may end with for which the origin, or the way to it, is to blame. */
static bool is_failure(enum larder_status status)
{
    return status == LARDER_LOAD_FAILED || status == LARDER_DEADLINE || status == LARDER_BUSY ||
           status == LARDER_NO_MEMORY || status == LARDER_TOO_LARGE;
}

void ldr_stale_rescue(struct ldr_group *group, const struct larder_request *request, struct larder_reply *reply)
{
    uint64_t now = larder_now(group->context->runtime);
    struct ldr_entry *entry = is_failure(reply->status) ? ldr_store_peek(group->store, request->key, now) : NULL;
    if (entry == NULL)
        return;
    bool late = ldr_entry_age(entry, now) == LDR_STALE;
    if (ldr_entry_negative(entry) || (late && past_ms(entry, now) >= ldr_entry_aging(entry).error_ms)) {
        ldr_entry_release(entry);
        return;
    }
    /* A caller whose own time was too short says nothing about the origin. */
    if (reply->status != LARDER_DEADLINE || now < request->deadline)
        ldr_stale_note(group, request->key, true);
    struct larder_reply rescued = ldr_group_entry_reply(group, entry, LARDER_SOURCE_LOCAL, now);
    rescued.ring = reply->ring;
    larder_reply_release(reply);
    *reply = rescued;
    if (late)
        ldr_lane_add(ldr_lanes_mine(group->lanes), LDR_STALE_HITS, 1);
}

/* ------------------------------------------------------------------------------------------------ what was loaded */

/* What the origin says for one key, or the group for all. */
static uint64_t window(int64_t told_ms, const _Atomic int64_t *own_ms)
{
    int64_t ms = told_ms != LARDER_WINDOW_DEFAULT ? told_ms : atomic_load_explicit(own_ms, memory_order_relaxed);
    return ms > 0 ? (uint64_t)ms : 0;
}

struct ldr_aging ldr_stale_aging(const struct ldr_group *group, const struct larder_load_result *result, uint64_t took)
{
    double scale = (double)atomic_load_explicit(&group->refresh_permille, memory_order_relaxed) / 1000;
    return (struct ldr_aging){
        .revalidate_ms = window(result->stale_while_revalidate_ms, &group->stale_while_revalidate_ms),
        .error_ms = window(result->stale_if_error_ms, &group->stale_if_error_ms),
        .ahead_us = (uint64_t)((double)took / (double)NS_PER_US * scale),
    };
}
