/* What memory costs the process that comes in pages when it is touched. */
#ifndef LDR_STORE_COST_H
#define LDR_STORE_COST_H

#include <stdint.h>

#define LDR_PAGE UINT64_C(4096)

static inline uint64_t ldr_whole_pages(uint64_t bytes)
{
    return (bytes + LDR_PAGE - 1) / LDR_PAGE * LDR_PAGE;
}

#endif
