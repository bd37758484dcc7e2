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
    uint8_t borrow_end; /* entries may lie in cells of the classes below this one, which are a little larger */
};

struct ldr_sizes {
    uint32_t classes;
    uint8_t grain_shift; /* a grain is 1 << grain_shift bytes, 64 to 4,096 */
    uint8_t unit_shift;  /* all cells are a multiple of 1 << unit_shift bytes */
    uint8_t span_target; /* grains that a span should have */
    uint8_t span_max;
    uint8_t borrow_part; /* cells in which an entry may lie are at most this part larger than its own would be: 4 */
    struct ldr_size_class *table; /* of `classes`; filled in by ldr_sizes_fill() */
};

/* `quota` is in bytes, `shift` that of the references. */
struct ldr_sizes ldr_sizes_for(uint64_t quota, unsigned shift);

/* Fills in what is told of each class, in a table that has room for sizes->classes. */
void ldr_sizes_fill(struct ldr_sizes *sizes, struct ldr_size_class *table);

#define LDR_UNIT_STEPS  64u /* classes in steps of one unit */
#define LDR_STEPS_SHIFT 4u  /* 16 steps a doubling after that */

static inline uint32_t ldr_class_of_units(uint64_t units)
{
    if (units <= LDR_UNIT_STEPS)
        return (uint32_t)units - 1;
    unsigned doubling = 63u - (unsigned)__builtin_clzll(units - 1);
    uint64_t step = (units - 1) >> (doubling - LDR_STEPS_SHIFT); /* 16 to 31 */
    return LDR_UNIT_STEPS + ((doubling - 6u) << LDR_STEPS_SHIFT) + (uint32_t)step - (1u << LDR_STEPS_SHIFT);
}

static inline uint64_t ldr_units_of_class(uint32_t class)
{
    if (class < LDR_UNIT_STEPS)
        return class + 1u;
    uint32_t step = class - LDR_UNIT_STEPS, doubling = step >> LDR_STEPS_SHIFT;
    step &= (1u << LDR_STEPS_SHIFT) - 1;
    return (uint64_t)(step + (1u << LDR_STEPS_SHIFT) + 1) << (doubling + 6u - LDR_STEPS_SHIFT);
}

/* The class of an entry; LDR_CLASS_LARGE: none. */
static inline uint32_t ldr_sizes_class(const struct ldr_sizes *sizes, size_t size)
{
    uint64_t units = (size >> sizes->unit_shift) + ((size & ((UINT64_C(1) << sizes->unit_shift) - 1)) != 0);
    uint32_t class = ldr_class_of_units(units > 0 ? units : 1);
    return units <= UINT32_MAX && class < sizes->classes ? class : LDR_CLASS_LARGE;
}

/* The bytes of a cell. */
static inline size_t ldr_sizes_cell(const struct ldr_sizes *sizes, uint32_t class)
{
    return ldr_units_of_class(class) << sizes->unit_shift;
}

/* The grains that so many bytes take. */
static inline uint64_t ldr_sizes_grains(const struct ldr_sizes *sizes, uint64_t bytes)
{
    uint64_t grain = UINT64_C(1) << sizes->grain_shift;
    return bytes / grain + (bytes % grain != 0);
}

#endif
