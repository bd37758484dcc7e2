#include "core/group/hot.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/spin.h"

#define BUFFER 2048

/* A thread's samples come so far apart, if its load allows: then the gap grows or shrinks. */
#define TOO_SOON_NS 25000u
#define TOO_LATE_NS 100000u

#define SCALE_MASK ((UINT64_C(1) << LDR_HOT_SCALE_BITS) - 1)
_Static_assert(LDR_HOT_GAP == 1 << 8 && 8 <= SCALE_MASK, "a gap is kept as its binary logarithm");
#define MOST_SCALE 8

/* What stands before a key in a buffer. */
struct sample {
    uint64_t digest, group;
    double gets;
    uint16_t key_size, kept;
};

/*
 * A lane's buffer. Its thread only tries the lock, which others hold while they empty it: then a sample is lost. The last lane
 * is shared by the threads that have none of their own.
 */
struct feed {
    _Alignas(64) struct ldr_spin lock; /* all that follows */
    uint32_t used;
    unsigned scale;  /* binary logarithm of the gap */
    uint64_t random; /* never 0 */
    uint64_t last;   /* the time of the last sample */
    unsigned char bytes[BUFFER];
};

/* Order of locks: a feed's, then the table's. Both are held for microseconds. */
struct ldr_hot {
    const struct larder_runtime *runtime;
    struct ldr_spin lock; /* the table */
    struct ldr_hot_table *table;
    struct feed feeds[LDR_EPOCH_LANES];
};

struct ldr_hot *ldr_hot_open(const struct larder_runtime *runtime, size_t keys)
{
    struct ldr_hot *hot = aligned_alloc(64, sizeof *hot);
    if (hot == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    memset(hot, 0, sizeof *hot);
    hot->runtime = runtime;
    uint64_t seed = runtime->random(runtime);
    hot->table = ldr_hot_table_open(keys, seed, larder_now(runtime));
    if (hot->table == NULL) {
        free(hot);
        ldr_fail_memory();
        return NULL;
    }
    for (size_t i = 0; i < LDR_EPOCH_LANES; i++)
        hot->feeds[i].random = ldr_mix(seed + i) | 1;
    return hot;
}

void ldr_hot_close(struct ldr_hot *hot)
{
    if (hot == NULL)
        return;
    ldr_hot_table_close(hot->table);
    free(hot);
}

size_t ldr_hot_bytes(const struct ldr_hot *hot)
{
    return sizeof *hot + ldr_hot_table_bytes(hot->table);
}

uint64_t ldr_hot_name_hash(struct larder_slice name)
{
    return ldr_hash(name, 0);
}

struct ldr_hot_key ldr_hot_key(uint64_t group, uint64_t name_hash, struct larder_slice key)
{
    return (struct ldr_hot_key){.digest = ldr_hash(key, name_hash), .group = group, .key = key};
}

double ldr_hot_count(struct ldr_hot *hot, const struct ldr_hot_key *key, uint64_t now)
{
    ldr_spin_lock(&hot->lock);
    double rate = ldr_hot_table_count(hot->table, key, 1, now);
    ldr_spin_unlock(&hot->lock);
    return rate;
}

/* ------------------------------------------------------------------------------------------------ sampling */

/* With both locks held. */
static void empty(struct ldr_hot *hot, struct feed *feed, uint64_t now)
{
    for (uint32_t at = 0; at < feed->used;) {
        struct sample sample;
        memcpy(&sample, feed->bytes + at, sizeof sample);
        at += sizeof sample;
        const struct ldr_hot_key key = {sample.digest, sample.group, {feed->bytes + at, sample.key_size}};
        at += sample.kept;
        ldr_hot_table_count(hot->table, &key, sample.gets, now);
    }
    feed->used = 0;
}

/* Of a longer key than is kept the rest is not there, and nobody looks for it. */
static void put(struct feed *feed, const struct ldr_hot_key *key, double gets)
{
    struct sample sample = {
        .digest = key->digest,
        .group = key->group,
        .gets = gets,
        .key_size = (uint16_t)key->key.size,
        .kept = (uint16_t)(key->key.size < LDR_HOT_KEY ? key->key.size : LDR_HOT_KEY),
    };
    memcpy(feed->bytes + feed->used, &sample, sizeof sample);
    feed->used += (uint32_t)sizeof sample;
    memcpy(feed->bytes + feed->used, key->key.data, sample.kept);
    feed->used += sample.kept;
}

/* With the feed's lock held. A table that others are at gets what is there later: until then samples are lost. */
static void take(struct ldr_hot *hot, struct feed *feed, const struct ldr_hot_key *key, double gets, uint64_t now)
{
    const uint32_t most = sizeof(struct sample) + LDR_HOT_KEY;
    if (feed->used + most > BUFFER && ldr_spin_try(&hot->lock)) {
        empty(hot, feed, now);
        ldr_spin_unlock(&hot->lock);
    }
    if (feed->used + most <= BUFFER)
        put(feed, key, gets);
}

static void rescale(struct feed *feed, uint64_t now)
{
    uint64_t apart = now > feed->last ? now - feed->last : 0;
    if (apart < TOO_SOON_NS && feed->scale < MOST_SCALE)
        feed->scale++;
    for (; apart > TOO_LATE_NS && feed->scale > 0; apart /= 2)
        feed->scale--;
    feed->last = now;
}

/* 1 to 2 * gap - 1, all alike: on average the gap. xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003). */
static uint64_t draw_gap(struct feed *feed)
{
    feed->random ^= feed->random << 13;
    feed->random ^= feed->random >> 7;
    feed->random ^= feed->random << 17;
    return 1 + (feed->random >> 32) % ((UINT64_C(2) << feed->scale) - 1);
}

uint64_t ldr_hot_sample(struct ldr_hot *hot, const struct ldr_hot_key *key, uint64_t batch, uint64_t gets,
                        uint64_t next)
{
    struct feed *feed = &hot->feeds[ldr_epoch_lane()];
    uint64_t now = larder_now(hot->runtime); /* without a lock, like all that is not this file's */
    if (!ldr_spin_try(&feed->lock))
        return (gets + 1) << LDR_HOT_SCALE_BITS | (next & SCALE_MASK);
    uint64_t stands_for = UINT64_C(1) << (next & SCALE_MASK);
    if (key != NULL)
        take(hot, feed, key, (double)(stands_for > batch ? stands_for : batch), now);
    rescale(feed, now);
    next = (gets + draw_gap(feed)) << LDR_HOT_SCALE_BITS | feed->scale;
    ldr_spin_unlock(&feed->lock);
    return next;
}

/* ------------------------------------------------------------------------------------------------ reading */

void ldr_hot_settle(struct ldr_hot *hot)
{
    uint64_t now = larder_now(hot->runtime);
    for (size_t i = 0; i < LDR_EPOCH_LANES; i++) {
        struct feed *feed = &hot->feeds[i];
        ldr_spin_lock(&feed->lock);
        ldr_spin_lock(&hot->lock);
        empty(hot, feed, now);
        ldr_spin_unlock(&hot->lock);
        ldr_spin_unlock(&feed->lock);
    }
}

size_t ldr_hot_read(struct ldr_hot *hot, uint64_t group, struct ldr_hot_item *items, size_t capacity)
{
    ldr_hot_settle(hot);
    uint64_t now = larder_now(hot->runtime);
    ldr_spin_lock(&hot->lock);
    size_t count = ldr_hot_table_read(hot->table, now, group, items, capacity);
    ldr_spin_unlock(&hot->lock);
    return count;
}

size_t ldr_hot_known(struct ldr_hot *hot)
{
    ldr_hot_settle(hot);
    uint64_t now = larder_now(hot->runtime);
    ldr_spin_lock(&hot->lock);
    size_t known = ldr_hot_table_known(hot->table, now);
    ldr_spin_unlock(&hot->lock);
    return known;
}

size_t ldr_hot_room(const struct ldr_hot *hot)
{
    return ldr_hot_table_room(hot->table);
}
