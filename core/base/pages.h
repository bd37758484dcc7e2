/*
 * Memory straight from the system, in pages: a range of addresses is reserved, and costs memory only where it is
 * touched.
 */
#ifndef LDR_BASE_PAGES_H
#define LDR_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* What a huge page takes, and is aligned to. */
#define LDR_HUGE_PAGE ((size_t)2 << 20)

/* Bytes of a page. */
size_t ldr_pages_size(void);

/* A range that reads as zeros, at a page's start. NULL: no address space. Give it back with the same size. */
void *ldr_pages_reserve(size_t size);
void ldr_pages_release(void *address, size_t size);

/* Gives the memory of the whole pages within a range back: they read as zeros again. */
void ldr_pages_discard(void *address, size_t size);

/*
 * Whether the system shall back the range with huge pages where it can: fewer misses of the address cache, but the
 * first touch makes 2 MiB resident. For whole pages; a system that knows nothing of it does as it likes.
 */
void ldr_pages_huge(void *address, size_t size, bool huge);

/*
 * Backs a huge page, of which nothing is in memory, with one if the system has one to give. Parts of it that are discarded
 * later come back as small pages, and only when they are touched: where huge pages are asked for once and for all, the
 * system would make parts that are free resident again.
 */
void ldr_pages_take_huge(void *address);

/* Has the allocator give back the pages that lie free in its own heap, as far as it can be asked to. Takes a while. */
void ldr_pages_trim_allocator(void);

#endif
