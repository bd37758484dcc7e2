/* The test host's cache: a table of counted values behind one mutex. */
#ifndef TESTS_TRANSPORT_MAP_H
#define TESTS_TRANSPORT_MAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "larder/plugin/transport.h"

/* A value, held by the map and by every reply that is not released yet. */
struct map_value {
    atomic_size_t holders;
    atomic_size_t *pins; /* counts replies that hold a value */
    struct larder_version version;
    uint64_t expires_ms; /* on the wall clock; 0: never */
    size_t size;
    char bytes[];
};

struct map_entry {
    struct map_entry *next;
    struct map_value *value;
    size_t group_size, key_size;
    char name[]; /* group, key */
};

struct map {
    pthread_mutex_t lock;
    struct map_entry *buckets[4096];
    size_t entries, bytes;
    uint64_t clock;
    atomic_size_t pins;
};

void map_open(struct map *map);
void map_close(struct map *map);

/* Executes a GET, SET, DELETE or TOUCH, or clears a group. The reply holds its value until it is released. */
void map_execute(struct map *map, const struct larder_request *request, uint64_t wall_ms, struct larder_reply *reply);

/* A value of its own, for a reply. Exits when out of memory. */
struct map_value *map_value_new(struct map *map, size_t size);
void map_pin(struct map *map, struct map_value *value, struct larder_reply *reply);

#endif
