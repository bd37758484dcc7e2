/* What the tests of the store share: short forms of its operations that take texts. */
#ifndef STORE_KIT_H
#define STORE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"

extern const struct larder_eviction larder_plugin_table__eviction_lru, larder_plugin_table__eviction_fifo,
    larder_plugin_table__eviction_clock;
#define LRU   (&larder_plugin_table__eviction_lru)
#define FIFO  (&larder_plugin_table__eviction_fifo)
#define CLOCK (&larder_plugin_table__eviction_clock)

static inline struct ldr_store *kit_open(const struct larder_eviction *eviction, uint64_t max_bytes)
{
    const struct ldr_store_options options = {
        .max_bytes = max_bytes, .max_value = UINT64_MAX, .eviction = eviction, .seed = 42};
    struct ldr_store *store = ldr_store_open(&options);
    assert_non_null(store);
    return store;
}

static inline struct ldr_store_stats kit_stats(struct ldr_store *store)
{
    struct ldr_store_stats stats;
    ldr_store_stats(store, &stats);
    return stats;
}

/* The budget holds, which is asked after every operation. */
static inline void kit_check(struct ldr_store *store)
{
    struct ldr_store_stats stats = kit_stats(store);
    assert_in_range(stats.bytes_used, 1, stats.bytes_limit);
    assert_in_range(stats.value_bytes, 0, stats.bytes_used);
}

static inline enum larder_status kit_put(struct ldr_store *store, const char *key, const void *value, size_t size)
{
    const struct ldr_put put = {.key = ldr_slice_text(key), .value = ldr_slice(value, size), .expires = LARDER_NEVER};
    enum larder_status status = ldr_store_put(store, &put, 0, NULL);
    kit_check(store);
    return status;
}

static inline enum larder_status kit_put_text(struct ldr_store *store, const char *key, const char *value)
{
    return kit_put(store, key, value, strlen(value));
}

/* The same with a time to expire. */
static inline void kit_put_until(struct ldr_store *store, const char *key, uint64_t expires, uint64_t now)
{
    const struct ldr_put put = {.key = ldr_slice_text(key), .value = ldr_slice_text(key), .expires = expires};
    assert_int_equal(ldr_store_put(store, &put, now, NULL), LARDER_OK);
    kit_check(store);
}

static inline bool kit_entry_is(struct ldr_entry *entry, const char *value)
{
    bool is = entry != NULL && ldr_slice_equal(ldr_entry_value(entry), ldr_slice_text(value));
    ldr_entry_release(entry);
    return is;
}

/* True when a get finds this value; NULL: when it finds nothing. */
static inline bool kit_is(struct ldr_store *store, const char *key, const char *value)
{
    struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text(key), 0);
    bool found = entry != NULL, is = kit_entry_is(entry, value == NULL ? "" : value);
    return value == NULL ? !found : is;
}

static inline bool kit_has(struct ldr_store *store, const char *key)
{
    struct ldr_entry *entry = ldr_store_peek(store, ldr_slice_text(key), 0);
    ldr_entry_release(entry);
    return entry != NULL;
}

static inline enum larder_status kit_remove(struct ldr_store *store, const char *key)
{
    enum larder_status status = ldr_store_remove(store, ldr_slice_text(key), 0, (struct larder_version){0}, 0);
    kit_check(store);
    return status;
}

/* Entries of one size, by number. */
static inline void kit_put_number(struct ldr_store *store, unsigned number)
{
    char key[16];
    snprintf(key, sizeof key, "%06u", number);
    assert_int_equal(kit_put(store, key, key, 6), LARDER_OK);
}

static inline bool kit_has_number(struct ldr_store *store, unsigned number)
{
    char key[16];
    snprintf(key, sizeof key, "%06u", number);
    return kit_has(store, key);
}

static inline void kit_use_number(struct ldr_store *store, unsigned number)
{
    char key[16];
    snprintf(key, sizeof key, "%06u", number);
    assert_true(kit_entry_is(ldr_store_get(store, ldr_slice_text(key), 0), key));
}

/* Fills a store with 0, 1, 2, ... up to the first eviction. Returns how many were put. */
static inline unsigned kit_fill(struct ldr_store *store)
{
    unsigned count = 0;
    while (kit_stats(store).evictions == 0)
        kit_put_number(store, count++);
    return count;
}

#endif
