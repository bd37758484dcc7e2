/* The simulated runtime, and the timing wheel under both runtimes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/base/wheel.h"

/* Against a plain list: whatever is added, moved and removed, the earliest comes first and at its time. */
static void wheel_agrees_with_a_list(void **state)
{
    (void)state;
    enum { TIMERS = 300 };
    struct larder_timer *timers = calloc(TIMERS, sizeof *timers);
    struct ldr_wheel *wheel = calloc(1, sizeof *wheel);
    assert_non_null(timers);
    assert_non_null(wheel);
    uint64_t random = 7, fired = 0;
    wheel->now = 123456789;
    for (int round = 0; round < 200000; round++) {
        random += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t value = ldr_mix(random);
        struct larder_timer *timer = &timers[value % TIMERS];
        unsigned width = (unsigned)(value >> 32) % 45;
        if (value >> 60 < 6) {
            if (ldr_wheel_running(timer))
                ldr_wheel_remove(wheel, timer);
            ldr_wheel_add(wheel, timer, wheel->now + (ldr_mix(value) & ((UINT64_C(1) << width) - 1)));
        } else if (value >> 60 < 8) {
            if (ldr_wheel_running(timer))
                ldr_wheel_remove(wheel, timer);
        } else {
            uint64_t until = wheel->now + (ldr_mix(value) & ((UINT64_C(1) << width) - 1)), earliest = LARDER_NEVER;
            for (int i = 0; i < TIMERS; i++)
                if (ldr_wheel_running(&timers[i]) && timers[i].at < earliest)
                    earliest = timers[i].at;
            assert_true(ldr_wheel_next(wheel) <= earliest);
            struct larder_timer *due = ldr_wheel_due(wheel, until);
            assert_int_equal(due != NULL, earliest <= until);
            assert_true(wheel->now == (due != NULL ? earliest : until));
            if (due != NULL) {
                assert_true(due->at == earliest);
                ldr_wheel_remove(wheel, due);
                fired++;
            }
        }
    }
    assert_true(fired > 10000);
    free(wheel);
    free(timers);
}

static void wheel_takes_the_ends_of_time(void **state)
{
    (void)state;
    struct ldr_wheel *wheel = calloc(1, sizeof *wheel);
    assert_non_null(wheel);
    struct larder_timer last = {0}, never = {0}, past = {0};
    wheel->now = 1000;
    ldr_wheel_add(wheel, &never, LARDER_NEVER);
    assert_true(ldr_wheel_running(&never));
    assert_true(ldr_wheel_next(wheel) == LARDER_NEVER);
    ldr_wheel_add(wheel, &last, LARDER_NEVER - 1);
    ldr_wheel_add(wheel, &past, 5);
    assert_ptr_equal(ldr_wheel_due(wheel, 1000), &past);
    assert_int_equal(past.at, 1000);
    ldr_wheel_remove(wheel, &past);
    assert_null(ldr_wheel_due(wheel, LARDER_NEVER - 2));
    assert_ptr_equal(ldr_wheel_due(wheel, LARDER_NEVER), &last);
    ldr_wheel_remove(wheel, &last);
    ldr_wheel_remove(wheel, &never);
    assert_false(ldr_wheel_running(&never));
    assert_null(ldr_wheel_due(wheel, LARDER_NEVER));
    free(wheel);
}

/* Writes down what ran, in order. */
struct record {
    const struct larder_runtime *runtime;
    char order[64];
    size_t count;
    uint64_t at[64];
};

struct event {
    struct larder_timer timer;
    struct larder_task task;
    struct record *record;
    char name;
    int again; /* how often it starts or posts itself again */
};

static void wrote(struct event *event)
{
    struct record *record = event->record;
    assert_true(record->count + 1 < sizeof record->order);
    record->at[record->count] = larder_now(record->runtime);
    record->order[record->count++] = event->name;
}

static void fired(struct larder_timer *timer)
{
    struct event *event = (struct event *)timer;
    wrote(event);
    if (event->again-- > 0)
        event->record->runtime->timer_start(event->record->runtime, timer, larder_now(event->record->runtime) + 10);
}

static void ran(struct larder_task *task)
{
    struct event *event = (struct event *)((char *)task - offsetof(struct event, task));
    wrote(event);
    if (event->again-- > 0)
        event->record->runtime->post(event->record->runtime, task);
}

static struct event event_of(struct record *record, char name)
{
    return (struct event){.timer.fire = fired, .task.run = ran, .record = record, .name = name};
}

static void time_is_virtual_and_exact(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    struct record record = {.runtime = runtime};
    struct event a = event_of(&record, 'a'), b = event_of(&record, 'b'), c = event_of(&record, 'c');
    uint64_t start = larder_now(runtime), wall = runtime->wall_ms(runtime);
    assert_true(start > 0);
    runtime->timer_start(runtime, &a.timer, start + 3600000 * LARDER_NS_PER_MS);
    runtime->timer_start(runtime, &b.timer, start + 17);
    runtime->timer_start(runtime, &c.timer, start + 99);
    runtime->timer_start(runtime, &c.timer, start + 18); /* moved */
    assert_true(ldr_sim_step(runtime));
    assert_true(larder_now(runtime) == start + 17);
    ldr_sim_run(runtime, start + 50);
    assert_string_equal(record.order, "bc");
    assert_true(larder_now(runtime) == start + 50);
    assert_true(ldr_sim_step(runtime));
    assert_true(runtime->wall_ms(runtime) == wall + 3600000);
    assert_false(ldr_sim_step(runtime));
    assert_true(larder_now(runtime) == start + 3600000 * LARDER_NS_PER_MS);
    ldr_sim_close(runtime);
}

static void timers_are_cancelled_and_started_from_fire(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    struct record record = {.runtime = runtime};
    struct event a = event_of(&record, 'a'), b = event_of(&record, 'b');
    uint64_t start = larder_now(runtime);
    a.again = 2;
    assert_false(runtime->timer_cancel(runtime, &a.timer));
    runtime->timer_start(runtime, &a.timer, start);
    runtime->timer_start(runtime, &b.timer, LARDER_NEVER);
    assert_true(runtime->timer_cancel(runtime, &b.timer));
    assert_false(runtime->timer_cancel(runtime, &b.timer));
    runtime->timer_start(runtime, &b.timer, LARDER_NEVER);
    while (ldr_sim_step(runtime))
        ;
    assert_string_equal(record.order, "aaa");
    assert_true(record.at[0] == start && record.at[1] == start + 10 && record.at[2] == start + 20);
    assert_false(runtime->timer_cancel(runtime, &a.timer));
    ldr_sim_close(runtime);
}

/* Posted tasks in their order, timers of one time in any order; returns what happened. */
static uint64_t play(uint64_t seed, struct record *record)
{
    const struct larder_runtime *runtime = ldr_sim_open(seed);
    assert_non_null(runtime);
    *record = (struct record){.runtime = runtime};
    struct event events[10];
    uint64_t now = larder_now(runtime);
    for (int i = 0; i < 4; i++) {
        events[i] = event_of(record, (char)('a' + i));
        runtime->timer_start(runtime, &events[i].timer, now + 5);
    }
    for (int i = 4; i < 8; i++) {
        events[i] = event_of(record, (char)('A' + i - 4));
        events[i].again = i == 4 ? 3 : 0;
        runtime->post(runtime, &events[i].task);
    }
    for (int i = 8; i < 10; i++) {
        events[i] = event_of(record, (char)('0' + i - 8));
        assert_true(runtime->work(runtime, &events[i].task));
    }
    while (ldr_sim_step(runtime))
        ;
    assert_int_equal(record->count, 13);
    uint64_t digest = ldr_sim_digest(runtime);
    ldr_sim_close(runtime);
    return digest;
}

static void a_seed_repeats_its_run(void **state)
{
    (void)state;
    struct record first, again;
    unsigned orders = 0, work_orders = 0, digests = 0;
    struct record reference;
    uint64_t reference_digest = play(1000, &reference);
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t digest = play(seed, &first);
        assert_true(play(seed, &again) == digest);
        assert_string_equal(first.order, again.order);
        assert_memory_equal(first.at, again.at, sizeof first.at);
        /* The order of one poster holds, whatever the seed. */
        assert_true(strchr(first.order, 'A') < strchr(first.order, 'B'));
        assert_true(strchr(first.order, 'B') < strchr(first.order, 'C'));
        assert_true(strchr(first.order, 'C') < strchr(first.order, 'D'));
        orders += strcmp(first.order, reference.order) != 0;
        work_orders += strchr(first.order, '0') > strchr(first.order, '1');
        digests += digest != reference_digest;
    }
    assert_true(orders > 20);
    assert_true(work_orders > 5 && work_orders < 45);
    assert_int_equal(digests, 50);
}

static void notes_and_draws_change_the_digest(void **state)
{
    (void)state;
    const struct larder_runtime *a = ldr_sim_open(1), *b = ldr_sim_open(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(a->random(a) == b->random(b));
    assert_true(ldr_sim_digest(a) == ldr_sim_digest(b));
    ldr_sim_note(a, 1);
    ldr_sim_note(b, 2);
    assert_true(ldr_sim_digest(a) != ldr_sim_digest(b));
    ldr_sim_close(a);
    ldr_sim_close(b);
    ldr_sim_close(NULL);
}

static void close_runs_what_was_taken_and_drops_timers(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    struct record record = {.runtime = runtime};
    struct event events[] = {event_of(&record, 'w'), event_of(&record, 'p'), event_of(&record, 't')};
    assert_true(runtime->work(runtime, &events[0].task));
    runtime->post(runtime, &events[1].task);
    runtime->timer_start(runtime, &events[2].timer, larder_now(runtime));
    ldr_sim_close(runtime);
    assert_string_equal(record.order, "wp");
}

/* A machine's own clock: ahead, and up to a tenth faster or slower; a timer never fires before its time on it. */
static void machines_have_clocks_of_their_own(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    const uint64_t second = 1000 * LARDER_NS_PER_MS, ahead = 77 * second + 13;
    const struct larder_runtime *fast = ldr_sim_machine(runtime, &(struct ldr_sim_clock){ahead, 6553});
    const struct larder_runtime *slow = ldr_sim_machine(runtime, &(struct ldr_sim_clock){.drift = -655});
    assert_non_null(fast);
    assert_non_null(slow);
    uint64_t start = larder_now(runtime);
    assert_true(larder_now(fast) == start + ahead && larder_now(slow) == start);
    struct record record = {.runtime = runtime};
    struct event a = event_of(&record, 'a'), b = event_of(&record, 'b'), c = event_of(&record, 'c'),
                 d = event_of(&record, 'd');
    runtime->timer_start(runtime, &a.timer, start + 100 * second);
    fast->timer_start(fast, &b.timer, larder_now(fast) + 100 * second);
    slow->timer_start(slow, &c.timer, larder_now(slow) + 100 * second);
    fast->timer_start(fast, &d.timer, LARDER_NEVER);
    for (const struct larder_runtime *const *machine = (const struct larder_runtime *[]){fast, runtime, slow, NULL};
         *machine != NULL; machine++) {
        uint64_t at = *machine == fast ? start + ahead : start;
        assert_true(ldr_sim_step(runtime));
        assert_true(larder_now(*machine) - at - 100 * second < 2);
    }
    assert_false(ldr_sim_step(runtime));
    assert_string_equal(record.order, "bac");
    assert_true(record.at[0] - start > 90 * second && record.at[0] - start < 91 * second);
    assert_true(record.at[2] - start > 101 * second - 10 * LARDER_NS_PER_MS && record.at[2] - start < 102 * second);
    uint64_t wall = slow->wall_ms(slow), other = fast->wall_ms(fast);
    ldr_sim_jump(slow, -5000);
    assert_true(slow->wall_ms(slow) == wall - 5000 && fast->wall_ms(fast) == other);
    assert_true(fast->timer_cancel(fast, &d.timer));
    ldr_sim_close(runtime);
}

static void a_stopped_machine_runs_late_and_the_others_in_time(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    const struct larder_runtime *machine = ldr_sim_machine(runtime, &(struct ldr_sim_clock){.ahead_ns = 5});
    assert_non_null(machine);
    struct record record = {.runtime = runtime};
    struct event a = event_of(&record, 'a'), b = event_of(&record, 'b'), c = event_of(&record, 'c'),
                 d = event_of(&record, 'd'), e = event_of(&record, 'e');
    uint64_t start = larder_now(runtime);
    ldr_sim_stop(machine, true);
    machine->timer_start(machine, &a.timer, larder_now(machine) + 10);
    machine->timer_start(machine, &b.timer, larder_now(machine) + 20);
    machine->timer_start(machine, &c.timer, larder_now(machine) + 200);
    machine->post(machine, &d.task);
    runtime->timer_start(runtime, &e.timer, start + 15);
    ldr_sim_run(runtime, start + 100);
    assert_string_equal(record.order, "e");
    assert_false(ldr_sim_step(runtime));
    ldr_sim_stop(machine, false);
    ldr_sim_run(runtime, start + 150);
    assert_int_equal(record.count, 4);
    assert_true(strchr(record.order, 'a') < strchr(record.order, 'b') && strchr(record.order, 'd') != NULL);
    for (size_t i = 1; i < 4; i++)
        assert_true(record.at[i] == start + 100);
    ldr_sim_run(runtime, start + 300);
    assert_true(record.count == 5 && record.at[4] == start + 200);
    ldr_sim_close(runtime);
}

static void a_machine_closes_by_itself(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = ldr_sim_open(1);
    assert_non_null(runtime);
    const struct larder_runtime *machine = ldr_sim_machine(runtime, &(struct ldr_sim_clock){0});
    assert_non_null(machine);
    struct record record = {.runtime = runtime};
    struct event w = event_of(&record, 'w'), p = event_of(&record, 'p'), t = event_of(&record, 't'),
                 o = event_of(&record, 'o');
    assert_true(machine->work(machine, &w.task));
    machine->post(machine, &p.task);
    machine->timer_start(machine, &t.timer, larder_now(machine));
    runtime->timer_start(runtime, &o.timer, larder_now(runtime) + 1);
    ldr_sim_machine_close(machine);
    assert_string_equal(record.order, "wp");
    while (ldr_sim_step(runtime))
        ;
    assert_string_equal(record.order, "wpo");
    ldr_sim_machine_close(NULL);
    ldr_sim_close(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheel_agrees_with_a_list),
        cmocka_unit_test(wheel_takes_the_ends_of_time),
        cmocka_unit_test(time_is_virtual_and_exact),
        cmocka_unit_test(timers_are_cancelled_and_started_from_fire),
        cmocka_unit_test(a_seed_repeats_its_run),
        cmocka_unit_test(notes_and_draws_change_the_digest),
        cmocka_unit_test(close_runs_what_was_taken_and_drops_timers),
        cmocka_unit_test(machines_have_clocks_of_their_own),
        cmocka_unit_test(a_stopped_machine_runs_late_and_the_others_in_time),
        cmocka_unit_test(a_machine_closes_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
