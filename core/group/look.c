/* What the store answers at once, on the caller's thread: most gets, so they are counted and timed for next to nothing. */
#include "core/base/bytes.h"
#include "core/group/group.h"
#include "core/group/hot.h"

/* One look in so many is timed, and stands for all of them: two readings of the clock cost as much as a look. */
#define SAMPLE 64

/* Looks under way: `count` of them, one after the other. */
struct looks {
    struct ldr_lane *lane;
    uint64_t gets; /* of the lane, before */
    size_t count;
    bool timed;   /* one of them is */
    bool sampled; /* one of them is looked at, for finding hot keys */
    uint64_t begun;
};

/* In a cluster the ring says who answers. */
static bool answers_alone(const struct ldr_group *group)
{
    return group->context->cluster == NULL && group->store != NULL;
}

static struct looks begin(struct ldr_group *group, size_t count)
{
    struct looks looks = {.lane = ldr_lanes_mine(group->lanes), .count = count};
    looks.gets = ldr_lane_read(looks.lane, LDR_GETS);
    looks.timed = looks.gets % SAMPLE + count >= SAMPLE; /* so that never more are told than there were */
    looks.sampled = ldr_hot_due(looks.gets + count, ldr_lane_read(looks.lane, LDR_NEXT_SAMPLE));
    if (looks.timed)
        looks.begun = larder_now(group->context->runtime);
    return looks;
}

/* What came of one of them. */
static enum ldr_look outcome(struct ldr_group *group, const struct looks *looks, enum ldr_found found)
{
    enum ldr_get_counter counter = LDR_HITS;
    if (found == LDR_ABSENT || found == LDR_FOUND_AGED) {
        if (found == LDR_FOUND_AGED || ldr_group_loads(group))
            return LDR_LOOK_FURTHER;
        counter = LDR_MISSES;
    } else if (found == LDR_FOUND_NEGATIVE) {
        counter = LDR_NEGATIVE_HITS;
    }
    ldr_lane_add(looks->lane, LDR_GETS, 1);
    ldr_lane_add(looks->lane, counter, 1);
    return counter == LDR_HITS ? LDR_LOOK_VALUE : LDR_LOOK_NOT_FOUND;
}

/* What a look has found, which is kept only if it is the answer. */
static enum ldr_found found_of(struct ldr_group *group, struct ldr_entry *entry, uint64_t now)
{
    if (entry == NULL)
        return LDR_ABSENT;
    if (ldr_entry_negative(entry))
        return LDR_FOUND_NEGATIVE;
    if (ldr_entry_expires(entry) == LARDER_NEVER)
        return LDR_FOUND;
    if (now == LDR_NOW)
        now = larder_now(group->context->runtime);
    return ldr_entry_age(entry, now) == LDR_FRESH ? LDR_FOUND : LDR_FOUND_AGED;
}

/*
 * A sample of the time stands for the gets since the last multiple of it. No sample is taken when most, or all, had to look
 * further.
 */
static __attribute__((noinline)) void take_samples(struct ldr_group *group, const struct looks *looks,
                                                   const struct larder_slice *keys)
{
    uint64_t gets = ldr_lane_read(looks->lane, LDR_GETS);
    if (looks->timed && gets / SAMPLE != looks->gets / SAMPLE) {
        uint64_t each = (larder_now(group->context->runtime) - looks->begun) / looks->count;
        ldr_histogram_add_sample(&group->get_latency, each, SAMPLE);
    }
    if (looks->sampled && gets != looks->gets)
        ldr_group_sample(group, looks->lane, &keys[ldr_mix(gets) % looks->count], gets - looks->gets);
}

static void end(struct ldr_group *group, const struct looks *looks, const struct larder_slice *keys)
{
    if (__builtin_expect(looks->timed | looks->sampled, 0))
        take_samples(group, looks, keys);
}

uint64_t ldr_group_look_time(const struct ldr_group *group, size_t count)
{
    return count > 1 || group->ttl_ms != LARDER_TTL_NONE ? larder_now(group->context->runtime) : LDR_NOW;
}

enum ldr_look ldr_group_look_copy(struct ldr_group *group, struct ldr_copy *copy)
{
    if (!answers_alone(group))
        return LDR_LOOK_FURTHER;
    struct looks looks = begin(group, 1);
    enum ldr_look look = outcome(group, &looks, ldr_store_copy(group->store, copy, LDR_NOW));
    end(group, &looks, &copy->key);
    return look;
}

static enum ldr_look take(struct ldr_group *group, const struct looks *looks, uint64_t now, struct ldr_entry **entry)
{
    enum ldr_found found = found_of(group, *entry, now);
    if (found != LDR_FOUND) {
        ldr_entry_release(*entry);
        *entry = NULL;
    }
    return outcome(group, looks, found);
}

enum ldr_look ldr_group_look(struct ldr_group *group, struct larder_slice key, uint64_t now, struct ldr_entry **entry)
{
    *entry = NULL;
    if (!answers_alone(group))
        return LDR_LOOK_FURTHER;
    struct looks looks = begin(group, 1);
    *entry = ldr_store_get(group->store, key, now);
    enum ldr_look look = take(group, &looks, now, entry);
    end(group, &looks, &key);
    return look;
}

void ldr_group_look_many(struct ldr_group *group, const struct larder_slice *keys, size_t count, uint64_t now,
                         enum ldr_look *looks, struct ldr_entry **entries)
{
    if (!answers_alone(group)) {
        for (size_t i = 0; i < count; i++)
            looks[i] = LDR_LOOK_FURTHER;
        return;
    }
    struct looks under_way = begin(group, count);
    ldr_store_get_many(group->store, keys, count, now, entries);
    for (size_t i = 0; i < count; i++)
        looks[i] = take(group, &under_way, now, &entries[i]);
    end(group, &under_way, keys);
}
