/* The breaker's states, with the clock as an argument; and the gate in front of a transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "core/cluster/breaker.h"
#include "core/cluster/gate.h"
#include "larder/plugin/runtime.h"

static const struct ldr_breaker_settings three = {.suspend_after = 3, .suspend_ms = 1000};

static uint64_t at(uint64_t ms)
{
    return ms * LARDER_NS_PER_MS;
}

static void suspend(struct ldr_breaker *breaker, uint64_t ms)
{
    for (unsigned i = 0; i < three.suspend_after; i++)
        assert_int_equal(ldr_breaker_failure(breaker, &three, false, at(ms)), i + 1 == three.suspend_after);
    assert_false(ldr_breaker_admits(breaker));
}

static void failures_in_a_row_suspend(void **state)
{
    (void)state;
    struct ldr_breaker breaker = {0};
    assert_true(ldr_breaker_admits(&breaker));
    assert_true(ldr_breaker_untroubled(&breaker));
    suspend(&breaker, 0);
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_OPEN);
    /* More of them change nothing: it does not stay suspended for longer. */
    assert_false(ldr_breaker_failure(&breaker, &three, false, at(900)));
    assert_int_equal(ldr_breaker_ping_at(&breaker, at(5000)), at(1000));
}

static void success_clears_the_count(void **state)
{
    (void)state;
    struct ldr_breaker breaker = {0};
    for (int i = 0; i < 10; i++) {
        assert_false(ldr_breaker_failure(&breaker, &three, false, 0));
        assert_false(ldr_breaker_failure(&breaker, &three, true, 0));
        assert_false(ldr_breaker_untroubled(&breaker));
        assert_false(ldr_breaker_success(&breaker, false));
        assert_true(ldr_breaker_untroubled(&breaker));
    }
    suspend(&breaker, 0); /* a whole row again */
}

static void a_ping_readmits_early(void **state)
{
    (void)state;
    struct ldr_breaker breaker = {0};
    suspend(&breaker, 0);
    ldr_breaker_ping(&breaker, at(10));
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_OPEN);
    assert_true(ldr_breaker_success(&breaker, true));
    assert_true(ldr_breaker_admits(&breaker));
    suspend(&breaker, 20);
}

static void half_open_is_decided_by_pings(void **state)
{
    (void)state;
    struct ldr_breaker breaker = {0};
    suspend(&breaker, 0);
    assert_int_equal(ldr_breaker_ping_at(&breaker, at(300)), at(300));
    ldr_breaker_ping(&breaker, at(1000));
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_HALF_OPEN);
    assert_false(ldr_breaker_admits(&breaker));
    /* A call that was under way decides nothing by failing. */
    assert_false(ldr_breaker_failure(&breaker, &three, false, at(1001)));
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_HALF_OPEN);
    /* One failed ping suspends for another full time, without being news. */
    assert_false(ldr_breaker_failure(&breaker, &three, true, at(1500)));
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_OPEN);
    assert_int_equal(ldr_breaker_ping_at(&breaker, at(9000)), at(2500));
    ldr_breaker_ping(&breaker, at(2500));
    assert_true(ldr_breaker_success(&breaker, true));
    assert_true(ldr_breaker_admits(&breaker));
}

static void a_refusal_ends_with_an_accepted_ping(void **state)
{
    (void)state;
    struct ldr_breaker breaker = {0};
    assert_true(ldr_breaker_refuse(&breaker));
    assert_false(ldr_breaker_refuse(&breaker));
    assert_false(ldr_breaker_admits(&breaker));
    assert_false(ldr_breaker_success(&breaker, false));
    assert_false(ldr_breaker_failure(&breaker, &three, true, 0));
    ldr_breaker_ping(&breaker, at(100000));
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_REFUSED);
    assert_int_equal(ldr_breaker_ping_at(&breaker, at(7)), at(7));
    assert_true(ldr_breaker_success(&breaker, true));
    assert_true(ldr_breaker_admits(&breaker));
}

static void a_suspension_beyond_the_clock_lasts(void **state)
{
    (void)state;
    const struct ldr_breaker_settings forever = {1, UINT64_MAX};
    struct ldr_breaker breaker = {0};
    assert_true(ldr_breaker_failure(&breaker, &forever, false, at(5)));
    assert_int_equal(ldr_breaker_ping_at(&breaker, at(7)), at(7));
    ldr_breaker_ping(&breaker, UINT64_MAX - 1);
    assert_int_equal(ldr_breaker_state(&breaker), LDR_BREAKER_OPEN);
}

/* ------------------------------------------------------------------------------------------------ the gate */

struct passage {
    struct ldr_gate gate;
    atomic_bool inside, closed;
    bool closed_while_inside;
};

static void *pass(void *arg)
{
    struct passage *passage = arg;
    assert_true(ldr_gate_enter(&passage->gate));
    assert_true(ldr_gate_enter(&passage->gate)); /* nests */
    atomic_store(&passage->inside, true);
    while (ldr_gate_enter(&passage->gate)) { /* until the other thread is closing */
        ldr_gate_leave(&passage->gate);
        sched_yield();
    }
    ldr_gate_leave(&passage->gate);
    passage->closed_while_inside = atomic_load(&passage->closed);
    ldr_gate_leave(&passage->gate);
    return NULL;
}

static void a_gate_waits_for_those_inside(void **state)
{
    (void)state;
    struct passage passage = {.closed_while_inside = true};
    pthread_t thread;
    ldr_gate_init(&passage.gate);
    assert_int_equal(pthread_create(&thread, NULL, pass, &passage), 0);
    while (!atomic_load(&passage.inside))
        sched_yield();
    ldr_gate_close(&passage.gate);
    atomic_store(&passage.closed, true);
    assert_false(passage.closed_while_inside);
    assert_false(ldr_gate_enter(&passage.gate));
    pthread_join(thread, NULL);
    ldr_gate_destroy(&passage.gate);
}

static void an_empty_gate_closes_at_once(void **state)
{
    (void)state;
    struct ldr_gate gate;
    ldr_gate_init(&gate);
    assert_true(ldr_gate_enter(&gate));
    ldr_gate_leave(&gate);
    ldr_gate_close(&gate);
    assert_false(ldr_gate_enter(&gate));
    ldr_gate_destroy(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_suspend),
        cmocka_unit_test(success_clears_the_count),
        cmocka_unit_test(a_ping_readmits_early),
        cmocka_unit_test(half_open_is_decided_by_pings),
        cmocka_unit_test(a_refusal_ends_with_an_accepted_ping),
        cmocka_unit_test(a_suspension_beyond_the_clock_lasts),
        cmocka_unit_test(a_gate_waits_for_those_inside),
        cmocka_unit_test(an_empty_gate_closes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
