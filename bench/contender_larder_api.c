/* The same store through the door that embedding programs use: a node without sockets, and a group with policy lru. */
#include "bench/contender.h"
#include "larder/larder.h"

#include <stdio.h>
#include <stdlib.h>

#define ENTRY_ROOM 96u /* bytes over key and value: more than it takes */

struct api_cache {
    struct larder_node *node;
    struct larder_group *group;
    size_t value_size;
};

static uint64_t bytes_for(uint64_t entries, size_t value_size)
{
    return entries * (KEY_SIZE + value_size + ENTRY_ROOM);
}

static void close_cache(void *opaque)
{
    struct api_cache *cache = opaque;
    larder_group_close(cache->group);
    larder_node_close(cache->node);
    free(cache);
}

static void *open_cache(const struct cache_options *options)
{
    const struct larder_group_options group = {.max_bytes = options->bytes, .eviction = "lru"};
    struct larder_config *config = larder_config_new();
    struct api_cache *cache = calloc(1, sizeof *cache);
    if (config == NULL || cache == NULL)
        goto failed;
    cache->value_size = options->value_size;
    if (larder_config_add_plugin_path(config, BENCH_PLUGINS) != LARDER_OK ||
        (cache->node = larder_node_open(config)) == NULL ||
        (cache->group = larder_group_open(cache->node, "bench", &group)) == NULL) {
        fprintf(stderr, "larder-api: %s\n", larder_last_error());
        goto failed;
    }
    larder_config_free(config);
    return cache;
failed:
    if (cache != NULL)
        close_cache(cache);
    larder_config_free(config);
    return NULL;
}

static bool get(void *opaque, const char *key, void *buffer)
{
    const struct api_cache *cache = opaque;
    size_t size;
    return larder_get_copy(cache->group, key, KEY_SIZE, 0, buffer, cache->value_size, &size) == LARDER_OK;
}

static bool set(void *opaque, const char *key, const void *value, bool absent)
{
    const struct api_cache *cache = opaque;
    (void)absent;
    return larder_set(cache->group, key, KEY_SIZE, value, cache->value_size, -1, 0) == LARDER_OK;
}

static uint64_t entries(void *opaque)
{
    struct larder_statistics stats = {0};
    larder_group_stats(((struct api_cache *)opaque)->group, &stats);
    return stats.entries;
}

const struct contender contender_larder_api = {.name = "larder-api",
                                               .note = "larder-api: larder_get_copy() and larder_set(), policy lru",
                                               .kind = CONTENDER_OURS,
                                               .bytes_for = bytes_for,
                                               .open = open_cache,
                                               .close = close_cache,
                                               .get = get,
                                               .set = set,
                                               .entries = entries};
