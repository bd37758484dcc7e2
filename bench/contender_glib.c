/* What many programs write for themselves: a GHashTable, a list in the order of use, and one mutex around both. */
#include "bench/contender.h"

#include <glib.h>
#include <stdlib.h>

struct glib_entry {
    GList link; /* data: the entry */
    char key[KEY_SIZE];
    size_t size;
    char value[];
};

struct glib_cache {
    GMutex mutex;
    GHashTable *table; /* key to entry; the key lies in the entry */
    GQueue order;      /* newest first */
    uint64_t charge, capacity;
    size_t value_size;
};

static uint64_t bytes_for(uint64_t entries, size_t value_size)
{
    return entries * (KEY_SIZE + value_size);
}

static guint hash(gconstpointer key)
{
    return (guint)contender_hash(key);
}

static gboolean equal(gconstpointer left, gconstpointer right)
{
    return memcmp(left, right, KEY_SIZE) == 0;
}

static void *open_cache(const struct cache_options *options)
{
    struct glib_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    g_mutex_init(&cache->mutex);
    g_queue_init(&cache->order);
    cache->table = g_hash_table_new(hash, equal);
    cache->capacity = options->bytes;
    cache->value_size = options->value_size;
    return cache;
}

static void drop(struct glib_cache *cache, struct glib_entry *entry)
{
    g_hash_table_remove(cache->table, entry->key);
    g_queue_unlink(&cache->order, &entry->link);
    cache->charge -= KEY_SIZE + entry->size;
    free(entry);
}

static void close_cache(void *opaque)
{
    struct glib_cache *cache = opaque;
    while (cache->order.tail != NULL)
        drop(cache, cache->order.tail->data);
    g_hash_table_destroy(cache->table);
    g_mutex_clear(&cache->mutex);
    free(cache);
}

static bool get(void *opaque, const char *key, void *buffer)
{
    struct glib_cache *cache = opaque;
    g_mutex_lock(&cache->mutex);
    struct glib_entry *entry = g_hash_table_lookup(cache->table, key);
    if (entry != NULL) {
        g_queue_unlink(&cache->order, &entry->link);
        g_queue_push_head_link(&cache->order, &entry->link);
        memcpy(buffer, entry->value, entry->size);
    }
    g_mutex_unlock(&cache->mutex);
    return entry != NULL;
}

static bool set(void *opaque, const char *key, const void *value, bool absent)
{
    struct glib_cache *cache = opaque;
    size_t size = cache->value_size;
    struct glib_entry *entry = malloc(sizeof *entry + size);
    (void)absent;
    if (entry == NULL)
        return false;
    entry->link = (GList){.data = entry};
    entry->size = size;
    memcpy(entry->key, key, KEY_SIZE);
    memcpy(entry->value, value, size);
    g_mutex_lock(&cache->mutex);
    struct glib_entry *old = g_hash_table_lookup(cache->table, key);
    if (old != NULL)
        drop(cache, old);
    cache->charge += KEY_SIZE + size;
    while (cache->charge > cache->capacity && cache->order.tail != NULL)
        drop(cache, cache->order.tail->data);
    g_hash_table_insert(cache->table, entry->key, entry);
    g_queue_push_head_link(&cache->order, &entry->link);
    g_mutex_unlock(&cache->mutex);
    return true;
}

static uint64_t entries(void *opaque)
{
    struct glib_cache *cache = opaque;
    g_mutex_lock(&cache->mutex);
    uint64_t count = cache->order.length;
    g_mutex_unlock(&cache->mutex);
    return count;
}

const struct contender contender_glib = {.name = "glib",
                                         .note = "glib: GHashTable and GQueue under one GMutex",
                                         .kind = CONTENDER_PEER,
                                         .bytes_for = bytes_for,
                                         .open = open_cache,
                                         .close = close_cache,
                                         .get = get,
                                         .set = set,
                                         .entries = entries};
