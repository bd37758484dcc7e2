#include "fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local bool exempt;
static atomic_size_t allocations, failures, every;
static atomic_size_t one = SIZE_MAX;

bool fail_exempt(bool now)
{
    bool before = exempt;
    exempt = now;
    return before;
}

void fail_one(size_t number)
{
    atomic_store(&allocations, 0);
    atomic_store(&failures, 0);
    atomic_store(&one, number);
}

void fail_every(size_t number)
{
    atomic_store(&every, number);
}

size_t fail_no_more(void)
{
    atomic_store(&every, 0);
    atomic_store(&one, SIZE_MAX);
    return atomic_load(&failures);
}

static bool fails(void)
{
    if (exempt)
        return false;
    size_t number = atomic_fetch_add(&allocations, 1), each = atomic_load(&every);
    if (each > 0 ? number % each != each - 1 : number != atomic_load(&one))
        return false;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return true;
}

#define WRAP(type, name, parameters, ...)                                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails() ? NULL : __real_##name(__VA_ARGS__);                                                            \
    }

WRAP(void *, malloc, (size_t size), size)
WRAP(void *, calloc, (size_t count, size_t size), count, size)
WRAP(void *, realloc, (void *old, size_t size), old, size)
WRAP(char *, strdup, (const char *text), text)
WRAP(char *, strndup, (const char *text, size_t size), text, size)

int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **text, const char *format, ...)
{
    if (fails())
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

void *fail_malloc(size_t size)
{
    return malloc(size); /* wrapped */
}

void fail_free(void *memory)
{
    free(memory);
}
