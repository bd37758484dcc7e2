#include "core/store/size_class.h"

#include <stdbool.h>

#define GRAIN_SHIFT  12u
#define GRAIN_SMALL  6u
#define QUOTA_SPANS  256u /* spans that a quota should be cut into */
#define SMALL_QUOTA  (UINT64_C(64) << 10)
#define SPAN_LEAST   8ull  /* grains that the longest span has at least, so that entries of some grains are packed */
#define SMALL_SPAN   1024u /* and bytes, a quarter of the quota at most */
#define STRUCT_BYTES 40u   /* what a span costs besides its cells */

static unsigned log2_floor(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

static uint64_t at_most(uint64_t x, uint64_t most)
{
    return x < most ? x : most;
}

static uint64_t at_least(uint64_t x, uint64_t least)
{
    return x > least ? x : least;
}

struct ldr_sizes ldr_sizes_for(uint64_t quota, unsigned shift)
{
    quota = at_least(quota, 256);
    struct ldr_sizes sizes = {.borrow_part = 4};
    uint64_t target = quota / QUOTA_SPANS;
    sizes.grain_shift = (uint8_t)at_least(at_most(log2_floor(target), GRAIN_SHIFT), at_least(GRAIN_SMALL, shift));
    /* Wider steps in small stores: there a head for each class would cost more than the steps save. */
    sizes.unit_shift = (uint8_t)at_least(shift, quota < SMALL_QUOTA ? 4 : 3);
    uint64_t most = at_least(at_least(8 * target, SPAN_LEAST << sizes.grain_shift), SMALL_SPAN);
    most = at_most(most, quota / 4) >> sizes.grain_shift;
    sizes.span_max = (uint8_t)at_least(at_most(most, LDR_SPAN_GRAINS_MAX), 1);
    uint64_t grains = at_least(target >> sizes.grain_shift, sizes.span_max / 4u);
    sizes.span_target = (uint8_t)at_least(at_most(grains, LDR_SPAN_GRAINS_MAX), 1);
    /* A span has two cells at least: an entry that would be alone in it needs no class. */
    uint64_t largest = ((uint64_t)sizes.span_max << sizes.grain_shift) / 2 >> sizes.unit_shift;
    if (largest > 0) {
        uint32_t class = ldr_class_of_units(largest);
        sizes.classes = class + (ldr_units_of_class(class) == largest);
    }
    return sizes;
}

/*
 * What is lost with spans of so many grains, in 1/65536: what the cells leave over and the struct of the span, and, for
 * spans larger than they should be, the cells of a class that nothing lies in.
 */
static uint64_t loss(const struct ldr_sizes *sizes, size_t cell, uint32_t grains)
{
    uint64_t bytes = (uint64_t)grains << sizes->grain_shift, lost = bytes % cell + STRUCT_BYTES;
    uint32_t target = sizes->span_target, off = grains > target ? grains - target : target - grains;
    return lost * 65536 / bytes + off * UINT64_C(65536) / (32 * target);
}

static uint32_t best_grains(const struct ldr_sizes *sizes, size_t cell)
{
    uint64_t least = UINT64_MAX;
    uint32_t best = sizes->span_max;
    for (uint32_t grains = (sizes->span_target + 1u) / 2; grains <= sizes->span_max; grains++) {
        uint64_t lost = loss(sizes, cell, grains);
        if ((uint64_t)grains << sizes->grain_shift < 2 * cell || lost >= least)
            continue;
        least = lost;
        best = grains;
    }
    return best;
}

void ldr_sizes_fill(struct ldr_sizes *sizes, struct ldr_size_class *table)
{
    sizes->table = table;
    uint32_t end = 0, part = sizes->borrow_part;
    for (uint32_t i = 0; i < sizes->classes; i++) {
        size_t cell = ldr_sizes_cell(sizes, i);
        uint32_t grains = best_grains(sizes, cell);
        while (end < sizes->classes && part * ldr_sizes_cell(sizes, end) <= (part + 1) * cell)
            end++;
        table[i].cells = (uint16_t)(((size_t)grains << sizes->grain_shift) / cell);
        table[i].span_grains = (uint8_t)grains;
        table[i].borrow_end = (uint8_t)end;
    }
}
