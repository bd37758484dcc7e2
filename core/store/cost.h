/* What memory costs the process that comes in pages when it is touched. */
#ifndef LDR_STORE_COST_H
#define LDR_STORE_COST_H

#include <stdint.h>

#include "core/base/pages.h"

static inline uint64_t ldr_whole_pages(uint64_t bytes)
{
    const uint64_t in_page = bytes != 0 ? ldr_pages_size() - 1 : 0; /* pages are powers of two */
    return (bytes + in_page) & ~in_page;
}

#endif
