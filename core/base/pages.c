#include "core/base/pages.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

size_t ldr_pages_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *ldr_pages_reserve(size_t size)
{
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return address == MAP_FAILED ? NULL : address;
}

void ldr_pages_release(void *address, size_t size)
{
    munmap(address, size);
}

void ldr_pages_discard(void *address, size_t size)
{
    uintptr_t mask = ldr_pages_size() - 1, begin = (uintptr_t)address;
    size_t skip = (size_t)(-begin & mask);
    if (size <= skip)
        return;
    size = (size - skip) & ~mask;
    unsigned char *start = (unsigned char *)address + skip;
    if (size == 0 || madvise(start, size, MADV_DONTNEED) == 0)
        return;
    /* Refused where memory is locked. The caller relies on the zeros. */
    if (mmap(start, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        memset(start, 0, size);
}

void ldr_pages_huge(void *address, size_t size, bool huge)
{
#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
    if (size > 0)
        madvise(address, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)address;
    (void)size;
    (void)huge;
#endif
}

void ldr_pages_take_huge(void *address)
{
    ldr_pages_huge(address, LDR_HUGE_PAGE, true);
    *(volatile unsigned char *)address = 0;
    ldr_pages_huge(address, LDR_HUGE_PAGE, false);
}

void ldr_pages_trim_allocator(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
