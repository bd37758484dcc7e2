#include "bench/expiry.h"
#include "bench/child.h"
#include "bench/latency.h"
#include "core/base/bytes.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* As in core/node/node.c: a tick so long after the last one, and so many entries in one. */
#define TICK_MS      250
#define EXPIRE_BATCH 10000

#define SECOND     UINT64_C(1000000000)
#define START      SECOND /* the store's time when the first of them are about to expire */
#define VALUE_SIZE 100
#define ENTRY_ROOM 256u /* bytes an entry: more than it takes, so that none is evicted */
#define LIVING     10u  /* for so many that expire there is one that never does */
#define RUN_STEPS  60

static const char row_name[] = "expiry";

extern const struct larder_eviction larder_plugin_table__eviction_lru;

struct expiry_arg {
    uint32_t dying, living; /* entries; numbers of keys that live follow those that die */
};

struct expiry_result {
    double expired, seconds;
    struct percentiles gets, baseline;
};

/* ------------------------------------------------------------------------------------------------ in the child */

struct scene {
    const struct expiry_arg *arg;
    struct ldr_store *store;
    bool moving;          /* else time stands at the start, and nothing ever expires */
    uint64_t began, gets; /* on the machine's clock; to do when time stands, else done */
    _Atomic bool over;
    uint64_t ended; /* when all were gone */
    uint64_t wrong; /* gets that missed what lives or found what does not */
    struct latency latency;
};

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t scene_now(const struct scene *scene)
{
    return scene->moving ? START + (monotonic_ns() - scene->began) : START;
}

/*
 * Multiples of the golden ratio fill a second evenly (D. Knuth, "The Art of Computer Programming", 6.4), and neighbours
 * in memory do not expire together.
 */
static uint64_t expires(const struct expiry_arg *arg, uint32_t number)
{
    uint64_t part = (uint32_t)(number * UINT32_C(0x9e3779b9));
    return number < arg->dying ? START + 1 + (part * SECOND >> 32) : LARDER_NEVER;
}

static bool fill(const struct scene *scene)
{
    char key[KEY_SIZE], value[VALUE_SIZE] = {0};
    for (uint32_t i = 0; i < scene->arg->dying + scene->arg->living; i++) {
        workload_key(i, key);
        workload_stamp(i, value);
        const struct ldr_put put = {.key = ldr_slice(key, sizeof key),
                                    .value = ldr_slice(value, sizeof value),
                                    .expires = expires(scene->arg, i)};
        if (ldr_store_put(scene->store, &put, START, NULL) != LARDER_OK)
            return false;
    }
    return true;
}

/* What the node's timer does. When all are gone no entry will ever be due. */
static void *tick(void *arg)
{
    struct scene *scene = arg;
    while (!atomic_load_explicit(&scene->over, memory_order_relaxed)) {
        nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
        if (ldr_store_expire(scene->store, scene_now(scene), EXPIRE_BATCH) == LARDER_NEVER) {
            scene->ended = monotonic_ns();
            atomic_store_explicit(&scene->over, true, memory_order_relaxed);
        }
    }
    return NULL;
}

/* Every other key is one of those that live. Of the others gets find most past their time before the timer does. */
static uint32_t draw_number(const struct expiry_arg *arg, uint64_t i)
{
    uint64_t random = workload_mix(i);
    uint32_t high = (uint32_t)(random >> 32);
    if ((random & 1) != 0)
        return arg->dying + (uint32_t)((uint64_t)high * arg->living >> 32);
    return (uint32_t)((uint64_t)high * arg->dying >> 32);
}

/* One whose time has not passed may be gone already: the timer may have read its clock later. */
static bool is_right(const struct scene *scene, uint32_t number, uint64_t now, const struct ldr_copy *copy)
{
    if (copy->found == LDR_FOUND)
        return workload_stamped(number, copy->buffer) && expires(scene->arg, number) > now;
    return number < scene->arg->dying && scene->moving;
}

static void time_get(struct scene *scene, uint32_t number)
{
    char key[KEY_SIZE], value[VALUE_SIZE];
    struct ldr_copy copy = {.key = {key, sizeof key}, .buffer = value, .capacity = sizeof value};
    workload_key(number, key);
    uint64_t now = scene_now(scene), start = latency_now();
    ldr_store_copy(scene->store, &copy, now);
    latency_add(&scene->latency, latency_now() - start);
    scene->wrong += !is_right(scene, number, now, &copy);
}

/*
 * The first get of a process registers it for membarrier(2), for which the system takes milliseconds when there are
 * other threads already. That has nothing to do with expiry.
 */
static void get_first(const struct scene *scene)
{
    char key[KEY_SIZE], value[VALUE_SIZE];
    struct ldr_copy copy = {.key = {key, sizeof key}, .buffer = value, .capacity = sizeof value};
    workload_key(scene->arg->dying, key);
    ldr_store_copy(scene->store, &copy, START);
}

static void time_gets(struct scene *scene)
{
    uint64_t i = 0;
    for (; scene->moving ? !atomic_load_explicit(&scene->over, memory_order_relaxed) : i < scene->gets; i++)
        time_get(scene, draw_number(scene->arg, i));
    scene->gets = i;
    atomic_store_explicit(&scene->over, true, memory_order_relaxed);
}

/* False when the store did not do what it is to do. */
static bool check(const struct scene *scene)
{
    struct ldr_store_stats stats;
    ldr_store_stats(scene->store, &stats);
    uint64_t expired = scene->moving ? scene->arg->dying : 0;
    bool right = scene->wrong == 0 && stats.evictions == 0 && stats.expirations == expired &&
                 stats.entries == scene->arg->dying + scene->arg->living - expired;
    if (!right)
        fprintf(stderr, "expiry: %" PRIu64 " gets were wrong, %" PRIu64 " entries expired, %" PRIu64 " were evicted\n",
                scene->wrong, stats.expirations, stats.evictions);
    return right;
}

/* Fills a store of its own, and times gets beside the timer. */
static bool play(struct scene *scene)
{
    const struct ldr_store_options options = {.max_bytes = ((uint64_t)scene->arg->dying + scene->arg->living) *
                                                           ENTRY_ROOM,
                                              .max_value = VALUE_SIZE,
                                              .eviction = &larder_plugin_table__eviction_lru,
                                              .seed = UINT64_C(0x5eed5eed5eed5eed)};
    pthread_t timer;
    scene->store = ldr_store_open(&options);
    if (scene->store == NULL || !fill(scene)) {
        fprintf(stderr, "expiry: the store could not be filled\n");
        return false;
    }
    get_first(scene);
    scene->began = monotonic_ns();
    if (pthread_create(&timer, NULL, tick, scene) != 0)
        return false;
    time_gets(scene);
    pthread_join(timer, NULL);
    bool right = check(scene);
    ldr_store_close(scene->store);
    return right;
}

/* As many gets while nothing expires come second, since it is not known before how many they are. */
static bool measure_expiry(const void *opaque, void *opaque_result)
{
    static struct scene moving, standing;
    struct expiry_result *result = opaque_result;
    struct latency_timer timer;
    latency_timer_calibrate(&timer);
    moving.arg = standing.arg = opaque;
    moving.moving = true;
    if (!play(&moving))
        return false;
    standing.gets = moving.gets;
    if (!play(&standing))
        return false;
    *result = (struct expiry_result){.expired = moving.arg->dying,
                                     .seconds = (double)(moving.ended - moving.began) / (double)SECOND,
                                     .gets = latency_read(&moving.latency, &timer),
                                     .baseline = latency_read(&standing.latency, &timer)};
    return true;
}

/* ------------------------------------------------------------------------------------------------ in the parent */

static bool takes_part(const struct settings *settings)
{
    return settings_row(settings, row_name) && settings_contender(settings, contender_larder_lru.name);
}

void expiry_plan(const struct settings *settings, struct report *report)
{
    if (takes_part(settings))
        report_plan(report, RUN_STEPS);
}

static void report_expiry(struct report *report, const struct expiry_result *result)
{
    const struct field fields[] = {
        {"expired", "expired", 0, result->expired},
        {"seconds", "seconds", 2, result->seconds},
        {"p50_ns", "p50 ns", 0, result->gets.p50},
        {"p9999_ns", "p99.99 ns", 0, result->gets.p9999},
        {"worst_ns", "worst ns", 0, result->gets.worst},
        {"baseline_p50_ns", "else p50", 0, result->baseline.p50},
        {"baseline_p9999_ns", "else p99.99", 0, result->baseline.p9999},
        {"baseline_worst_ns", "else worst", 0, result->baseline.worst},
    };
    report_line(report, contender_larder_lru.name, fields, sizeof fields / sizeof *fields);
}

bool expiry_run(const struct settings *settings, struct report *report)
{
    const struct expiry_arg arg = {settings->keys, settings->keys / LIVING};
    struct expiry_result result;
    if (!takes_part(settings))
        return true;
    report_row(report, row_name,
               "gets of 100 B while entries expire that are all due within one second, else while none does");
    report_progress(report, row_name, 0);
    bool done = child_call(measure_expiry, &arg, &result, sizeof result);
    report_progress(report, row_name, RUN_STEPS);
    if (done)
        report_expiry(report, &result);
    return done;
}
