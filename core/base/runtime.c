#include "core/base/runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/pool.h"
#include "core/base/thread.h"
#include "core/base/wheel.h"

struct runtime {
    struct larder_runtime table; /* what everybody holds; its state is this struct */
    struct ldr_pool *pool;
    _Atomic uint64_t random; /* relaxed: only that no two callers draw the same number matters */
    pthread_mutex_t lock;    /* guards everything below but the thread */
    pthread_cond_t wake;
    struct ldr_wheel wheel;
    struct ldr_tasks tasks;
    uint64_t waits_until; /* what the thread sleeps for; 0 while it is awake */
    bool closing;
    pthread_t thread;
};

static uint64_t runtime_now(const struct larder_runtime *table)
{
    (void)table;
    return ldr_clock_now();
}

static uint64_t runtime_wall_ms(const struct larder_runtime *table)
{
    (void)table;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / LARDER_NS_PER_MS;
}

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): its state is a counter, so that one atomic addition is a draw. */
static uint64_t runtime_random(const struct larder_runtime *table)
{
    struct runtime *runtime = table->state;
    return ldr_mix(atomic_fetch_add_explicit(&runtime->random, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed));
}

/* Wakes the thread when it sleeps for something later than `at`. */
static void wake_for(struct runtime *runtime, uint64_t at)
{
    if (at < runtime->waits_until)
        pthread_cond_signal(&runtime->wake);
}

static void runtime_timer_start(const struct larder_runtime *table, struct larder_timer *timer, uint64_t at)
{
    struct runtime *runtime = table->state;
    pthread_mutex_lock(&runtime->lock);
    if (ldr_wheel_running(timer))
        ldr_wheel_remove(&runtime->wheel, timer);
    ldr_wheel_add(&runtime->wheel, timer, at);
    wake_for(runtime, at);
    pthread_mutex_unlock(&runtime->lock);
}

static bool runtime_timer_cancel(const struct larder_runtime *table, struct larder_timer *timer)
{
    struct runtime *runtime = table->state;
    pthread_mutex_lock(&runtime->lock);
    bool running = ldr_wheel_running(timer);
    if (running)
        ldr_wheel_remove(&runtime->wheel, timer);
    pthread_mutex_unlock(&runtime->lock);
    return running;
}

static void runtime_post(const struct larder_runtime *table, struct larder_task *task)
{
    struct runtime *runtime = table->state;
    pthread_mutex_lock(&runtime->lock);
    ldr_tasks_push(&runtime->tasks, task);
    wake_for(runtime, 0);
    pthread_mutex_unlock(&runtime->lock);
}

static bool runtime_work(const struct larder_runtime *table, struct larder_task *task)
{
    struct runtime *runtime = table->state;
    return ldr_pool_work(runtime->pool, task);
}

/* Runs all tasks posted so far; those that they post come with the next round. With the lock held, which it lets go. */
static bool run_tasks(struct runtime *runtime)
{
    struct ldr_tasks batch = runtime->tasks;
    if (batch.first == NULL)
        return false;
    runtime->tasks = (struct ldr_tasks){0};
    pthread_mutex_unlock(&runtime->lock);
    for (struct larder_task *task; (task = ldr_tasks_pop(&batch)) != NULL;)
        task->run(task);
    pthread_mutex_lock(&runtime->lock);
    return true;
}

/* Fires one timer that is due. With the lock held, which it lets go. */
static bool fire_timer(struct runtime *runtime)
{
    struct larder_timer *timer = ldr_wheel_due(&runtime->wheel, ldr_clock_now());
    if (timer == NULL)
        return false;
    ldr_wheel_remove(&runtime->wheel, timer);
    pthread_mutex_unlock(&runtime->lock);
    timer->fire(timer);
    pthread_mutex_lock(&runtime->lock);
    return true;
}

static void sleep_until(struct runtime *runtime, uint64_t at)
{
    runtime->waits_until = at;
    if (at == LARDER_NEVER)
        pthread_cond_wait(&runtime->wake, &runtime->lock);
    else
        ldr_clock_wait(&runtime->wake, &runtime->lock, at);
    runtime->waits_until = 0;
}

/* Tasks and timers take turns, so that neither holds up the other. Once the runtime closes no timer fires any more. */
static void *serve(void *arg)
{
    struct runtime *runtime = arg;
    pthread_mutex_lock(&runtime->lock);
    for (;;) {
        bool ran = run_tasks(runtime);
        if (runtime->closing) {
            if (runtime->tasks.first == NULL)
                break;
            continue;
        }
        ran |= fire_timer(runtime);
        if (!ran && runtime->tasks.first == NULL && !runtime->closing)
            sleep_until(runtime, ldr_wheel_next(&runtime->wheel));
    }
    pthread_mutex_unlock(&runtime->lock);
    return NULL;
}

static bool seed(struct runtime *runtime)
{
    uint64_t value;
    ssize_t got;
    do
        got = getrandom(&value, sizeof value, 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof value) {
        ldr_fail(LARDER_IO, "reading random bytes: %s", strerror(errno));
        return false;
    }
    atomic_init(&runtime->random, value);
    return true;
}

static void free_runtime(struct runtime *runtime)
{
    pthread_mutex_destroy(&runtime->lock);
    pthread_cond_destroy(&runtime->wake);
    free(runtime);
}

const struct larder_runtime *ldr_runtime_open(unsigned workers, size_t queue)
{
    struct runtime *runtime = calloc(1, sizeof *runtime);
    if (runtime == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    ldr_clock_condition(&runtime->wake);
    pthread_mutex_init(&runtime->lock, NULL);
    if (!seed(runtime))
        goto free_runtime;
    runtime->table = (struct larder_runtime){
        .state = runtime,
        .now = runtime_now,
        .wall_ms = runtime_wall_ms,
        .random = runtime_random,
        .timer_start = runtime_timer_start,
        .timer_cancel = runtime_timer_cancel,
        .post = runtime_post,
        .work = runtime_work,
    };
    runtime->wheel.now = ldr_clock_now();
    runtime->pool = ldr_pool_open(workers > 0 ? workers : 1, queue);
    if (runtime->pool == NULL)
        goto free_runtime;
    int error = ldr_thread_start(&runtime->thread, "larder-timer", serve, runtime);
    if (error != 0) {
        ldr_fail(LARDER_IO, "starting the runtime's thread: %s", strerror(error));
        goto close_pool;
    }
    return &runtime->table;
close_pool:
    ldr_pool_close(runtime->pool);
free_runtime:
    free_runtime(runtime);
    return NULL;
}

void ldr_runtime_close(const struct larder_runtime *table)
{
    if (table == NULL)
        return;
    struct runtime *runtime = table->state;
    ldr_pool_close(runtime->pool); /* first: work that still runs may post tasks */
    pthread_mutex_lock(&runtime->lock);
    runtime->closing = true;
    pthread_cond_signal(&runtime->wake);
    pthread_mutex_unlock(&runtime->lock);
    pthread_join(runtime->thread, NULL);
    free_runtime(runtime);
}
