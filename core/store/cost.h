/* What memory costs the process that comes in pages when it is touched. */
#ifndef LDR_STORE_COST_H
#define LDR_STORE_COST_H

#include <stdint.h>

#include "core/base/pages.h"

static inline uint64_t ldr_whole_pages(uint64_t bytes)
{
    const uint64_t page = ldr_pages_size();
    return (bytes + page - 1) / page * page;
}

#endif
