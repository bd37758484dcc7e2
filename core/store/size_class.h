/*
 * Size classes: the sizes of cells, and how many grains a span of each takes. Steps of one unit (8 bytes) up to 64
 * units, then 16 steps a doubling, so that a cell is at most 1/16 larger than what it holds, or 7 bytes. All of it
 * follows the quota of a shard: a store of many sizes has about half a span of each that nothing lies in.
 */
#ifndef LDR_STORE_SIZE_CLASS_H
#define LDR_STORE_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#define LDR_SPAN_GRAINS_MAX 16u /* of a span of cells */
#define LDR_CLASSES_MAX     254u
#define LDR_CLASS_LARGE     255u /* not a class: an entry that has a span of its own */

struct ldr_size_class {
    uint16_t cells; /* of a span */
    uint8_t span_grains;
    uint8_t borrow_end; /* entries may lie in cells of the classes up to this one, which are at most a quarter larger */
};

struct ldr_sizes {
    uint32_t classes;
    uint8_t grain_shift; /* a grain is 1 << grain_shift bytes, 64 to 4,096 */
    uint8_t unit_shift;  /* all cells are a multiple of 1 << unit_shift bytes */
    uint8_t span_target; /* grains that a span should have */
    uint8_t span_max;
    struct ldr_size_class *table; /* of `classes`; filled in by ldr_sizes_fill() */
};

/* `quota` is in bytes, `shift` that of the references. */
struct ldr_sizes ldr_sizes_for(uint64_t quota, unsigned shift);

/* Fills in what is told of each class, in a table that has room for sizes->classes. */
void ldr_sizes_fill(struct ldr_sizes *sizes, struct ldr_size_class *table);

/* The class of an entry; LDR_CLASS_LARGE: none. */
uint32_t ldr_sizes_class(const struct ldr_sizes *sizes, size_t size);

/* The bytes of a cell. */
size_t ldr_sizes_cell(const struct ldr_sizes *sizes, uint32_t class);

/* The grains that so many bytes take. */
static inline uint64_t ldr_sizes_grains(const struct ldr_sizes *sizes, uint64_t bytes)
{
    uint64_t grain = UINT64_C(1) << sizes->grain_shift;
    return bytes / grain + (bytes % grain != 0);
}

#endif
