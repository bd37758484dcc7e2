/* Whatever the system refuses, core/base says so, leaks nothing and goes on afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/runtime.h"

/* ------------------------------------------------------------------------------------------------ refusals */

static size_t calls;              /* how many there have been */
static size_t refused = SIZE_MAX; /* the number of the one that fails */

static bool refuse(void)
{
    return calls++ == refused;
}

static void let_fail(size_t number)
{
    calls = 0;
    refused = number;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
ssize_t __real_getrandom(void *buffer, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return refuse() ? NULL : __real_strdup(text);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
    return refuse() ? EAGAIN : __real_pthread_create(thread, attributes, run, arg);
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
    if (!refuse())
        return __real_getrandom(buffer, size, flags);
    errno = ENOSYS;
    return -1;
}

/* ------------------------------------------------------------------------------------------------ tests */

static void a_buffer_keeps_what_it_has(void **state)
{
    (void)state;
    struct ldr_buffer buffer = {0};
    ldr_buffer_append(&buffer, "kept", 4);
    let_fail(0);
    ldr_buffer_printf(&buffer, "%0100d", 1);
    let_fail(SIZE_MAX);
    assert_true(buffer.failed);
    ldr_buffer_append(&buffer, "lost", 4);
    assert_string_equal(buffer.data, "kept");
    ldr_buffer_free(&buffer);
    ldr_buffer_append(&buffer, "again", 5);
    assert_false(buffer.failed);
    assert_string_equal(buffer.data, "again");
    ldr_buffer_free(&buffer);
}

static void a_log_opens_or_does_not(void **state)
{
    (void)state;
    size_t number = 0;
    struct ldr_log *log;
    for (;; number++) {
        let_fail(number);
        log = ldr_log_open("a", LARDER_LOG_INFO, LDR_LOG_LOGFMT, 2);
        if (log != NULL)
            break;
    }
    let_fail(SIZE_MAX);
    assert_int_equal(number, 2);
    ldr_log_close(log);
}

static void a_runtime_opens_or_says_why_not(void **state)
{
    (void)state;
    /* In this order: its memory, its seed, the pool's memory, three workers, its own thread. */
    static const char *const reasons[] = {
        "out of memory",
        "reading random bytes: ",
        "out of memory",
        "starting a worker thread: ",
        "starting a worker thread: ",
        "starting a worker thread: ",
        "starting the runtime's thread: ",
    };
    const size_t count = sizeof reasons / sizeof *reasons;
    for (size_t number = 0; number < count; number++) {
        let_fail(number);
        const struct larder_runtime *runtime = ldr_runtime_open(3, 1);
        let_fail(SIZE_MAX);
        assert_null(runtime);
        assert_int_equal(larder_last_status(), number % 2 == 0 && number < 3 ? LARDER_NO_MEMORY : LARDER_IO);
        if (strncmp(larder_last_error(), reasons[number], strlen(reasons[number])) != 0)
            fail_msg("refusal %zu gave \"%s\"", number, larder_last_error());
    }
    let_fail(count);
    const struct larder_runtime *runtime = ldr_runtime_open(3, 1);
    let_fail(SIZE_MAX);
    assert_non_null(runtime);
    ldr_runtime_close(runtime);
}

static void nothing(struct larder_task *task)
{
    (void)task;
}

static void a_simulation_without_memory_takes_no_work(void **state)
{
    (void)state;
    let_fail(0);
    assert_null(ldr_sim_open(1));
    let_fail(SIZE_MAX);
    assert_int_equal(larder_last_status(), LARDER_NO_MEMORY);
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    struct larder_task task = {.run = nothing};
    let_fail(0);
    assert_false(runtime->work(runtime, &task));
    let_fail(0);
    assert_null(ldr_sim_machine(runtime, &(struct ldr_sim_clock){0}));
    let_fail(SIZE_MAX);
    assert_int_equal(larder_last_status(), LARDER_NO_MEMORY);
    assert_false(ldr_sim_step(runtime));
    assert_true(runtime->work(runtime, &task));
    assert_true(ldr_sim_step(runtime));
    ldr_sim_close(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_keeps_what_it_has),
        cmocka_unit_test(a_log_opens_or_does_not),
        cmocka_unit_test(a_runtime_opens_or_says_why_not),
        cmocka_unit_test(a_simulation_without_memory_takes_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
