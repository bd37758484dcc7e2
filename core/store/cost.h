/* What memory costs the process that comes in pages when it is touched. */
#ifndef LDR_STORE_COST_H
#define LDR_STORE_COST_H

#include <stdint.h>

#define LDR_PAGE UINT64_C(4096)

static inline uint64_t ldr_whole_pages(uint64_t bytes)
{
    return (bytes + LDR_PAGE - 1) / LDR_PAGE * LDR_PAGE;
}

/* The allocator maps blocks from this size on, which cost what is touched of them; smaller ones cost all of it. */
#define LDR_MAPPED_FROM (UINT64_C(128) << 10)

/* A block of the allocator of which the first `touched` bytes are in use. */
static inline uint64_t ldr_touched_bytes(uint64_t whole, uint64_t touched)
{
    uint64_t pages = ldr_whole_pages(touched);
    return whole >= LDR_MAPPED_FROM && pages < whole ? pages : whole;
}

#endif
