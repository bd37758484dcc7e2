/* The table of flights by itself, on a clock and timers that the test holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/group/flight.h"
#include "core/group/group.h"

/* A runtime on which a timer fires in the very moment in which another one is cancelled. */
struct fixture {
    struct larder_runtime runtime; /* first */
    const struct larder_runtime *sim;
    uint64_t start;                     /* of the clock */
    struct larder_timer *first, *rival; /* the first one started; the one to fire at the next cancellation */
    struct ldr_context context;
    struct ldr_flights *flights;
    struct ldr_group groups[2];
    struct ldr_flight *begun;
    unsigned flying;
};

static void start_timer(const struct larder_runtime *runtime, struct larder_timer *timer, uint64_t at)
{
    struct fixture *fixture = (struct fixture *)runtime;
    if (fixture->first == NULL)
        fixture->first = timer;
    fixture->sim->timer_start(fixture->sim, timer, at);
}

static bool cancel_timer(const struct larder_runtime *runtime, struct larder_timer *timer)
{
    struct fixture *fixture = (struct fixture *)runtime;
    struct larder_timer *rival = fixture->rival;
    if (rival != NULL && rival != timer) {
        fixture->rival = NULL;
        assert_true(fixture->sim->timer_cancel(fixture->sim, rival));
        rival->fire(rival);
    }
    return fixture->sim->timer_cancel(fixture->sim, timer);
}

static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){.sim = ldr_sim_open(1)};
    assert_non_null(fixture->sim);
    fixture->runtime = *fixture->sim;
    fixture->start = larder_now(fixture->sim);
    fixture->runtime.timer_start = start_timer;
    fixture->runtime.timer_cancel = cancel_timer;
    fixture->context.runtime = &fixture->runtime;
    fixture->flights = ldr_flights_open(&fixture->context, 1);
    assert_non_null(fixture->flights);
    for (size_t i = 0; i < 2; i++) {
        fixture->groups[i].context = &fixture->context;
        fixture->groups[i].references = 1;
    }
}

static uint64_t at(const struct fixture *fixture, uint64_t ms)
{
    return fixture->start + ms * LARDER_NS_PER_MS;
}

static void tear_down(struct fixture *fixture)
{
    ldr_sim_run(fixture->sim, at(fixture, 1000));
    assert_int_equal(ldr_flights_pending(fixture->flights), 0);
    assert_int_equal(fixture->groups[0].references, 1);
    assert_int_equal(fixture->groups[1].references, 1);
    ldr_flights_close(fixture->flights);
    ldr_sim_close(fixture->sim);
}

/* ------------------------------------------------------------------------------------------------ asking */

struct answer {
    unsigned count;
    enum larder_status status;
    unsigned again; /* it was told to ask again */
};

static void done(void *arg, struct larder_reply *reply)
{
    struct answer *answer = arg;
    answer->count++;
    answer->status = reply->status;
    larder_reply_release(reply);
}

static void again(void *arg)
{
    struct answer *answer = arg;
    answer->again++;
}

static void begin(struct ldr_flight *flight, void *arg)
{
    struct fixture *fixture = arg;
    fixture->begun = flight;
    fixture->flying++;
}

static bool ask(struct fixture *fixture, size_t group, uint64_t deadline_ms, struct answer *answer)
{
    return ldr_flight_ask(fixture->flights, &(struct ldr_flight_ask){
                                                .group = &fixture->groups[group],
                                                .name = ldr_slice_text("g"),
                                                .key = ldr_slice_text("Tom"),
                                                .since = larder_now(fixture->sim),
                                                .deadline = at(fixture, deadline_ms),
                                                .flight_deadline = at(fixture, 100),
                                                .done = done,
                                                .again = again,
                                                .arg = answer,
                                                .begin = begin,
                                                .begin_arg = fixture,
                                            });
}

static void finish(struct ldr_flight *flight)
{
    struct larder_reply reply = {.status = LARDER_OK};
    ldr_flight_finish(flight, &reply);
}

/* ------------------------------------------------------------------------------------------------ tests */

static void every_waiter_is_answered_once(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct answer first = {0}, second = {0};
    set_up(&fixture);
    assert_false(ask(&fixture, 0, 10, &first));
    assert_true(ask(&fixture, 0, 200, &second));
    ldr_sim_run(fixture.sim, at(&fixture, 50));
    assert_int_equal(first.count, 1);
    assert_int_equal(first.status, LARDER_DEADLINE);
    assert_int_equal(second.count, 0);
    ldr_sim_run(fixture.sim, at(&fixture, 150));
    assert_int_equal(second.count, 1);
    assert_int_equal(second.status, LARDER_DEADLINE);
    assert_int_equal(ldr_flights_pending(fixture.flights), 1);
    finish(fixture.begun);
    assert_int_equal(first.count + second.count, 2);
    tear_down(&fixture);
}

static void a_timer_may_fire_while_its_waiter_is_answered(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct answer first = {0}, second = {0};
    set_up(&fixture);
    assert_false(ask(&fixture, 0, 10, &first));
    assert_true(ask(&fixture, 0, 20, &second));
    fixture.rival = fixture.first;
    finish(fixture.begun);
    assert_null(fixture.rival);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.status, LARDER_OK);
    assert_int_equal(second.count, 1);
    tear_down(&fixture);
}

static void who_joined_too_late_asks_again(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct answer first = {0}, second = {0}, third = {0};
    set_up(&fixture);
    assert_false(ask(&fixture, 0, 90, &first));
    ldr_sim_run(fixture.sim, at(&fixture, 30));
    assert_true(ask(&fixture, 0, 90, &second));
    ldr_sim_run(fixture.sim, at(&fixture, 40));
    assert_true(ask(&fixture, 0, 200, &third));
    struct larder_reply reply = {.status = LARDER_OK};
    ldr_flight_finish_until(fixture.begun, &reply, at(&fixture, 20));
    assert_int_equal(first.count, 1);
    assert_int_equal(first.again, 0);
    assert_int_equal(second.again, 1);
    assert_int_equal(third.again, 1);
    ldr_sim_run(fixture.sim, at(&fixture, 300));
    assert_int_equal(second.count + third.count, 0);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_waiter_is_answered_once),
        cmocka_unit_test(a_timer_may_fire_while_its_waiter_is_answered),
        cmocka_unit_test(who_joined_too_late_asks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
