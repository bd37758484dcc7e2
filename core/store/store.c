#include "core/store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/pages.h"
#include "core/store/state.h"

/* A shard is worth having from this budget on. */
#define SHARD_BYTES (UINT64_C(2) << 20)
#define SHARD_LEAST UINT64_C(4096)
#define SHARDS_BITS 12u

/* How much larger a budget may become than it was at first, if there are addresses for it. */
#define REACH_FACTOR 16u
#define REACH_LEAST  (UINT64_C(256) << 20)

/* What is worth having for a store whose process may have few addresses. */
#define REACH_WORTH (UINT64_C(8) << 20)

/* References in units of 8 bytes reach a little further: beyond it, entries are rounded up to larger units. */
#define SMALL_UNITS_REACH (UINT64_C(15) << 30)

/* From this budget on the lines of the index lie in huge pages, one of which may be in use in part only. */
#define HUGE_LINES_FROM (UINT64_C(128) << 20)

/* Entries of a shard, on average, below which sharding costs hits: see docs/decisions/0010. */
#define SHARD_ENTRIES 256u

static uint32_t shard_bits_of(const struct ldr_store_options *options)
{
    uint32_t bits = 0;
    uint64_t entries = options->max_entries != 0 ? options->max_entries : UINT64_MAX;
    if (options->shards != 0) {
        while (bits < SHARDS_BITS && (UINT32_C(1) << bits) < options->shards)
            bits++;
        return bits;
    }
    while (bits < SHARDS_BITS && options->max_bytes >> (bits + 1) >= SHARD_BYTES &&
           entries >> (bits + 1) >= SHARD_ENTRIES)
        bits++;
    return bits;
}

/* ------------------------------------------------------------------------------------------------ opening */

static bool open_memory(struct ldr_store *store, const struct ldr_store_options *options, uint64_t reach)
{
    const struct ldr_heap_options heap = {
        .reach = reach,
        .quota = options->max_bytes >> store->shard_bits,
        .huge = !options->small_pages,
    };
    store->heap = ldr_heap_open(&heap, &store->budget);
    if (store->heap == NULL)
        return false;
    store->place = ldr_heap_place(store->heap);
    store->reach = reach;
    if (ldr_ranges_open(store, reach))
        return true;
    ldr_heap_close(store->heap);
    store->heap = NULL;
    return false;
}

static uint64_t reach_of(uint64_t max_bytes)
{
    uint64_t reach = max_bytes <= UINT64_MAX / REACH_FACTOR ? max_bytes * REACH_FACTOR : max_bytes;
    if (reach < REACH_LEAST)
        reach = REACH_LEAST;
    if (reach <= SMALL_UNITS_REACH)
        return reach;
    return max_bytes <= SMALL_UNITS_REACH ? SMALL_UNITS_REACH : max_bytes;
}

/* Addresses for a budget that grows; for less, even for a part of the budget, when the process may not have so many. */
static enum larder_status reserve(struct ldr_store *store, const struct ldr_store_options *options)
{
    for (uint64_t reach = reach_of(options->max_bytes); reach >= REACH_WORTH; reach /= 2)
        if (open_memory(store, options, reach)) {
            if (!options->small_pages && options->max_bytes >= HUGE_LINES_FROM) {
                ldr_pages_huge(store->ranges, store->lines_size / LDR_HUGE_PAGE * LDR_HUGE_PAGE, true);
                store->base += LDR_HUGE_PAGE;
            }
            return LARDER_OK;
        }
    return ldr_fail(LARDER_NO_MEMORY, "no address space for a store of %" PRIu64 " bytes", options->max_bytes);
}

static enum larder_status open_shard(struct ldr_store *store, struct ldr_shard *shard)
{
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_relaxed);
    shard->slab = ldr_slab_open(store->heap);
    if (shard->slab == NULL)
        return ldr_fail_memory();
    enum larder_status status = ldr_rebuild_open(store, shard, setup, 0, &shard->policy);
    if (status != LARDER_OK)
        goto slab;
    atomic_init(&shard->hits, shard->policy.hits);
    atomic_init(&shard->next_due, LARDER_NEVER);
    ldr_shard_account(store, shard);
    return LARDER_OK;
slab:
    ldr_slab_close(shard->slab);
    return status;
}

static void close_shard(struct ldr_shard *shard)
{
    ldr_policy_close(&shard->policy);
    ldr_hits_close(shard->left_hits);
    ldr_slab_close(shard->slab);
}

static enum larder_status open_shards(struct ldr_store *store)
{
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        enum larder_status status = open_shard(store, &store->shards[i]);
        if (status == LARDER_OK)
            continue;
        while (i-- > 0)
            close_shard(&store->shards[i]);
        return status;
    }
    return LARDER_OK;
}

static void *aligned_zeroed(size_t size)
{
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    return block != NULL ? memset(block, 0, size) : NULL;
}

/* A value of half the budget can be stored, however many shards there are: each costs something by itself. */
static bool shards_fit(const struct ldr_store *store)
{
    return store->shard_bits == 0 || ldr_budget_limit(&store->budget) >> store->shard_bits >= SHARD_LEAST;
}

static enum larder_status open_parts(struct ldr_store *store, const struct ldr_store_options *options)
{
    enum larder_status status = LARDER_NO_MEMORY;
    const struct ldr_setup wanted = {options->eviction, options->params, options->max_bytes, options->max_entries};
    if (!ldr_store_limit_good(store, wanted.max_entries))
        return LARDER_NO_ROOM;
    struct ldr_setup *setup = ldr_setup_new(&wanted);
    if (setup == NULL)
        return ldr_fail_memory();
    atomic_init(&store->setup, setup);
    store->shards = aligned_zeroed(ldr_store_shards(store) * sizeof *store->shards);
    if (store->shards == NULL) {
        ldr_fail_memory();
        goto setup;
    }
    ldr_store_limit(store, setup);
    atomic_init(&store->limit_told, setup->max_bytes);
    atomic_init(&store->entries_told, setup->max_entries);
    status = reserve(store, options);
    if (status != LARDER_OK)
        goto shards;
    ldr_budget_owe(&store->budget, store->base);
    status = open_shards(store);
    if (status == LARDER_OK) {
        store->heap_fresh = ldr_heap_overhead(store->heap);
        ldr_store_set_room(store, ldr_budget_used(&store->budget));
        if (shards_fit(store))
            return LARDER_OK;
        status = ldr_fail(LARDER_NO_ROOM, "max_bytes: %" PRIu64 " are not enough for %" PRIu32 " shards",
                          options->max_bytes, ldr_store_shards(store));
        for (uint32_t i = 0; i < ldr_store_shards(store); i++)
            close_shard(&store->shards[i]);
    }
    ldr_ranges_close(store);
    ldr_heap_close(store->heap);
shards:
    free(store->shards);
setup:
    free(setup);
    return status;
}

struct ldr_store *ldr_store_open(const struct ldr_store_options *options)
{
    /* The first section of a process takes milliseconds, when other threads run: no get is to pay for that. */
    ldr_epoch_enter(LDR_EPOCH_STORE);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    struct ldr_store *store = aligned_zeroed(sizeof *store);
    if (store == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    store->max_value = options->max_value;
    store->seed = options->seed;
    store->clock = options->clock;
    store->clock_arg = options->clock_arg;
    store->shard_bits = shard_bits_of(options);
    atomic_init(&store->exact_hits, options->exact_hits);
    pthread_mutex_init(&store->setup_lock, NULL);
    pthread_mutex_init(&store->trim_lock, NULL);
    pthread_mutex_init(&store->claim_lock, NULL);
    if (open_parts(store, options) == LARDER_OK)
        return store;
    free(store);
    return NULL;
}

void ldr_store_close(struct ldr_store *store)
{
    if (store == NULL)
        return;
    for (uint32_t i = 0; i < ldr_store_shards(store); i++)
        close_shard(&store->shards[i]);
    ldr_fit_free(store->heap, store->fit);
    ldr_ranges_close(store);
    ldr_heap_close(store->heap);
    pthread_mutex_destroy(&store->setup_lock);
    pthread_mutex_destroy(&store->trim_lock);
    pthread_mutex_destroy(&store->claim_lock);
    free(store->shards);
    free(atomic_load_explicit(&store->setup, memory_order_relaxed));
    free(store);
}

/* All of it, as the shards are one after the other. */
static void sum_up(struct ldr_store *store, struct ldr_store_stats *stats)
{
    /* In a small store cells share their pages with those that are free: there they are no memory held for entries. */
    uint64_t free_bytes = 0;
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_spin_lock(&shard->lock);
        const struct ldr_hits *hits = shard->policy.hits;
        const struct ldr_slab_bytes bytes = ldr_slab_bytes(shard->slab);
        stats->entries += shard->slots.count;
        stats->value_bytes += shard->value_bytes;
        stats->evictions += shard->evictions;
        stats->evictions_unexpired += shard->evictions_unexpired;
        stats->expirations += shard->expirations;
        stats->policy_faults += shard->policy.faults;
        stats->retired_bytes += bytes.retired;
        free_bytes += ldr_store_paged(store) ? 0 : bytes.free;
        stats->dropped_hits += shard->dropped_hits;
        if (hits != NULL)
            stats->dropped_hits += atomic_load_explicit(&hits->dropped, memory_order_relaxed);
        ldr_spin_unlock(&shard->lock);
    }
    uint64_t used = ldr_budget_used(&store->budget);
    stats->bytes_used = used > free_bytes ? used - free_bytes : 0; /* spans may have been given back since */
}

void ldr_store_stats(struct ldr_store *store, struct ldr_store_stats *stats)
{
    /* A limit that is lowered meanwhile is told when it holds; one that is raised may be made use of at once. */
    uint64_t raised;
    do {
        raised = atomic_load(&store->raised);
        *stats = (struct ldr_store_stats){
            .shards = ldr_store_shards(store),
            .bytes_limit = atomic_load(&store->limit_told),
            .entries_limit = atomic_load(&store->entries_told),
        };
        sum_up(store, stats);
    } while (atomic_load(&store->raised) != raised);
}
