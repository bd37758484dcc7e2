#include "core/group/hot_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

#define WAYS 16

/* exp(-1/20): what a step leaves of a count. */
#define STEP_KEEPS 0.951229424500714

/* A count below this is forgotten. */
#define LEAST 0.5

/* No rate is told from less than a second. */
#define SHORTEST_NS 1e9

/* What is looked at to find a key, and to find the coldest. A place is free when its count is 0. */
struct set {
    uint64_t digests[WAYS];
    double counts[WAYS];
};

/* The rest of a key. */
struct entry {
    uint64_t group;
    uint64_t since; /* when it came in, or when the last step was */
    double own;     /* part of its count that was counted for this key, not taken over */
    double span;    /* what the decay has left of the time from its coming to `since`, ns */
    uint32_t seen;  /* how often it was counted, up to 2 */
    uint16_t key_size, kept;
    unsigned char key[LDR_HOT_KEY];
};

struct ldr_hot_table {
    size_t sets;
    uint64_t random;
    uint64_t stepped;      /* the time of the last step */
    size_t known;          /* entries that were counted twice */
    struct entry *entries; /* of a set: WAYS in a row */
    struct set set[];
};

struct ldr_hot_table *ldr_hot_table_open(size_t keys, uint64_t seed, uint64_t now)
{
    size_t sets = keys / WAYS + (keys % WAYS != 0), bytes, entries;
    struct ldr_hot_table *table = NULL;
    if (!ldr_multiply(sets, sizeof(struct set), &bytes) || !ldr_add(bytes, sizeof *table, &bytes) ||
        !ldr_multiply(sets, WAYS * sizeof(struct entry), &entries))
        return NULL;
    table = calloc(1, bytes);
    if (table == NULL)
        return NULL;
    table->sets = sets;
    table->random = seed | 1;
    table->stepped = now;
    table->entries = calloc(1, entries);
    if (table->entries == NULL) {
        free(table);
        return NULL;
    }
    return table;
}

void ldr_hot_table_close(struct ldr_hot_table *table)
{
    if (table == NULL)
        return;
    free(table->entries);
    free(table);
}

size_t ldr_hot_table_bytes(const struct ldr_hot_table *table)
{
    return sizeof *table + table->sets * (sizeof(struct set) + WAYS * sizeof(struct entry));
}

size_t ldr_hot_table_room(const struct ldr_hot_table *table)
{
    return table->sets * WAYS;
}

/* ------------------------------------------------------------------------------------------------ decay */

/* `steps` steps at once: what they leave of a count, and of the time that they last. */
struct decay {
    double keeps;
    double adds; /* ns */
};

static struct decay decay_of(uint64_t steps)
{
    struct decay decay = {1, 0};
    for (uint64_t i = 0; i < steps && decay.keeps > 1e-9; i++) {
        decay.keeps *= STEP_KEEPS;
        decay.adds += decay.keeps * (double)LDR_HOT_STEP_NS;
    }
    return decay;
}

static void forget(struct ldr_hot_table *table, struct set *set, size_t way, struct entry *entry)
{
    set->digests[way] = 0;
    set->counts[way] = 0;
    table->known -= entry->seen >= 2;
    entry->seen = 0;
}

static void step_entry(struct ldr_hot_table *table, size_t index, uint64_t first, const struct decay *decay)
{
    struct set *set = &table->set[index / WAYS];
    size_t way = index % WAYS;
    struct entry *entry = &table->entries[index];
    if (set->counts[way] == 0)
        return;
    set->counts[way] *= decay->keeps;
    entry->own *= decay->keeps;
    /* The first step ends a time that may have begun in its midst, the others are whole. */
    entry->span += (double)(first - entry->since) - (double)LDR_HOT_STEP_NS;
    entry->span = entry->span * decay->keeps + decay->adds;
    entry->since = table->stepped;
    if (set->counts[way] < LEAST)
        forget(table, set, way, entry);
}

static void step(struct ldr_hot_table *table, uint64_t now)
{
    if (now < table->stepped + LDR_HOT_STEP_NS)
        return;
    uint64_t steps = (now - table->stepped) / LDR_HOT_STEP_NS, first = table->stepped + LDR_HOT_STEP_NS;
    const struct decay decay = decay_of(steps);
    table->stepped += steps * LDR_HOT_STEP_NS;
    for (size_t i = 0; i < table->sets * WAYS; i++)
        step_entry(table, i, first, &decay);
}

/* ------------------------------------------------------------------------------------------------ counting */

/* xorshift64*: A. G. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016. */
static double chance(struct ldr_hot_table *table)
{
    table->random ^= table->random >> 12;
    table->random ^= table->random << 25;
    table->random ^= table->random >> 27;
    return (double)(table->random * UINT64_C(0x2545f4914f6cdd1d) >> 11) * 0x1p-53;
}

static double rate_of(const struct entry *entry, uint64_t now)
{
    double span = entry->span + (now > entry->since ? (double)(now - entry->since) : 0);
    return entry->own * 1e9 / (span > SHORTEST_NS ? span : SHORTEST_NS);
}

/* WAYS: it is not there. */
static size_t find(const struct set *set, uint64_t digest)
{
    size_t way = 0;
    while (way < WAYS && (set->digests[way] != digest || set->counts[way] == 0))
        way++;
    return way;
}

static size_t coldest(const struct set *set)
{
    size_t coldest = 0;
    for (size_t way = 1; way < WAYS; way++)
        if (set->counts[way] < set->counts[coldest])
            coldest = way;
    return coldest;
}

static void admit(struct ldr_hot_table *table, struct entry *entry, const struct ldr_hot_key *key, double gets,
                  uint64_t now)
{
    table->known -= entry->seen >= 2;
    *entry = (struct entry){
        .group = key->group,
        .since = now,
        .own = gets,
        .seen = 1,
        .key_size = (uint16_t)key->key.size,
        .kept = (uint16_t)(key->key.size < LDR_HOT_KEY ? key->key.size : LDR_HOT_KEY),
    };
    memcpy(entry->key, key->key.data, entry->kept);
}

double ldr_hot_table_count(struct ldr_hot_table *table, const struct ldr_hot_key *key, double gets, uint64_t now)
{
    step(table, now);
    /* The upper half chooses the set: as a part of all of them. */
    size_t index = (size_t)((key->digest >> 32) * table->sets >> 32);
    struct set *set = &table->set[index];
    size_t way = find(set, key->digest);
    if (way < WAYS) {
        struct entry *entry = &table->entries[index * WAYS + way];
        set->counts[way] += gets;
        entry->group = key->group; /* a group that was dropped and made again has another number */
        entry->own += gets;
        table->known += entry->seen == 1;
        entry->seen = 2;
        return rate_of(entry, now);
    }
    way = coldest(set);
    struct entry *entry = &table->entries[index * WAYS + way];
    double count = set->counts[way] + gets;
    if (chance(table) * count >= gets)
        return 0;
    set->digests[way] = key->digest;
    set->counts[way] = count;
    admit(table, entry, key, gets, now);
    return rate_of(entry, now);
}

/* ------------------------------------------------------------------------------------------------ reading */

static void copy_item(struct ldr_hot_item *item, const struct entry *entry, uint64_t digest, double rate)
{
    item->digest = digest;
    item->group = entry->group;
    item->rate = rate;
    item->key_size = entry->key_size;
    item->kept = entry->kept;
    memcpy(item->key, entry->key, entry->kept);
}

/* A heap of the hottest, the coldest of them first: the place from which on a hole is to be filled with `rate`. */
static size_t sink(struct ldr_hot_item *items, size_t count, double rate)
{
    size_t hole = 0;
    for (size_t child; (child = 2 * hole + 1) < count; hole = child) {
        child += child + 1 < count && items[child + 1].rate < items[child].rate;
        if (items[child].rate >= rate)
            break;
        items[hole] = items[child];
    }
    return hole;
}

static size_t rise(struct ldr_hot_item *items, size_t hole, double rate)
{
    for (size_t parent; hole > 0 && items[parent = (hole - 1) / 2].rate > rate; hole = parent)
        items[hole] = items[parent];
    return hole;
}

size_t ldr_hot_table_read(struct ldr_hot_table *table, uint64_t now, uint64_t group, struct ldr_hot_item *items,
                          size_t capacity)
{
    size_t count = 0;
    step(table, now);
    for (size_t i = 0; i < table->sets * WAYS && capacity > 0; i++) {
        const struct entry *entry = &table->entries[i];
        if (entry->seen < 2 || (group != 0 && entry->group != group))
            continue;
        double rate = rate_of(entry, now);
        size_t place;
        if (count < capacity)
            place = rise(items, count++, rate);
        else if (rate > items[0].rate)
            place = sink(items, count, rate);
        else
            continue;
        copy_item(&items[place], entry, table->set[i / WAYS].digests[i % WAYS], rate);
    }
    return count;
}

size_t ldr_hot_table_known(struct ldr_hot_table *table, uint64_t now)
{
    step(table, now);
    return table->known;
}
