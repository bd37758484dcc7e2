/*
 * Lets the n-th allocation fail. A test names the functions that it wraps, here with FAILING() and for the linker in its
 * .cmake file (-Wl,--wrap=malloc); what does not return NULL on failure asks failing() itself.
 */
#ifndef TESTS_UNIT_FAILING_H
#define TESTS_UNIT_FAILING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the test's one thread. */
static struct {
    size_t calls; /* since fail_from() */
    size_t first; /* the number, from 0, of the first that fails; SIZE_MAX: none does */
    bool lasting; /* all after it fail, too */
} fail_plan = {.first = SIZE_MAX};

static inline bool failing(void)
{
    size_t number = fail_plan.calls++;
    if (number < fail_plan.first || (number > fail_plan.first && !fail_plan.lasting))
        return false;
    errno = ENOMEM;
    return true;
}

#define FAILING(type, name, parameters, ...)                                                                           \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return failing() ? NULL : __real_##name(__VA_ARGS__);                                                          \
    }

static inline void fail_from(size_t number, bool lasting)
{
    fail_plan.calls = 0;
    fail_plan.first = number;
    fail_plan.lasting = lasting;
}

/* True: the failure was met. */
static inline bool stop_failing(void)
{
    bool met = fail_plan.first != SIZE_MAX && fail_plan.calls > fail_plan.first;
    fail_plan.first = SIZE_MAX;
    return met;
}

#endif
