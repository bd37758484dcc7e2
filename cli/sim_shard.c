#include "sim_shard.h"

#include <stdlib.h>

/* Requests that a cache gets at a time: enough for what it knows of their keys to get warm. Shards divide them. */
#define BATCH       16384
#define BATCH_LEAST 64

/* A state for bytes has room for a few more objects than it probably needs, but not for more than so many to begin with. */
#define SLOTS_LEAST 1024
#define SLOTS_MOST  (1 << 24)

enum exit_code sim_shard_open(struct sim_shard *shard, const struct sim_plan *plan, uint32_t number)
{
    size_t room = BATCH / plan->shards;
    *shard = (struct sim_shard){.plan = plan, .number = number, .room = room > BATCH_LEAST ? room : BATCH_LEAST};
    shard->caches = calloc(sim_plan_count(plan), sizeof *shard->caches);
    shard->waiting = calloc(shard->room, sizeof *shard->waiting);
    return shard->caches != NULL && shard->waiting != NULL ? EXIT_DONE : say_no_memory();
}

void sim_shard_close(struct sim_shard *shard)
{
    for (size_t i = 0; shard->caches != NULL && i < sim_plan_count(shard->plan); i++)
        if (shard->caches[i].module != NULL)
            sim_cache_close(&shard->caches[i]);
    free(shard->caches);
    free(shard->waiting);
    sim_optimum_free(&shard->optimum);
    sim_keys_free(&shard->keys);
}

/* ------------------------------------------------------------------------------------------------ caches */

/* The first shards have one more, where there is something left. */
static uint64_t capacity_of(const struct sim_shard *shard, size_t row)
{
    uint64_t size = sim_plan_scaled(shard->plan, sim_plan_size(shard->plan, row));
    return size / shard->plan->shards + (shard->number < size % shard->plan->shards);
}

/* The bytes of a request that is new; objects that have none count as one. */
static uint64_t mean_charge(const struct sim_shard *shard)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < shard->count; i++)
        sum += shard->waiting[i].charge > 1 ? shard->waiting[i].charge : 1;
    return sum / shard->count;
}

/* How many slots the state gets, and how many of them will probably be resident. */
static uint32_t slots_for(bool bytes, uint64_t capacity, uint64_t mean, uint32_t *expected)
{
    uint64_t objects = bytes ? capacity / mean : capacity, slots = objects;
    if (bytes) {
        slots = 2 * objects < SLOTS_LEAST ? SLOTS_LEAST : 2 * objects < SLOTS_MOST ? 2 * objects : SLOTS_MOST;
        slots = slots < capacity ? slots : capacity; /* an object has at least one byte */
    }
    *expected = (uint32_t)(objects < 1 ? 1 : objects < slots ? objects : slots);
    return (uint32_t)slots;
}

static enum exit_code say_cache(const struct sim_shard *shard, size_t row)
{
    return say(EXIT_NO, "sim: %s, size %llu: %s", sim_plan_policy(shard->plan, row)->text,
               (unsigned long long)sim_plan_size(shard->plan, row), shard->caches[row].error);
}

/* When the first requests are there, which tell how large objects are. */
static enum exit_code open_caches(struct sim_shard *shard)
{
    bool bytes = shard->plan->bytes;
    uint64_t mean = bytes ? mean_charge(shard) : 1;
    shard->opened = true;
    for (size_t i = 0; i < sim_plan_count(shard->plan); i++) {
        const struct sim_policy *policy = sim_plan_policy(shard->plan, i);
        if (policy->module == NULL)
            continue;
        uint64_t capacity = capacity_of(shard, i);
        uint32_t expected, slots = slots_for(bytes, capacity, mean, &expected);
        if (!sim_cache_open(&shard->caches[i], policy->module, larder_params_values(policy->params), capacity, slots,
                            expected, shard->plan->shards > 1))
            return say_cache(shard, i);
    }
    return EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------ requests */

static enum exit_code add_to_optimum(struct sim_shard *shard)
{
    if (shard->count > SIM_OPTIMUM_MAX - shard->optimum.count)
        return say(EXIT_REFUSED, "sim: belady: got more than %u requests, wanted fewer, or --sample", SIM_OPTIMUM_MAX);
    if (sim_optimum_add(&shard->optimum, shard->waiting, shard->count, shard->keys.count))
        return EXIT_DONE;
    return say(EXIT_REFUSED, "sim: belady: out of memory after %u requests", shard->optimum.count);
}

enum exit_code sim_shard_run(struct sim_shard *shard)
{
    const struct sim_plan *plan = shard->plan;
    enum exit_code code = EXIT_DONE;
    if (shard->count > 0 && !shard->opened)
        code = open_caches(shard);
    if (plan->wants_optimum && code == EXIT_DONE)
        code = add_to_optimum(shard);
    for (size_t i = 0; i < sim_plan_count(plan) && code == EXIT_DONE; i++)
        if (sim_plan_policy(plan, i)->module != NULL &&
            !sim_cache_run(&shard->caches[i], shard->waiting, shard->count, shard->keys.count))
            code = say_cache(shard, i);
    shard->count = 0;
    return code;
}

/* ------------------------------------------------------------------------------------------------ results */

enum exit_code sim_shard_misses(const struct sim_shard *shard, size_t row, uint64_t *misses)
{
    uint64_t missed = shard->caches[row].misses;
    if (sim_plan_policy(shard->plan, row)->module == NULL &&
        !sim_optimum_misses(&shard->optimum, capacity_of(shard, row), &missed))
        return say_no_memory();
    *misses += missed;
    return EXIT_DONE;
}

uint64_t sim_shard_requests(const struct sim_shard *shard)
{
    return sim_plan_policy(shard->plan, 0)->module != NULL ? shard->caches[0].requests : shard->optimum.count;
}
