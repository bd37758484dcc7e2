/* Small helpers for bytes: slices, growing buffers, overflow-checked sizes, hashing for in-memory tables. */
#ifndef LDR_BASE_BYTES_H
#define LDR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "larder/plugin/plugin.h"

static inline struct larder_slice ldr_slice(const void *data, size_t size)
{
    return (struct larder_slice){data, size};
}

static inline struct larder_slice ldr_slice_text(const char *text)
{
    return (struct larder_slice){text, strlen(text)};
}

static inline bool ldr_slice_equal(struct larder_slice a, struct larder_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* True when a + b does not overflow; *sum is then set. */
static inline bool ldr_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool ldr_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* A growing text. Zeroed: empty. After a failed allocation `failed` stays set and appending does nothing. */
struct ldr_buffer {
    char *data; /* NUL-terminated when not NULL */
    size_t size, capacity;
    bool failed;
};

void ldr_buffer_append(struct ldr_buffer *buffer, const void *data, size_t size);
void ldr_buffer_printf(struct ldr_buffer *buffer, const char *format, ...) LARDER_PRINTF(2, 3);
void ldr_buffer_free(struct ldr_buffer *buffer);

/* A keyed hash for tables in memory (XXH3, 64 bits): not the ring's digest. Draw `seed` at random for each table. */
uint64_t ldr_hash(struct larder_slice bytes, uint64_t seed);

/* The finaliser of MurmurHash3: every bit of the result depends on every bit of `x`. */
static inline uint64_t ldr_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

#endif
