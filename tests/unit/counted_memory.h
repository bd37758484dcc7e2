/*
 * All memory that the code under test holds, from the allocator and from the system, counted; and each request for more
 * failing in turn. For the linker: counted_memory.cmake.
 */
#ifndef COUNTED_MEMORY_H
#define COUNTED_MEMORY_H

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { COUNTED_LARGE = 1 << 16, COUNTED_RANGES = 4096 };

struct counted_range {
    unsigned char *start;
    size_t size;
};

/* Of one thread at a time. */
static struct {
    uint64_t small; /* bytes of blocks of the allocator, with its headers */
    size_t blocks;  /* how many there are, the large ones too */
    struct counted_range
        ranges[COUNTED_RANGES]; /* mapped, or a large block, which may be untouched for the most part */
    size_t count;
    long countdown; /* requests until the one that fails; negative: none does */
    bool lasting;   /* all after it fail, too */
    unsigned failed;
} counted = {.countdown = -1};

static inline bool counted_fails(void)
{
    if (counted.countdown < 0 || counted.countdown-- > 0)
        return false;
    counted.failed++;
    if (counted.lasting)
        counted.countdown = 0;
    errno = ENOMEM;
    return true;
}

/* ---- ranges */

static inline void counted_add(void *start, size_t size)
{
    if (counted.count == COUNTED_RANGES) {
        fprintf(stderr, "more than %d ranges are mapped\n", COUNTED_RANGES);
        abort();
    }
    counted.ranges[counted.count++] = (struct counted_range){start, size};
}

/* Takes out what lies in this range, and cuts what lies in it in part. */
static inline void counted_cut(void *at, size_t size)
{
    unsigned char *start = at, *end = start + size;
    for (size_t i = counted.count; i-- > 0;) {
        struct counted_range range = counted.ranges[i];
        unsigned char *range_end = range.start + range.size;
        if (range.start >= end || range_end <= start)
            continue;
        counted.ranges[i] = counted.ranges[--counted.count];
        if (range.start < start)
            counted_add(range.start, (size_t)(start - range.start));
        if (range_end > end)
            counted_add(end, (size_t)(range_end - end));
    }
}

static inline uint64_t counted_touched(const struct counted_range *range)
{
    static unsigned char pages[1 << 16];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), step = page * sizeof pages;
    unsigned char *start = (unsigned char *)((uintptr_t)range->start / page * page);
    unsigned char *end = range->start + range->size;
    uint64_t touched = 0;
    for (unsigned char *at = start; at < end; at += step) {
        size_t left = (size_t)(end - at), length = left < step ? left : step;
        if (mincore(at, length, pages) != 0)
            abort();
        for (size_t i = 0; i < (length + page - 1) / page; i++)
            touched += pages[i] & 1 ? page : 0;
    }
    return touched;
}

/* Bytes held now. */
static inline uint64_t counted_bytes(void)
{
    uint64_t bytes = counted.small;
    for (size_t i = 0; i < counted.count; i++)
        bytes += counted_touched(&counted.ranges[i]);
    return bytes;
}

/* ---- the allocator */

static inline void *counted_block(void *block)
{
    if (block == NULL)
        return NULL;
    size_t size = malloc_usable_size(block);
    counted.blocks++;
    if (size >= COUNTED_LARGE)
        counted_add(block, size);
    else
        counted.small += size + sizeof size;
    return block;
}

static inline void counted_unblock(void *block)
{
    if (block == NULL)
        return;
    size_t size = malloc_usable_size(block);
    counted.blocks--;
    if (size >= COUNTED_LARGE)
        counted_cut(block, size);
    else
        counted.small -= size + sizeof size;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size)
{
    return counted_fails() ? NULL : counted_block(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return counted_fails() ? NULL : counted_block(__real_calloc(count, size));
}

/* As a new block: nobody may rely on its staying in place. */
void *__wrap_realloc(void *block, size_t size)
{
    if (counted_fails())
        return NULL;
    void *moved = counted_block(__real_malloc(size));
    if (moved == NULL || block == NULL)
        return moved;
    size_t old = malloc_usable_size(block);
    memcpy(moved, block, old < size ? old : size);
    counted_unblock(block);
    __real_free(block);
    return moved;
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : __wrap_realloc(block, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return counted_fails() ? NULL : counted_block(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    if (counted_fails())
        return ENOMEM;
    int error = __real_posix_memalign(block, alignment, size);
    if (error == 0)
        (void)counted_block(*block);
    return error;
}

void __wrap_free(void *block)
{
    counted_unblock(block);
    __real_free(block);
}

/* ---- the system */

void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_mprotect(void *at, size_t size, int protection);
int __real_madvise(void *at, size_t size, int advice);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __wrap_mprotect(void *at, size_t size, int protection);
int __wrap_madvise(void *at, size_t size, int advice);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    if (counted_fails())
        return MAP_FAILED;
    void *mapped = __real_mmap(at, size, protection, flags, file, offset);
    if (mapped == MAP_FAILED)
        return mapped;
    counted_cut(mapped, size);
    counted_add(mapped, size);
    return mapped;
}

/* Never fails here: what is given back as it was taken cannot be refused. */
int __wrap_munmap(void *at, size_t size)
{
    counted_cut(at, size);
    return __real_munmap(at, size);
}

int __wrap_mprotect(void *at, size_t size, int protection)
{
    return counted_fails() ? -1 : __real_mprotect(at, size, protection);
}

/* Fails in earnest where memory is locked, for one. */
int __wrap_madvise(void *at, size_t size, int advice)
{
    return counted_fails() ? -1 : __real_madvise(at, size, advice);
}

#endif
