/* Chained buckets; a value that is replaced lives on until its last reply is released. */
#include "map.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct map_value *value)
{
    if (atomic_fetch_sub_explicit(&value->holders, 1, memory_order_acq_rel) == 1)
        free(value);
}

static void release(void *pin)
{
    struct map_value *value = pin;
    atomic_fetch_sub_explicit(value->pins, 1, memory_order_relaxed);
    drop(value);
}

struct map_value *map_value_new(struct map *map, size_t size)
{
    struct map_value *value = unfailing_malloc(sizeof *value + size);
    if (value == NULL)
        abort();
    *value = (struct map_value){.pins = &map->pins, .size = size};
    atomic_init(&value->holders, 0);
    return value;
}

void map_pin(struct map *map, struct map_value *value, struct larder_reply *reply)
{
    atomic_fetch_add_explicit(&value->holders, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&map->pins, 1, memory_order_relaxed);
    reply->value = (struct larder_slice){value->bytes, value->size};
    reply->release = release;
    reply->pin = value;
}

void map_open(struct map *map)
{
    *map = (struct map){.clock = UINT64_C(0x18c0000000000)};
    pthread_mutex_init(&map->lock, NULL);
}

static void remove_entry(struct map *map, struct map_entry **link)
{
    struct map_entry *entry = *link;
    *link = entry->next;
    map->entries--;
    map->bytes -= entry->key_size + entry->value->size;
    drop(entry->value);
    free(entry);
}

void map_close(struct map *map)
{
    for (size_t i = 0; i < sizeof map->buckets / sizeof *map->buckets; i++)
        while (map->buckets[i] != NULL)
            remove_entry(map, &map->buckets[i]);
    pthread_mutex_destroy(&map->lock);
}

static struct map_entry **find(struct map *map, const struct larder_request *request, uint64_t wall_ms)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < request->key.size; i++)
        hash = (hash ^ ((const unsigned char *)request->key.data)[i]) * UINT64_C(1099511628211);
    struct map_entry **link = &map->buckets[hash % (sizeof map->buckets / sizeof *map->buckets)];
    while (*link != NULL) {
        struct map_entry *entry = *link;
        bool same = entry->group_size == request->group.size && entry->key_size == request->key.size &&
                    memcmp(entry->name, request->group.data, entry->group_size) == 0 &&
                    memcmp(entry->name + entry->group_size, request->key.data, entry->key_size) == 0;
        if (same && entry->value->expires_ms != 0 && entry->value->expires_ms <= wall_ms) {
            remove_entry(map, link);
            continue;
        }
        if (same)
            break;
        link = &entry->next;
    }
    return link;
}

static bool condition_holds(const struct larder_request *request, const struct map_entry *entry)
{
    if ((request->flags & LARDER_REQUEST_IF_ABSENT) != 0 && entry != NULL)
        return false;
    if ((request->flags & LARDER_REQUEST_IF_PRESENT) != 0 && entry == NULL)
        return false;
    if ((request->flags & LARDER_REQUEST_IF_VERSION) == 0)
        return true;
    return entry != NULL && entry->value->version.epoch == request->version.epoch &&
           entry->value->version.clock == request->version.clock;
}

static void set(struct map *map, struct map_entry **link, const struct larder_request *request, uint64_t wall_ms,
                struct larder_reply *reply)
{
    if (*link != NULL)
        remove_entry(map, link);
    else
        reply->flags |= LARDER_REPLY_CREATED;
    struct map_entry *entry = unfailing_malloc(sizeof *entry + request->group.size + request->key.size);
    if (entry == NULL)
        abort();
    entry->value = map_value_new(map, request->value.size);
    atomic_store_explicit(&entry->value->holders, 1, memory_order_relaxed);
    if (request->value.size > 0)
        memcpy(entry->value->bytes, request->value.data, request->value.size);
    entry->value->version = (struct larder_version){7, ++map->clock};
    entry->value->expires_ms = request->ttl_ms > 0 ? wall_ms + (uint64_t)request->ttl_ms : 0;
    entry->group_size = request->group.size;
    entry->key_size = request->key.size;
    memcpy(entry->name, request->group.data, request->group.size);
    memcpy(entry->name + request->group.size, request->key.data, request->key.size);
    entry->next = *link;
    *link = entry;
    map->entries++;
    map->bytes += entry->key_size + entry->value->size;
    reply->version = entry->value->version;
}

static void get(struct map *map, struct map_entry *entry, uint64_t wall_ms, struct larder_reply *reply)
{
    map_pin(map, entry->value, reply);
    reply->version = entry->value->version;
    reply->ttl_ms = entry->value->expires_ms == 0 ? LARDER_TTL_NONE : (int64_t)(entry->value->expires_ms - wall_ms);
    reply->source = LARDER_SOURCE_LOCAL;
}

void map_execute(struct map *map, const struct larder_request *request, uint64_t wall_ms, struct larder_reply *reply)
{
    pthread_mutex_lock(&map->lock);
    struct map_entry **link = find(map, request, wall_ms);
    if (!condition_holds(request, *link)) {
        reply->status = *link == NULL && request->operation == LARDER_OP_DELETE ? LARDER_NOT_FOUND
                                                                                : LARDER_PRECONDITION;
    } else if (request->operation == LARDER_OP_SET) {
        set(map, link, request, wall_ms, reply);
    } else if (*link == NULL) {
        reply->status = LARDER_NOT_FOUND;
    } else if (request->operation == LARDER_OP_GET) {
        get(map, *link, wall_ms, reply);
    } else if (request->operation == LARDER_OP_DELETE) {
        remove_entry(map, link);
    } else {
        (*link)->value->expires_ms = request->ttl_ms > 0 ? wall_ms + (uint64_t)request->ttl_ms : 0;
        reply->version = (*link)->value->version;
    }
    pthread_mutex_unlock(&map->lock);
}
