/* The real runtime: timers from many threads, cancels that race with firing, posted tasks, the pool, closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/runtime.h"

static const struct larder_runtime *open_runtime(unsigned workers, size_t queue)
{
    const struct larder_runtime *runtime = ldr_runtime_open(workers, queue);
    assert_non_null(runtime);
    return runtime;
}

/* Waits for the semaphore `count` times. */
static void wait_for(sem_t *semaphore, unsigned count)
{
    while (count > 0)
        if (sem_wait(semaphore) == 0)
            count--;
}

/* A timer that counts how often it fired and can be waited for. */
struct alarm {
    struct larder_timer timer;
    const struct larder_runtime *runtime;
    atomic_uint fired;
    uint64_t due;
    atomic_bool early; /* it fired before it was due */
    unsigned again;    /* how often it starts itself again */
    sem_t *done;
};

static void ring(struct larder_timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    if (larder_now(alarm->runtime) < alarm->due)
        atomic_store(&alarm->early, true);
    atomic_fetch_add(&alarm->fired, 1);
    if (alarm->again > 0) {
        alarm->again--;
        alarm->due = larder_now(alarm->runtime) + 1000;
        alarm->runtime->timer_start(alarm->runtime, timer, alarm->due);
    } else if (alarm->done != NULL) {
        sem_post(alarm->done);
    }
}

static void start(struct alarm *alarm, uint64_t delay)
{
    alarm->due = larder_now(alarm->runtime) + delay;
    alarm->runtime->timer_start(alarm->runtime, &alarm->timer, alarm->due);
}

static void thousands_of_timers_fire_once_and_not_early(void **state)
{
    (void)state;
    enum { ALARMS = 5000 };
    const struct larder_runtime *runtime = open_runtime(1, 1);
    struct alarm *alarms = calloc(ALARMS, sizeof *alarms);
    sem_t done;
    assert_non_null(alarms);
    sem_init(&done, 0, 0);
    for (unsigned i = 0; i < ALARMS; i++) {
        alarms[i] = (struct alarm){.timer.fire = ring, .runtime = runtime, .done = &done};
        start(&alarms[i], runtime->random(runtime) % (50 * LARDER_NS_PER_MS));
    }
    wait_for(&done, ALARMS);
    for (unsigned i = 0; i < ALARMS; i++) {
        assert_int_equal(alarms[i].fired, 1);
        assert_false(alarms[i].early);
        assert_false(runtime->timer_cancel(runtime, &alarms[i].timer));
    }
    ldr_runtime_close(runtime);
    sem_destroy(&done);
    free(alarms);
}

/* Starts an alarm and moves it, on the runtime's thread: it cannot fire in between. */
struct mover {
    struct larder_task task;
    struct alarm *alarm;
};

static void move_later(struct larder_task *task)
{
    struct alarm *alarm = ((struct mover *)task)->alarm;
    start(alarm, LARDER_NS_PER_MS);
    start(alarm, 20 * LARDER_NS_PER_MS);
}

static void a_running_timer_is_moved(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    sem_t done;
    sem_init(&done, 0, 0);
    struct alarm later = {.timer.fire = ring, .runtime = runtime, .done = &done};
    struct alarm sooner = {.timer.fire = ring, .runtime = runtime, .done = &done};
    runtime->timer_start(runtime, &sooner.timer, LARDER_NEVER);
    start(&sooner, 3600000 * LARDER_NS_PER_MS);
    struct mover mover = {.task.run = move_later, .alarm = &later};
    runtime->post(runtime, &mover.task);
    start(&sooner, LARDER_NS_PER_MS);
    wait_for(&done, 2);
    assert_int_equal(later.fired, 1);
    assert_false(later.early);
    assert_int_equal(sooner.fired, 1);
    ldr_runtime_close(runtime);
    sem_destroy(&done);
}

static void timers_start_from_fire(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    sem_t done;
    sem_init(&done, 0, 0);
    struct alarm alarms[20];
    for (unsigned i = 0; i < 20; i++) {
        alarms[i] = (struct alarm){.timer.fire = ring, .runtime = runtime, .done = &done, .again = 50};
        start(&alarms[i], i);
    }
    wait_for(&done, 20);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(alarms[i].fired, 51);
        assert_false(alarms[i].early);
    }
    ldr_runtime_close(runtime);
    sem_destroy(&done);
}

struct canceller {
    const struct larder_runtime *runtime;
    unsigned cancelled, missed;
};

/* Each round starts a timer that fires about now and cancels it: exactly one of the two must happen. */
static void *cancel_many(void *arg)
{
    struct canceller *canceller = arg;
    const struct larder_runtime *runtime = canceller->runtime;
    sem_t done;
    sem_init(&done, 0, 0);
    struct alarm alarm = {.timer.fire = ring, .runtime = runtime, .done = &done};
    for (unsigned i = 0; i < 3000; i++) {
        start(&alarm, runtime->random(runtime) % 20000);
        for (uint64_t until = larder_now(runtime) + runtime->random(runtime) % 20000; larder_now(runtime) < until;)
            ;
        if (runtime->timer_cancel(runtime, &alarm.timer)) {
            canceller->cancelled++;
        } else {
            wait_for(&done, 1);
            canceller->missed++;
        }
    }
    if (alarm.fired != canceller->missed || alarm.early)
        canceller->cancelled = 0;
    sem_destroy(&done);
    return NULL;
}

static void a_cancel_that_races_with_firing_is_told_the_truth(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    struct canceller cancellers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        cancellers[i] = (struct canceller){.runtime = runtime};
        assert_int_equal(pthread_create(&threads[i], NULL, cancel_many, &cancellers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(cancellers[i].cancelled > 0);
    }
    ldr_runtime_close(runtime);
}

/* Tasks of one thread, numbered. */
struct post {
    struct larder_task task;
    struct poster *poster;
    unsigned number;
};

struct poster {
    const struct larder_runtime *runtime;
    struct post posts[2000];
    unsigned next; /* touched by the runtime's thread alone */
    bool disorder;
    sem_t *done;
};

static void take(struct larder_task *task)
{
    struct post *post = (struct post *)task;
    if (post->number != post->poster->next++)
        post->poster->disorder = true;
    sem_post(post->poster->done);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < 2000; i++) {
        poster->posts[i] = (struct post){.task.run = take, .poster = poster, .number = i};
        poster->runtime->post(poster->runtime, &poster->posts[i].task);
    }
    return NULL;
}

static void tasks_of_one_thread_keep_their_order(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    struct poster *posters = calloc(4, sizeof *posters);
    pthread_t threads[4];
    sem_t done;
    assert_non_null(posters);
    sem_init(&done, 0, 0);
    for (int i = 0; i < 4; i++) {
        posters[i].runtime = runtime;
        posters[i].done = &done;
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    wait_for(&done, 4 * 2000);
    ldr_runtime_close(runtime);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(posters[i].next, 2000);
        assert_false(posters[i].disorder);
    }
    sem_destroy(&done);
    free(posters);
}

/* Work that blocks until it is let go. */
struct job {
    struct larder_task task;
    sem_t *begun, *go;
    atomic_uint *ran;
};

static void labour(struct larder_task *task)
{
    struct job *job = (struct job *)task;
    sem_post(job->begun);
    wait_for(job->go, 1);
    atomic_fetch_add(job->ran, 1);
}

static void work_is_bounded_and_queued_work_runs_before_close_returns(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(2, 3);
    sem_t begun, go;
    atomic_uint ran = 0;
    sem_init(&begun, 0, 0);
    sem_init(&go, 0, 0);
    struct job jobs[6];
    for (int i = 0; i < 6; i++)
        jobs[i] = (struct job){.task.run = labour, .begun = &begun, .go = &go, .ran = &ran};
    for (int i = 0; i < 5; i++)
        assert_true(runtime->work(runtime, &jobs[i].task));
    assert_false(runtime->work(runtime, &jobs[5].task)); /* two run or are about to, three wait */
    wait_for(&begun, 2);
    assert_false(runtime->work(runtime, &jobs[5].task));
    sem_post(&go);
    wait_for(&begun, 1);
    assert_true(runtime->work(runtime, &jobs[5].task));
    for (int i = 0; i < 5; i++)
        sem_post(&go);
    ldr_runtime_close(runtime);
    assert_int_equal(ran, 6);
    sem_destroy(&begun);
    sem_destroy(&go);
}

/* Posts a task from work: both run although the runtime is closing. */
struct chain {
    struct larder_task work, task;
    const struct larder_runtime *runtime;
    bool ran;
};

static void end_chain(struct larder_task *task)
{
    struct chain *chain = (struct chain *)((char *)task - offsetof(struct chain, task));
    chain->ran = true;
}

static void begin_chain(struct larder_task *task)
{
    struct chain *chain = (struct chain *)task;
    chain->runtime->post(chain->runtime, &chain->task);
}

static void close_runs_what_was_taken_and_drops_timers(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 200);
    struct alarm alarms[100];
    struct chain chains[100];
    for (unsigned i = 0; i < 100; i++) {
        alarms[i] = (struct alarm){.timer.fire = ring, .runtime = runtime};
        start(&alarms[i], 3600000 * LARDER_NS_PER_MS);
        chains[i] = (struct chain){.work.run = begin_chain, .task.run = end_chain, .runtime = runtime};
        assert_true(runtime->work(runtime, &chains[i].work));
    }
    ldr_runtime_close(runtime);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(chains[i].ran);
        assert_int_equal(alarms[i].fired, 0);
    }
    ldr_runtime_close(NULL);
}

static void *draw_many(void *arg)
{
    const struct larder_runtime *runtime = arg;
    uint64_t *numbers = calloc(5000, sizeof *numbers);
    for (int i = 0; numbers != NULL && i < 5000; i++)
        numbers[i] = runtime->random(runtime);
    return numbers;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void no_two_threads_draw_the_same_number(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    const struct larder_runtime *other = open_runtime(1, 1);
    assert_true(runtime->random(runtime) != other->random(other));
    pthread_t threads[3];
    uint64_t all[3 * 5000];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, (void *)(uintptr_t)runtime), 0);
    for (int i = 0; i < 3; i++) {
        void *numbers;
        pthread_join(threads[i], &numbers);
        assert_non_null(numbers);
        for (int n = 0; n < 5000; n++)
            all[i * 5000 + n] = ((uint64_t *)numbers)[n];
        free(numbers);
    }
    qsort(all, 3 * 5000, sizeof all[0], compare);
    for (int i = 1; i < 3 * 5000; i++)
        assert_true(all[i - 1] != all[i]);
    ldr_runtime_close(runtime);
    ldr_runtime_close(other);
}

/* Reports the signals its thread does not block. */
static void look_at_signals(struct larder_task *task)
{
    struct job *job = (struct job *)task;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_fetch_add(job->ran, sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT));
    sem_post(job->begun);
}

static void signals_are_left_to_the_program(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    sem_t begun;
    atomic_uint blocked = 0;
    sem_init(&begun, 0, 0);
    struct job work = {.task.run = look_at_signals, .begun = &begun, .ran = &blocked}, task = work;
    assert_true(runtime->work(runtime, &work.task));
    runtime->post(runtime, &task.task);
    wait_for(&begun, 2);
    assert_int_equal(blocked, 2);
    sigset_t mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM));
    ldr_runtime_close(runtime);
    sem_destroy(&begun);
}

static void deadlines_do_not_overflow(void **state)
{
    (void)state;
    const struct larder_runtime *runtime = open_runtime(1, 1);
    assert_true(larder_deadline_in(runtime, UINT64_MAX) == LARDER_NEVER);
    assert_true(larder_deadline_in(runtime, 1000) > larder_now(runtime));
    assert_true(runtime->wall_ms(runtime) > UINT64_C(1600000000000));
    ldr_runtime_close(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_timers_fire_once_and_not_early),
        cmocka_unit_test(a_running_timer_is_moved),
        cmocka_unit_test(timers_start_from_fire),
        cmocka_unit_test(a_cancel_that_races_with_firing_is_told_the_truth),
        cmocka_unit_test(tasks_of_one_thread_keep_their_order),
        cmocka_unit_test(work_is_bounded_and_queued_work_runs_before_close_returns),
        cmocka_unit_test(close_runs_what_was_taken_and_drops_timers),
        cmocka_unit_test(no_two_threads_draw_the_same_number),
        cmocka_unit_test(signals_are_left_to_the_program),
        cmocka_unit_test(deadlines_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
