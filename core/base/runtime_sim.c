#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/runtime.h"
#include "core/base/thread.h"
#include "core/base/wheel.h"

#define START         (UINT64_C(1000) * 1000 * LARDER_NS_PER_MS) /* not 0: nobody may take 0 for a point of time */
#define WALL_START_MS UINT64_C(1767225600000)                    /* 2026-01-01T00:00:00Z */
#define WORK_DELAY_NS (2 * LARDER_NS_PER_MS)                     /* most that work waits for its worker */

/* What kind of event ran, for the digest. */
enum { RAN_TASK = 1, RAN_TIMER = 2 };

/* A task on its way to a worker. */
struct work {
    struct larder_timer timer; /* first: the timer is the work */
    struct larder_task *task;
    struct work *next, **link; /* among all that are on their way */
};

struct sim {
    struct larder_runtime table; /* what everybody holds; its state is this struct */
    uint64_t random;
    uint64_t digest;
    struct ldr_wheel wheel; /* its time is the clock */
    struct ldr_tasks tasks;
    struct work *works;
    bool closing;
};

static void note(struct sim *sim, uint64_t value)
{
    sim->digest = ldr_mix(sim->digest + UINT64_C(0x9e3779b97f4a7c15) + value);
}

/* SplitMix64, as in the real runtime. */
static uint64_t draw(struct sim *sim)
{
    uint64_t value = ldr_mix(sim->random);
    sim->random += UINT64_C(0x9e3779b97f4a7c15);
    note(sim, value);
    return value;
}

static uint64_t sim_now(const struct larder_runtime *table)
{
    struct sim *sim = table->state;
    return sim->wheel.now;
}

static uint64_t sim_wall_ms(const struct larder_runtime *table)
{
    struct sim *sim = table->state;
    return WALL_START_MS + (sim->wheel.now - START) / LARDER_NS_PER_MS;
}

static uint64_t sim_random(const struct larder_runtime *table)
{
    return draw(table->state);
}

static bool sim_timer_cancel(const struct larder_runtime *table, struct larder_timer *timer)
{
    struct sim *sim = table->state;
    bool running = ldr_wheel_running(timer);
    if (running)
        ldr_wheel_remove(&sim->wheel, timer);
    return running;
}

static void sim_timer_start(const struct larder_runtime *table, struct larder_timer *timer, uint64_t at)
{
    struct sim *sim = table->state;
    sim_timer_cancel(table, timer);
    ldr_wheel_add(&sim->wheel, timer, at);
}

static void sim_post(const struct larder_runtime *table, struct larder_task *task)
{
    struct sim *sim = table->state;
    ldr_tasks_push(&sim->tasks, task);
}

static void run_work(struct larder_timer *timer)
{
    struct work *work = (struct work *)timer;
    struct larder_task *task = work->task;
    *work->link = work->next;
    if (work->next != NULL)
        work->next->link = work->link;
    free(work);
    task->run(task);
}

static bool sim_work(const struct larder_runtime *table, struct larder_task *task)
{
    struct sim *sim = table->state;
    if (sim->closing)
        return false;
    struct work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return false;
    work->timer.fire = run_work;
    work->task = task;
    work->next = sim->works;
    work->link = &sim->works;
    if (sim->works != NULL)
        sim->works->link = &work->next;
    sim->works = work;
    ldr_wheel_add(&sim->wheel, &work->timer, sim->wheel.now + draw(sim) % WORK_DELAY_NS);
    return true;
}

const struct larder_runtime *ldr_sim_open(uint64_t seed)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    sim->table = (struct larder_runtime){
        .state = sim,
        .now = sim_now,
        .wall_ms = sim_wall_ms,
        .random = sim_random,
        .timer_start = sim_timer_start,
        .timer_cancel = sim_timer_cancel,
        .post = sim_post,
        .work = sim_work,
    };
    sim->random = ldr_mix(seed + 1);
    sim->digest = seed;
    sim->wheel.now = START;
    return &sim->table;
}

static bool run_task(struct sim *sim)
{
    struct larder_task *task = ldr_tasks_pop(&sim->tasks);
    if (task == NULL)
        return false;
    note(sim, sim->wheel.now ^ RAN_TASK);
    task->run(task);
    return true;
}

/* Of timers with the same time any may be first; with more than 64 of them, any of the first 64. */
static void run_timer(struct sim *sim, struct larder_timer *timer)
{
    if (timer->next != timer)
        for (uint64_t steps = draw(sim) % 64; steps > 0; steps--)
            timer = timer->next;
    ldr_wheel_remove(&sim->wheel, timer);
    note(sim, sim->wheel.now ^ RAN_TIMER);
    timer->fire(timer);
}

/* Runs the earliest event up to `until`. Posted tasks run in their order, but before or after what else is due now. */
static bool step(struct sim *sim, uint64_t until)
{
    bool posted = sim->tasks.first != NULL;
    struct larder_timer *timer = ldr_wheel_due(&sim->wheel, posted ? sim->wheel.now : until);
    if (timer != NULL && (!posted || draw(sim) % 2 == 0)) {
        run_timer(sim, timer);
        return true;
    }
    return run_task(sim);
}

bool ldr_sim_step(const struct larder_runtime *table)
{
    struct sim *sim = table->state;
    return (sim->tasks.first != NULL || ldr_wheel_next(&sim->wheel) != LARDER_NEVER) && step(sim, LARDER_NEVER);
}

void ldr_sim_run(const struct larder_runtime *table, uint64_t until)
{
    while (step(table->state, until))
        ;
}

uint64_t ldr_sim_digest(const struct larder_runtime *table)
{
    const struct sim *sim = table->state;
    return sim->digest;
}

void ldr_sim_note(const struct larder_runtime *table, uint64_t value)
{
    note(table->state, value);
}

/* As the real one: takes no more work, runs what was taken, drops the timers. */
void ldr_sim_close(const struct larder_runtime *table)
{
    if (table == NULL)
        return;
    struct sim *sim = table->state;
    sim->closing = true;
    while (sim->works != NULL) {
        ldr_wheel_remove(&sim->wheel, &sim->works->timer);
        run_work(&sim->works->timer);
    }
    while (run_task(sim))
        ;
    free(sim);
}
