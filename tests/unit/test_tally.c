/* Waiting until nothing is under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "core/base/tally.h"

static const uint64_t never = UINT64_C(1) << 60;

static void what_is_under_way_is_waited_for_until_its_time(void **unused)
{
    (void)unused;
    struct ldr_tally tally;
    ldr_tally_init(&tally);
    assert_true(ldr_tally_wait(&tally, 0));
    ldr_tally_begin(&tally);
    ldr_tally_begin(&tally);
    ldr_tally_end(&tally);
    assert_false(ldr_tally_wait(&tally, 0));
    ldr_tally_end(&tally);
    assert_true(ldr_tally_wait(&tally, never));
    ldr_tally_destroy(&tally);
}

static void *end_when_awaited(void *arg)
{
    struct ldr_tally *tally = arg;
    while (!atomic_load(&tally->awaited))
        sched_yield();
    ldr_tally_end(tally);
    return NULL;
}

static void the_last_one_wakes_who_waits(void **unused)
{
    (void)unused;
    struct ldr_tally tally;
    pthread_t thread;
    ldr_tally_init(&tally);
    ldr_tally_begin(&tally);
    assert_int_equal(pthread_create(&thread, NULL, end_when_awaited, &tally), 0);
    assert_true(ldr_tally_wait(&tally, never));
    pthread_join(thread, NULL);
    ldr_tally_destroy(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_under_way_is_waited_for_until_its_time),
        cmocka_unit_test(the_last_one_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
