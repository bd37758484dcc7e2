#include "bench/hostile.h"
#include "bench/child.h"
#include "core/base/bytes.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"
#include "tests/unit/hostile_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNT       100000u
#define QUICK_COUNT 10000u
#define SIZE_MOST   HOSTILE_MURMUR3_SIZE
#define VALUE_SIZE  100
#define ROUNDS      15
#define RUN_STEPS   3

extern const struct larder_eviction larder_plugin_table__eviction_lru;

/* The same seeds as the ring's default. */
static void make_crc32(uint64_t number, unsigned char *key)
{
    hostile_crc32(number, 0, UINT32_C(0xdecade00), key);
}

static void make_murmur3(uint64_t number, unsigned char *key)
{
    hostile_murmur3(number, 0, UINT64_C(0x0123456789abcdef), key);
}

struct kind {
    const char *name, *title;
    size_t size;
    void (*make)(uint64_t number, unsigned char *key);
};

static const struct kind kinds[] = {
    {"hostile-crc32", "gets of keys that all collide under crc32, and of ordinary ones of 12 B; values of 100 B",
     HOSTILE_CRC32_SIZE, make_crc32},
    {"hostile-murmur3", "gets of keys that all collide under murmur3, and of ordinary ones of 32 B; values of 100 B",
     HOSTILE_MURMUR3_SIZE, make_murmur3},
};

struct hostile_arg {
    const struct kind *kind;
    uint32_t count; /* of keys, at most COUNT */
};

struct hostile_result {
    double hostile_ns, ordinary_ns; /* of a get; medians of the rounds */
};

/* ------------------------------------------------------------------------------------------------ in the child */

/* Keys of one kind, and the store that holds them. */
struct side {
    struct ldr_store *store;
    size_t size;
    uint32_t count;
    double times[ROUNDS];
    unsigned char keys[COUNT][SIZE_MOST];
};

static uint64_t draw(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 32;
}

static void make_ordinary(unsigned char *key, size_t size, uint64_t *random)
{
    for (size_t i = 0; i < size; i++)
        key[i] = (unsigned char)draw(random);
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void shuffle(uint32_t *order, uint32_t count, uint64_t *random)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)(draw(random) % i), kept = order[other];
        order[other] = order[i - 1];
        order[i - 1] = kept;
    }
}

static bool fill(struct side *side)
{
    static const char value[VALUE_SIZE];
    const struct ldr_store_options options = {.max_bytes = UINT64_C(256) << 20,
                                              .max_value = VALUE_SIZE,
                                              .eviction = &larder_plugin_table__eviction_lru,
                                              .seed = 4711};
    side->store = ldr_store_open(&options);
    for (uint32_t i = 0; side->store != NULL && i < side->count; i++) {
        const struct ldr_put put = {.key = ldr_slice(side->keys[i], side->size),
                                    .value = ldr_slice(value, sizeof value),
                                    .expires = LARDER_NEVER};
        if (ldr_store_put(side->store, &put, 0, NULL) != LARDER_OK)
            return false;
    }
    return side->store != NULL;
}

/* Each key once, in a random order. False when one was not found. */
static bool get_all(struct side *side, unsigned round, const uint32_t *order)
{
    uint32_t found = 0;
    double start = seconds();
    for (uint32_t i = 0; i < side->count; i++) {
        struct ldr_entry *entry = ldr_store_get(side->store, ldr_slice(side->keys[order[i]], side->size), 0);
        found += entry != NULL;
        ldr_entry_release(entry);
    }
    side->times[round] = (seconds() - start) * 1e9 / side->count;
    return found == side->count;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(struct side *side)
{
    qsort(side->times, ROUNDS, sizeof side->times[0], by_value);
    return side->times[ROUNDS / 2];
}

/* Both stores in turn, so that what else the machine does meets both. */
static bool measure_hostile(const void *opaque, void *result)
{
    static struct side hostile, ordinary;
    static uint32_t order[COUNT];
    const struct hostile_arg *arg = opaque;
    uint64_t random = 1;
    hostile.size = ordinary.size = arg->kind->size;
    hostile.count = ordinary.count = arg->count;
    for (uint32_t i = 0; i < arg->count; i++) {
        arg->kind->make(i, hostile.keys[i]);
        make_ordinary(ordinary.keys[i], ordinary.size, &random);
    }
    bool right = fill(&hostile) && fill(&ordinary);
    for (unsigned round = 0; right && round < ROUNDS; round++) {
        shuffle(order, arg->count, &random);
        right = get_all(&hostile, round, order) && get_all(&ordinary, round, order);
    }
    if (!right)
        fprintf(stderr, "%s: a key was not stored or not found\n", arg->kind->name);
    *(struct hostile_result *)result = (struct hostile_result){median(&hostile), median(&ordinary)};
    return right;
}

/* ------------------------------------------------------------------------------------------------ in the parent */

static bool takes_part(const struct settings *settings, const struct kind *kind)
{
    return settings_row(settings, kind->name) && settings_contender(settings, contender_larder_lru.name);
}

void hostile_plan(const struct settings *settings, struct report *report)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (takes_part(settings, &kinds[i]))
            report_plan(report, RUN_STEPS);
}

bool hostile_run(const struct settings *settings, struct report *report)
{
    bool right = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct hostile_arg arg = {&kinds[i], settings->quick ? QUICK_COUNT : COUNT};
        struct hostile_result result;
        if (!takes_part(settings, &kinds[i]))
            continue;
        report_row(report, kinds[i].name, kinds[i].title);
        report_progress(report, kinds[i].name, 0);
        bool done = child_call(measure_hostile, &arg, &result, sizeof result);
        report_progress(report, kinds[i].name, RUN_STEPS);
        const struct field fields[] = {
            {"hostile_ns", "hostile ns", 1, result.hostile_ns},
            {"ordinary_ns", "ordinary ns", 1, result.ordinary_ns},
            {"ratio", "ratio", 3, result.hostile_ns / result.ordinary_ns},
        };
        if (done)
            report_line(report, contender_larder_lru.name, fields, sizeof fields / sizeof *fields);
        right = right && done;
    }
    return right;
}
