#include "core/base/lanes.h"

#include <stdlib.h>
#include <string.h>

struct ldr_lanes {
    struct ldr_lane lanes[LDR_EPOCH_LANES];
};

struct ldr_lanes *ldr_lanes_open(void)
{
    struct ldr_lanes *lanes = aligned_alloc(alignof(struct ldr_lanes), sizeof *lanes);
    if (lanes != NULL)
        memset(lanes, 0, sizeof *lanes);
    return lanes;
}

void ldr_lanes_close(struct ldr_lanes *lanes)
{
    free(lanes);
}

uint64_t ldr_lanes_sum(const struct ldr_lanes *lanes, unsigned counter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LDR_EPOCH_LANES; i++)
        sum += ldr_lane_read(&lanes->lanes[i], counter);
    return sum;
}
