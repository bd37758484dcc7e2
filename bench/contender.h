/* What is measured: one table for each cache, so that all of them run the same streams. */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/workload.h"

#ifdef __cplusplus
extern "C" {
#endif

enum contender_kind {
    CONTENDER_OURS,
    CONTENDER_PEER,  /* evicts; ratios are to the best of these */
    CONTENDER_FLOOR, /* no cache: what the memory costs */
    CONTENDER_NONE   /* no memory either: what the harness costs */
};

struct cache_options {
    size_t value_size;
    uint64_t entries; /* about as many are to be held */
    uint64_t bytes;   /* the capacity in the contender's own terms, see bytes_for() */
    bool small_pages; /* do not ask for huge pages */
    bool versions;    /* entries carry a version, as in a cluster; those that know none ignore it */
};

/* Keys are KEY_SIZE bytes. All functions but open() and close() are called by several threads at once. */
struct contender {
    const char *name;
    const char *note; /* printed below the tables; NULL: none */
    enum contender_kind kind;

    /* The capacity at which `entries` fit: for peers keys and values alone, for ours an estimate with all overhead. */
    uint64_t (*bytes_for)(uint64_t entries, size_t value_size);
    /* NULL with the reason on stderr. */
    void *(*open)(const struct cache_options *options);
    void (*close)(void *cache);

    /* Copies the value and counts the use. The buffer holds a value. False: not there. */
    bool (*get)(void *cache, const char *key, void *buffer);
    /* `absent`: a get of this key has just missed, so that there is most likely nothing to be replaced. */
    bool (*set)(void *cache, const char *key, const void *value, bool absent);
    /* NULL: get() in a loop. Value i goes to buffers + i * stride. */
    void (*get_many)(void *cache, const char (*keys)[KEY_SIZE], size_t count, char *buffers, size_t stride,
                     bool *found);
    uint64_t (*entries)(void *cache);
    /* Ours only, else NULL: what the cache says it holds, and keys and values alone. */
    void (*held)(void *cache, uint64_t *bytes_used, uint64_t *payload_bytes);
    /* Ours only, else NULL: a value of another size than the options say. */
    bool (*set_sized)(void *cache, const char *key, const void *value, size_t size);
};

#define CONTENDERS_MAX 16

/* In the order in which they are measured and printed; ends with NULL. */
extern const struct contender *const contenders[];

extern const struct contender contender_larder_clock, contender_larder_lru, contender_larder_api;
extern const struct contender contender_rocksdb_lru, contender_rocksdb_hyper;
extern const struct contender contender_glib, contender_sharded, contender_floor, contender_harness;

/* 16 bytes of uniformly distributed letters, for peers that bring no hash of their own. */
static inline uint64_t contender_hash(const char *key)
{
    uint64_t halves[2];
    memcpy(halves, key, KEY_SIZE);
    uint64_t x = (halves[0] ^ halves[1] >> 32 ^ halves[1] << 32) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 32;
}

#ifdef __cplusplus
}
#endif
#endif
