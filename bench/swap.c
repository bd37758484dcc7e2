#include "bench/swap.h"
#include "bench/child.h"
#include "bench/latency.h"
#include "core/base/bytes.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define VALUE_SIZE 100
#define ENTRY_ROOM 256u /* bytes an entry: more than it takes, so that none is evicted */
#define CHANGES    10u
#define PAUSE_MS   20 /* between changes */
#define RUN_STEPS  60

static const char row_name[] = "swap";

extern const struct larder_eviction larder_plugin_table__eviction_lru, larder_plugin_table__eviction_fifo;

struct swap_arg {
    uint32_t entries;
    uint64_t budget;
};

struct swap_result {
    double change_ns, shard_cpu_ns;
    struct percentiles shards, gets, sets, baseline_gets, baseline_sets;
};

/* ------------------------------------------------------------------------------------------------ in the child */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/*
 * Modules that time how long a shard's state is drained, from the first entry to its closing, all of it under the shard's
 * lock. Nothing else is evicted, and one shard changes at a time. By the thread's time, too: on a machine that has other
 * things to do the lock is held longer, but not by what is done under it.
 */
static struct {
    uint64_t began, began_cpu; /* 0: no entry has left the state yet */
    uint64_t longest_cpu;
    struct latency times;
} drain;

static uint32_t timed_evict(const struct larder_eviction *module, void *state)
{
    if (drain.began == 0) {
        drain.began = latency_now();
        drain.began_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    }
    return module->evict(state);
}

static void timed_close(const struct larder_eviction *module, void *state)
{
    module->close(state);
    if (drain.began == 0)
        return;
    latency_add(&drain.times, latency_now() - drain.began);
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - drain.began_cpu;
    drain.longest_cpu = cpu > drain.longest_cpu ? cpu : drain.longest_cpu;
    drain.began = 0;
}

static uint32_t lru_evict(void *state)
{
    return timed_evict(&larder_plugin_table__eviction_lru, state);
}

static void lru_close(void *state)
{
    timed_close(&larder_plugin_table__eviction_lru, state);
}

static uint32_t fifo_evict(void *state)
{
    return timed_evict(&larder_plugin_table__eviction_fifo, state);
}

static void fifo_close(void *state)
{
    timed_close(&larder_plugin_table__eviction_fifo, state);
}

struct scene {
    const struct swap_arg *arg;
    struct ldr_store *store;
    struct larder_eviction lru, fifo;
    _Atomic bool over;
    uint64_t wrong; /* gets that missed */
    struct latency gets, sets;
};

static enum larder_status put(struct ldr_store *store, uint32_t number)
{
    char key[KEY_SIZE], value[VALUE_SIZE] = {0};
    workload_key(number, key);
    workload_stamp(number, value);
    const struct ldr_put put = {
        .key = ldr_slice(key, sizeof key), .value = ldr_slice(value, sizeof value), .expires = LARDER_NEVER};
    return ldr_store_put(store, &put, 0, NULL);
}

static void time_get(struct scene *scene, uint32_t number)
{
    char key[KEY_SIZE], value[VALUE_SIZE];
    struct ldr_copy copy = {.key = {key, sizeof key}, .buffer = value, .capacity = sizeof value};
    workload_key(number, key);
    uint64_t start = latency_now();
    ldr_store_copy(scene->store, &copy, 0);
    latency_add(&scene->gets, latency_now() - start);
    scene->wrong += copy.found != LDR_FOUND || !workload_stamped(number, copy.buffer);
}

static uint32_t draw(const struct scene *scene, uint64_t i)
{
    return (uint32_t)((workload_mix(i) >> 32) * scene->arg->entries >> 32);
}

/* A reader and a writer in turn, so that there are two threads for two processors. */
static void *use(void *arg)
{
    struct scene *scene = arg;
    for (uint64_t i = 0; !atomic_load_explicit(&scene->over, memory_order_relaxed); i++) {
        time_get(scene, draw(scene, 2 * i));
        uint32_t number = draw(scene, 2 * i + 1);
        uint64_t start = latency_now();
        scene->wrong += put(scene->store, number) != LARDER_OK;
        latency_add(&scene->sets, latency_now() - start);
    }
    return NULL;
}

static void pause_between(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
}

/* The longest change in ns, there and back again; with `standing` there is none, but as long a pause. */
static uint64_t run_changes(struct scene *scene, bool standing)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < 2 * CHANGES; i++) {
        const struct larder_eviction *eviction = i % 2 == 0 ? &scene->fifo : &scene->lru;
        pause_between();
        uint64_t start = clock_ns(CLOCK_MONOTONIC);
        if (standing)
            pause_between();
        else
            scene->wrong += ldr_store_set_eviction(scene->store, eviction, NULL) != LARDER_OK;
        uint64_t ns = clock_ns(CLOCK_MONOTONIC) - start;
        longest = ns > longest ? ns : longest;
    }
    return longest;
}

static bool open_scene(struct scene *scene)
{
    scene->lru = larder_plugin_table__eviction_lru;
    scene->lru.evict = lru_evict;
    scene->lru.close = lru_close;
    scene->fifo = larder_plugin_table__eviction_fifo;
    scene->fifo.evict = fifo_evict;
    scene->fifo.close = fifo_close;
    const struct ldr_store_options options = {.max_bytes = scene->arg->budget,
                                              .max_value = VALUE_SIZE,
                                              .eviction = &scene->lru,
                                              .seed = UINT64_C(0x5eed5eed5eed5eed)};
    scene->store = ldr_store_open(&options);
    bool filled = scene->store != NULL;
    for (uint32_t i = 0; filled && i < scene->arg->entries; i++)
        filled = put(scene->store, i) == LARDER_OK;
    if (!filled)
        fprintf(stderr, "swap: the store could not be filled\n");
    memset(&drain, 0, sizeof drain); /* shards were laid out anew while they were filled */
    return filled;
}

static bool check(const struct scene *scene)
{
    struct ldr_store_stats stats;
    ldr_store_stats(scene->store, &stats);
    bool right = scene->wrong == 0 && stats.evictions == 0 && stats.entries == scene->arg->entries;
    if (!right)
        fprintf(stderr, "swap: %" PRIu64 " calls were wrong, %" PRIu64 " entries evicted\n", scene->wrong,
                stats.evictions);
    return right;
}

static bool play(struct scene *scene, bool standing, uint64_t *longest)
{
    pthread_t user;
    if (!open_scene(scene) || pthread_create(&user, NULL, use, scene) != 0)
        return false;
    *longest = run_changes(scene, standing);
    atomic_store_explicit(&scene->over, true, memory_order_relaxed);
    pthread_join(user, NULL);
    bool right = check(scene);
    ldr_store_close(scene->store);
    return right;
}

static bool measure_swap(const void *opaque, void *opaque_result)
{
    static struct scene changing, standing;
    struct swap_result *result = opaque_result;
    struct latency_timer timer;
    uint64_t longest = 0, pause = 0;
    latency_timer_calibrate(&timer);
    changing.arg = standing.arg = opaque;
    if (!play(&changing, false, &longest))
        return false;
    struct percentiles shards = latency_read(&drain.times, &timer);
    uint64_t shard_cpu = drain.longest_cpu;
    if (!play(&standing, true, &pause))
        return false;
    *result = (struct swap_result){.change_ns = (double)longest,
                                   .shards = shards,
                                   .shard_cpu_ns = (double)shard_cpu,
                                   .gets = latency_read(&changing.gets, &timer),
                                   .sets = latency_read(&changing.sets, &timer),
                                   .baseline_gets = latency_read(&standing.gets, &timer),
                                   .baseline_sets = latency_read(&standing.sets, &timer)};
    return true;
}

/* ------------------------------------------------------------------------------------------------ in the parent */

static bool takes_part(const struct settings *settings)
{
    return settings_row(settings, row_name) && settings_contender(settings, contender_larder_lru.name);
}

void swap_plan(const struct settings *settings, struct report *report)
{
    if (takes_part(settings))
        report_plan(report, RUN_STEPS);
}

static void report_swap(struct report *report, const struct swap_result *result)
{
    const struct field fields[] = {
        {"change_ns", "change ns", 0, result->change_ns},
        {"shard_p50_ns", "a shard p50", 0, result->shards.p50},
        {"shard_worst_ns", "worst", 0, result->shards.worst},
        {"shard_cpu_ns", "worst CPU ns", 0, result->shard_cpu_ns},
        {"get_p9999_ns", "get p99.99", 0, result->gets.p9999},
        {"get_worst_ns", "get worst", 0, result->gets.worst},
        {"set_p9999_ns", "set p99.99", 0, result->sets.p9999},
        {"set_worst_ns", "set worst", 0, result->sets.worst},
        {"baseline_get_worst_ns", "else get worst", 0, result->baseline_gets.worst},
        {"baseline_set_worst_ns", "else set worst", 0, result->baseline_sets.worst},
    };
    report_line(report, contender_larder_lru.name, fields, sizeof fields / sizeof *fields);
}

bool swap_run(const struct settings *settings, struct report *report)
{
    const struct swap_arg arg = {settings->keys, (uint64_t)settings->keys * ENTRY_ROOM};
    struct swap_result result;
    if (!takes_part(settings))
        return true;
    report_row(report, row_name,
               "gets and sets of 100 B while the policy changes to FIFO and back, else while it does not; the longest "
               "change, and how long one shard is locked for it");
    report_progress(report, row_name, 0);
    bool done = child_call(measure_swap, &arg, &result, sizeof result);
    report_progress(report, row_name, RUN_STEPS);
    if (done)
        report_swap(report, &result);
    return done;
}
