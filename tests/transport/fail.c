/* One counter for all threads. */
#include "fail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static atomic_uint every;
static atomic_size_t calls, failures;

void fail_every(unsigned n)
{
    atomic_store(&every, n);
}

size_t failed_allocations(void)
{
    return atomic_load(&failures);
}

void *unfailing_malloc(size_t size)
{
    return __real_malloc(size);
}

static bool fails(void)
{
    unsigned n = atomic_load(&every);
    if (n == 0 || atomic_fetch_add(&calls, 1) % n != 0)
        return false;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}
