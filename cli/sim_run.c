#include "sim_run.h"

#include <stdlib.h>
#include <time.h>

#include "progress.h"
#include "sim_cache.h"
#include "sim_keys.h"
#include "sim_optimum.h"
#include "trace.h"

#define BLOCK         512   /* requests that are read at a time: few enough to stay in the processor's first cache */
#define BATCH         16384 /* and that a cache gets at a time: enough for what it knows of their keys to get warm */
#define SHOW_EVERY_NS 200000000
#define SAMPLED_LEAST 1000 /* objects, as the table of docs/simulating.md suggests */

/* A state for bytes has room for a few more objects than it probably needs, but not for more than so many to begin with. */
#define SLOTS_LEAST 1024
#define SLOTS_MOST  (1 << 24)

struct run {
    const struct sim_plan *plan;
    struct trace *trace;
    struct sim_keys keys;
    struct sim_cache *caches; /* one for each result; not opened for the optimum */
    bool opened;
    bool wants_optimum;
    struct sim_optimum optimum;
    uint64_t lines, requests; /* of the trace, with deletes and without */
    struct timespec start;
    uint64_t shown_ns;
    struct trace_request read[BLOCK];
    uint64_t hashes[BLOCK];
    struct sim_request batch[BATCH]; /* that no cache has seen yet */
    size_t count;
};

/* ------------------------------------------------------------------------------------------------ progress */

static uint64_t elapsed(const struct run *run)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - run->start.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec -
           (uint64_t)run->start.tv_nsec;
}

static void show_progress(struct run *run)
{
    uint64_t now = elapsed(run);
    if (run->shown_ns != 0 && now - run->shown_ns < SHOW_EVERY_NS)
        return;
    run->shown_ns = now;
    progress_show(trace_fraction(run->trace), run->lines, (double)now / 1e9);
}

/* ------------------------------------------------------------------------------------------------ caches */

/* The bytes of a request that is new; objects that have none count as one. */
static uint64_t mean_charge(const struct run *run)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < run->count; i++)
        sum += run->batch[i].charge > 1 ? run->batch[i].charge : 1;
    return sum / run->count;
}

static uint64_t scaled(const struct sim_plan *plan, uint64_t size)
{
    uint64_t part = (size + plan->part / 2) / plan->part;
    return part > 0 ? part : 1;
}

/* How many slots the state gets, and how many of them will probably be resident. */
static uint32_t slots_for(const struct run *run, uint64_t capacity, uint64_t mean, uint32_t *expected)
{
    uint64_t objects = run->plan->bytes ? capacity / mean : capacity, slots = objects;
    if (run->plan->bytes) {
        slots = 2 * objects < SLOTS_LEAST ? SLOTS_LEAST : 2 * objects < SLOTS_MOST ? 2 * objects : SLOTS_MOST;
        slots = slots < capacity ? slots : capacity; /* an object has at least one byte */
    }
    *expected = (uint32_t)(objects < 1 ? 1 : objects < slots ? objects : slots);
    return (uint32_t)slots;
}

static enum exit_code say_cache(const struct run *run, size_t i)
{
    return say(EXIT_NO, "sim: %s, size %llu: %s", sim_plan_policy(run->plan, i)->text,
               (unsigned long long)sim_plan_size(run->plan, i), run->caches[i].error);
}

/* When the first requests are there, which tell how large objects are. */
static enum exit_code open_caches(struct run *run)
{
    uint64_t mean = run->plan->bytes ? mean_charge(run) : 1;
    run->opened = true;
    for (size_t i = 0; i < sim_plan_count(run->plan); i++) {
        const struct sim_policy *policy = sim_plan_policy(run->plan, i);
        if (policy->module == NULL)
            continue;
        uint64_t capacity = scaled(run->plan, sim_plan_size(run->plan, i));
        uint32_t expected, slots = slots_for(run, capacity, mean, &expected);
        if (!sim_cache_open(&run->caches[i], policy->module, larder_params_values(policy->params), capacity, slots,
                            expected))
            return say_cache(run, i);
    }
    return EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------ requests */

/* Hashes what was read and leaves out what is not of the sample; how many are left. */
static size_t choose(struct run *run, size_t count)
{
    uint64_t limit = UINT64_MAX / run->plan->part;
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        run->requests += run->read[i].operation != TRACE_DELETE;
        uint64_t hash = sim_keys_hash(run->read[i].key, run->read[i].key_size);
        if (hash > limit)
            continue;
        run->hashes[chosen] = hash;
        if (chosen != i)
            run->read[chosen] = run->read[i];
        sim_keys_prefetch(&run->keys, hash);
        chosen++;
    }
    return chosen;
}

static uint32_t charge_of(const struct sim_plan *plan, const struct trace_request *read)
{
    if (!plan->bytes)
        return 1;
    return !read->size_given ? 0 : read->size > 0 ? (uint32_t)read->size : 1;
}

/* Adds what is left to what the caches are to see. */
static bool number_keys(struct run *run, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct trace_request *read = &run->read[i];
        uint32_t key = sim_keys_number(&run->keys, read->key, read->key_size, run->hashes[i]);
        if (key == SIM_KEY_NONE)
            return false;
        run->batch[run->count++] = (struct sim_request){key, charge_of(run->plan, read),
                                                        read->operation == TRACE_DELETE};
    }
    return true;
}

static enum exit_code add_to_optimum(struct run *run)
{
    if (run->count > SIM_OPTIMUM_MAX - run->optimum.count)
        return say(EXIT_REFUSED, "sim: belady: got more than %u requests, wanted fewer, or --sample", SIM_OPTIMUM_MAX);
    if (sim_optimum_add(&run->optimum, run->batch, run->count, run->keys.count))
        return EXIT_DONE;
    return say(EXIT_REFUSED, "sim: belady: out of memory at request %llu", (unsigned long long)run->lines);
}

static enum exit_code run_caches(struct run *run)
{
    enum exit_code code = EXIT_DONE;
    if (run->count > 0 && !run->opened)
        code = open_caches(run);
    if (run->wants_optimum && code == EXIT_DONE)
        code = add_to_optimum(run);
    for (size_t i = 0; i < sim_plan_count(run->plan) && code == EXIT_DONE; i++)
        if (sim_plan_policy(run->plan, i)->module != NULL &&
            !sim_cache_run(&run->caches[i], run->batch, run->count, run->keys.count))
            code = say_cache(run, i);
    run->count = 0;
    return code;
}

static enum exit_code run_trace(struct run *run)
{
    bool show = progress_wanted();
    enum exit_code code = EXIT_DONE;
    for (size_t count = 1; code == EXIT_DONE && count > 0;) {
        count = trace_read(run->trace, run->read, BLOCK);
        run->lines += count;
        if (!number_keys(run, choose(run, count)))
            code = say_no_memory();
        else if (count == 0 || run->count > BATCH - BLOCK)
            code = run_caches(run);
        if (show && run->count == 0)
            show_progress(run);
    }
    if (show)
        progress_clear();
    const char *error = trace_error(run->trace), *first;
    uint64_t skipped = trace_skipped(run->trace, &first);
    if (error != NULL)
        return say(EXIT_NO, "%s", error);
    if (code == EXIT_DONE && skipped > 0)
        say(EXIT_DONE, "sim: skipped %llu malformed lines, the first: %s", (unsigned long long)skipped, first);
    return code;
}

/* ------------------------------------------------------------------------------------------------ results */

/*
 * What the sample has missed, for the whole trace. Its misses are related to all requests and not to those of the sample,
 * since how many these are depends on the few most popular keys, which hardly ever miss: the adjustment of SHARDS, C. A.
 * Waldspurger et al., "Efficient MRC Construction with SHARDS", FAST 2015.
 */
static uint64_t of_all(const struct run *run, uint64_t misses)
{
    uint64_t all;
    bool too_many = __builtin_mul_overflow(misses, run->plan->part, &all) || all > run->requests;
    return too_many ? run->requests : all;
}

/* Of the sample; without one, of the trace. */
static uint64_t simulated(const struct run *run)
{
    return sim_plan_policy(run->plan, 0)->module != NULL ? run->caches[0].requests : run->optimum.count;
}

static void warn_of_small_sample(const struct sim_plan *plan)
{
    uint64_t least = plan->sizes[0];
    for (size_t i = 1; i < plan->size_count; i++)
        least = plan->sizes[i] < least ? plan->sizes[i] : least;
    if (plan->part > 1 && !plan->bytes && scaled(plan, least) < SAMPLED_LEAST)
        say(EXIT_DONE,
            "sim: --sample: 1/%llu of size %llu leaves %llu objects; with less than %d the results are rough",
            (unsigned long long)plan->part, (unsigned long long)least, (unsigned long long)scaled(plan, least),
            SAMPLED_LEAST);
}

static enum exit_code check_sample(const struct run *run)
{
    if (run->requests > 0 && simulated(run) == 0)
        return say(EXIT_NO, "sim: --sample: got 1/%llu, which has none of the %llu requests, wanted more of the keys",
                   (unsigned long long)run->plan->part, (unsigned long long)run->requests);
    warn_of_small_sample(run->plan);
    return EXIT_DONE;
}

static enum exit_code take_results(struct run *run, struct sim_result *results)
{
    for (size_t i = 0; i < sim_plan_count(run->plan); i++) {
        uint64_t misses = run->caches[i].misses, size = scaled(run->plan, sim_plan_size(run->plan, i));
        if (sim_plan_policy(run->plan, i)->module == NULL && !sim_optimum_misses(&run->optimum, size, &misses))
            return say_no_memory();
        results[i] = (struct sim_result){run->requests, of_all(run, misses)};
    }
    return EXIT_DONE;
}

static void close_run(struct run *run)
{
    for (size_t i = 0; i < sim_plan_count(run->plan) && run->caches != NULL; i++)
        if (run->caches[i].module != NULL)
            sim_cache_close(&run->caches[i]);
    free(run->caches);
    sim_optimum_free(&run->optimum);
    sim_keys_free(&run->keys);
    trace_close(run->trace);
    free(run);
}

enum exit_code sim_run(const struct sim_plan *plan, struct sim_result *results)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return say_no_memory();
    run->plan = plan;
    clock_gettime(CLOCK_MONOTONIC, &run->start);
    for (size_t i = 0; i < plan->policies.count; i++)
        run->wants_optimum |= plan->policies.items[i].module == NULL;
    run->caches = calloc(sim_plan_count(plan), sizeof *run->caches);
    run->trace = trace_open(plan->trace, plan->lenient);
    enum exit_code code = run->caches == NULL ? say_no_memory() : run->trace == NULL ? EXIT_NO : run_trace(run);
    if (code == EXIT_DONE)
        code = check_sample(run);
    if (code == EXIT_DONE)
        code = take_results(run, results);
    close_run(run);
    return code;
}
