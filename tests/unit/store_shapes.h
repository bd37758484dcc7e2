/* The stores that a test goes through: every policy, one shard and several, hits told in order or not. */
#ifndef STORE_SHAPES_H
#define STORE_SHAPES_H

#include "store_kit.h"

#include <stdlib.h>

#ifdef TEST_HAS_CLOCK
extern const struct larder_eviction larder_plugin_table__eviction_clock;
#endif

static const struct larder_eviction *const shape_policies[] = {
    LRU,
    FIFO,
#ifdef TEST_HAS_CLOCK
    &larder_plugin_table__eviction_clock,
#endif
};
enum { SHAPE_POLICIES = sizeof shape_policies / sizeof *shape_policies };

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SHAPE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SHAPE_SANITIZED 1
#endif
#endif
#ifndef SHAPE_SANITIZED
#define SHAPE_SANITIZED 0
#endif

struct shape {
    const struct larder_eviction *eviction;
    uint64_t max_bytes;
    uint32_t shards; /* 0: as the store likes */
    bool exact_hits, small_pages;
    uint64_t (*clock)(void *arg);
    void *clock_arg;
};

/* NULL with the reason in larder_last_error(). */
static inline struct ldr_store *shape_try(const struct shape *shape)
{
    const struct ldr_store_options options = {
        .max_bytes = shape->max_bytes,
        .max_value = UINT64_MAX,
        .eviction = shape->eviction,
        .seed = 42,
        .exact_hits = shape->exact_hits,
        .small_pages = shape->small_pages,
        .shards = shape->shards,
        .clock = shape->clock,
        .clock_arg = shape->clock_arg,
    };
    return ldr_store_open(&options);
}

static inline struct ldr_store *shape_open(const struct shape *shape)
{
    struct ldr_store *store = shape_try(shape);
    if (store == NULL)
        fail_msg("%s", larder_last_error());
    return store;
}

/* For what is being tested, so that it can be told from the output which store failed. */
static inline void shape_print(const struct shape *shape)
{
    print_message("%s, %llu bytes, %u shards%s\n", shape->eviction->head.name, (unsigned long long)shape->max_bytes,
                  shape->shards, shape->exact_hits ? ", exact hits" : "");
}

/* An assertion for any thread: cmocka's only work in the first. */
#define require(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016). */
static inline uint64_t shape_draw(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(2685821657736338717);
}

static inline uint32_t shape_below(uint64_t *random, uint32_t limit)
{
    return (uint32_t)((shape_draw(random) >> 32) * limit >> 32);
}

#endif
