/* Our store, without a node around it: policies lru (hears of hits through a buffer) and clock (counts them). */
#include "bench/contender.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define VALUE_MAX  (64u << 20)
#define BATCH_MAX  64u
#define ENTRY_ROOM 96u /* bytes over key and value: more than it takes */

struct larder_cache {
    struct ldr_store *store;
    size_t value_size;
    _Atomic uint64_t clock; /* of the last write's version; 0: entries carry none */
    atomic_flag told;       /* why a set was refused, the first time */
};

extern const struct larder_eviction larder_plugin_table__eviction_lru;
#ifdef BENCH_CLOCK
extern const struct larder_eviction larder_plugin_table__eviction_clock;
#endif

static uint64_t bytes_for(uint64_t entries, size_t value_size)
{
    return entries * (KEY_SIZE + value_size + ENTRY_ROOM);
}

static uint64_t read_clock(void *arg)
{
    struct timespec now;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void *open_with(const struct cache_options *options, const struct larder_eviction *eviction)
{
    const struct ldr_store_options store_options = {.max_bytes = options->bytes,
                                                    .max_value = VALUE_MAX,
                                                    .eviction = eviction,
                                                    .seed = UINT64_C(0x5eed5eed5eed5eed),
                                                    .small_pages = options->small_pages,
                                                    .clock = read_clock};
    struct larder_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->value_size = options->value_size;
    atomic_flag_clear(&cache->told);
    if (options->versions)
        atomic_init(&cache->clock, UINT64_C(1700000000000) << 16); /* as the hybrid clock of a cluster counts */
    cache->store = ldr_store_open(&store_options);
    if (cache->store == NULL) {
        fprintf(stderr, "larder: %s\n", larder_last_error());
        free(cache);
        return NULL;
    }
    return cache;
}

static void *open_lru(const struct cache_options *options)
{
    return open_with(options, &larder_plugin_table__eviction_lru);
}

static void close_cache(void *opaque)
{
    struct larder_cache *cache = opaque;
    ldr_store_close(cache->store);
    free(cache);
}

static bool get(void *opaque, const char *key, void *buffer)
{
    const struct larder_cache *cache = opaque;
    struct ldr_copy copy = {.key = {key, KEY_SIZE}, .buffer = buffer, .capacity = cache->value_size};
    return ldr_store_copy(cache->store, &copy, LDR_NOW) == LDR_FOUND;
}

static void get_many(void *opaque, const char (*keys)[KEY_SIZE], size_t count, char *buffers, size_t stride,
                     bool *found)
{
    const struct larder_cache *cache = opaque;
    struct ldr_copy copies[BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        copies[i].key = (struct larder_slice){keys[i], KEY_SIZE};
        copies[i].buffer = buffers + i * stride;
        copies[i].capacity = cache->value_size;
    }
    ldr_store_copy_many(cache->store, copies, count, LDR_NOW);
    for (size_t i = 0; i < count; i++)
        found[i] = copies[i].found == LDR_FOUND;
}

static bool set_sized(void *opaque, const char *key, const void *value, size_t size)
{
    struct larder_cache *cache = opaque;
    struct ldr_put put = {.key = {key, KEY_SIZE}, .value = {value, size}, .expires = LARDER_NEVER};
    if (atomic_load_explicit(&cache->clock, memory_order_relaxed) != 0)
        put.version.clock = atomic_fetch_add_explicit(&cache->clock, 1, memory_order_relaxed);
    enum larder_status status = ldr_store_put(cache->store, &put, 1, NULL);
    if (status != LARDER_OK && !atomic_flag_test_and_set(&cache->told))
        fprintf(stderr, "\nlarder: a set of %zu bytes was refused with status %d\n", size, (int)status);
    return status == LARDER_OK;
}

static bool set(void *opaque, const char *key, const void *value, bool absent)
{
    (void)absent;
    return set_sized(opaque, key, value, ((struct larder_cache *)opaque)->value_size);
}

static uint64_t entries(void *opaque)
{
    struct ldr_store_stats stats;
    ldr_store_stats(((struct larder_cache *)opaque)->store, &stats);
    return stats.entries;
}

static void held(void *opaque, uint64_t *bytes_used, uint64_t *payload_bytes)
{
    struct ldr_store_stats stats;
    ldr_store_stats(((struct larder_cache *)opaque)->store, &stats);
    *bytes_used = stats.bytes_used;
    *payload_bytes = stats.value_bytes;
}

const struct contender contender_larder_lru = {.name = "larder-lru",
                                               .kind = CONTENDER_OURS,
                                               .bytes_for = bytes_for,
                                               .open = open_lru,
                                               .close = close_cache,
                                               .get = get,
                                               .set = set,
                                               .get_many = get_many,
                                               .entries = entries,
                                               .held = held,
                                               .set_sized = set_sized};

#ifdef BENCH_CLOCK
static void *open_clock(const struct cache_options *options)
{
    return open_with(options, &larder_plugin_table__eviction_clock);
}

const struct contender contender_larder_clock = {.name = "larder-clock",
                                                 .kind = CONTENDER_OURS,
                                                 .bytes_for = bytes_for,
                                                 .open = open_clock,
                                                 .close = close_cache,
                                                 .get = get,
                                                 .set = set,
                                                 .get_many = get_many,
                                                 .entries = entries,
                                                 .held = held,
                                                 .set_sized = set_sized};
#endif
