#include "sim_run.h"

#include <stdlib.h>
#include <time.h>

#include "progress.h"
#include "sim_shard.h"
#include "trace.h"

#define BLOCK         512 /* requests that are read at a time: few enough to stay in the processor's first cache */
#define SHOW_EVERY_NS 200000000
#define SAMPLED_LEAST 1000 /* objects, as the table of docs/simulating.md suggests */

struct run {
    const struct sim_plan *plan;
    struct trace *trace;
    struct sim_shard *shards;
    uint64_t lines, requests; /* of the trace, with deletes and without */
    struct timespec start;
    uint64_t shown_ns;
    struct trace_request read[BLOCK];
    uint64_t hashes[BLOCK];
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

/* ------------------------------------------------------------------------------------------------ requests */

/* Hashes what was read and leaves out what is not of the sample; how many are left. */
static size_t choose(struct run *run, size_t count)
{
    const struct sim_shard *shards = run->shards;
    uint64_t limit = UINT64_MAX / run->plan->part, shard_count = run->plan->shards;
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        run->requests += run->read[i].operation != TRACE_DELETE;
        uint64_t hash = sim_keys_hash(run->read[i].key, run->read[i].key_size);
        if (hash > limit)
            continue;
        run->hashes[chosen] = hash;
        if (chosen != i)
            run->read[chosen] = run->read[i];
        sim_keys_prefetch(&shards[sim_shard_of(hash, shard_count)].keys, hash);
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

/* What is left goes to the shards of its keys. */
static enum exit_code hand_out(struct run *run, size_t count)
{
    struct sim_shard *shards = run->shards;
    uint64_t shard_count = run->plan->shards;
    for (size_t i = 0; i < count; i++) {
        const struct trace_request *read = &run->read[i];
        struct sim_shard *shard = &shards[sim_shard_of(run->hashes[i], shard_count)];
        uint32_t key = sim_keys_number(&shard->keys, read->key, read->key_size, run->hashes[i]);
        if (key == SIM_KEY_NONE)
            return say_no_memory();
        shard->waiting[shard->count++] = (struct sim_request){key, charge_of(run->plan, read),
                                                              read->operation == TRACE_DELETE};
        enum exit_code code = shard->count == shard->room ? sim_shard_run(shard) : EXIT_DONE;
        if (code != EXIT_DONE)
            return code;
    }
    return EXIT_DONE;
}

/* Has all caches see what they have not seen yet. */
static enum exit_code run_shards(struct run *run)
{
    enum exit_code code = EXIT_DONE;
    for (uint32_t i = 0; i < run->plan->shards && code == EXIT_DONE; i++)
        code = sim_shard_run(&run->shards[i]);
    return code;
}

static enum exit_code run_trace(struct run *run)
{
    bool show = progress_wanted();
    enum exit_code code = EXIT_DONE;
    for (size_t count = 1; code == EXIT_DONE && count > 0;) {
        count = trace_read(run->trace, run->read, BLOCK);
        run->lines += count;
        code = count > 0 ? hand_out(run, choose(run, count)) : run_shards(run);
        if (show)
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
    uint64_t requests = 0;
    for (uint32_t i = 0; i < run->plan->shards; i++)
        requests += sim_shard_requests(&run->shards[i]);
    return requests;
}

static void warn_of_small_sample(const struct sim_plan *plan)
{
    uint64_t least = plan->sizes[0];
    for (size_t i = 1; i < plan->size_count; i++)
        least = plan->sizes[i] < least ? plan->sizes[i] : least;
    if (plan->part > 1 && !plan->bytes && sim_plan_scaled(plan, least) < SAMPLED_LEAST)
        say(EXIT_DONE,
            "sim: --sample: 1/%llu of size %llu leaves %llu objects; with less than %d the results are rough",
            (unsigned long long)plan->part, (unsigned long long)least, (unsigned long long)sim_plan_scaled(plan, least),
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
    enum exit_code code = EXIT_DONE;
    for (size_t i = 0; i < sim_plan_count(run->plan) && code == EXIT_DONE; i++) {
        uint64_t misses = 0;
        for (uint32_t j = 0; j < run->plan->shards && code == EXIT_DONE; j++)
            code = sim_shard_misses(&run->shards[j], i, &misses);
        results[i] = (struct sim_result){run->requests, of_all(run, misses)};
    }
    return code;
}

static enum exit_code open_run(struct run *run)
{
    enum exit_code code = EXIT_DONE;
    run->shards = calloc(run->plan->shards, sizeof *run->shards);
    if (run->shards == NULL)
        return say_no_memory();
    for (uint32_t i = 0; i < run->plan->shards && code == EXIT_DONE; i++)
        code = sim_shard_open(&run->shards[i], run->plan, i);
    if (code != EXIT_DONE)
        return code;
    run->trace = trace_open(run->plan->trace, run->plan->lenient);
    return run->trace != NULL ? EXIT_DONE : EXIT_NO;
}

static void close_run(struct run *run)
{
    for (uint32_t i = 0; run->shards != NULL && i < run->plan->shards; i++)
        sim_shard_close(&run->shards[i]);
    free(run->shards);
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
    enum exit_code code = open_run(run);
    if (code == EXIT_DONE)
        code = run_trace(run);
    if (code == EXIT_DONE)
        code = check_sample(run);
    if (code == EXIT_DONE)
        code = take_results(run, results);
    close_run(run);
    return code;
}
