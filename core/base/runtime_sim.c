#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/runtime.h"
#include "core/base/thread.h"
#include "core/base/wheel.h"

#define START         (UINT64_C(1000) * 1000 * LARDER_NS_PER_MS) /* not 0: nobody may take 0 for a point of time */
#define WALL_START_MS INT64_C(1767225600000)                     /* 2026-01-01T00:00:00Z */
#define WORK_DELAY_NS (2 * LARDER_NS_PER_MS)                     /* most that work waits for its worker */
#define UNIT          65536u                                     /* of a clock's drift */

/* What kind of event ran, for the digest. */
enum { RAN_TASK = 1, RAN_TIMER = 2 };

/* A task on its way to a worker. */
struct work {
    struct larder_timer timer; /* first: the timer is the work */
    struct larder_task *task;
    struct work *next, **link; /* among all of its machine that are on their way */
};

struct machine {
    struct larder_runtime table; /* what its users hold; its state is this struct */
    struct sim *sim;
    struct machine *next;
    struct ldr_wheel wheel; /* of times of the simulation's clock, behind which it may lag */
    struct ldr_tasks tasks;
    struct work *works;
    uint64_t ahead_ns;
    uint32_t rate; /* what its clock goes on while the simulation's does UNIT */
    int64_t wall_ahead_ms;
    bool stopped, closing;
};

struct sim {
    struct machine first;     /* the one whose clock is the simulation's */
    struct machine *machines; /* all, the newest first */
    uint64_t now;
    uint64_t random;
    uint64_t digest;
};

static struct machine *machine_of(const struct larder_runtime *table)
{
    return table->state;
}

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

/* ------------------------------------------------------------------------------------------------ clocks */

/* value * to / from, rounded up with `up` = from - 1, without overflow on the way. */
static uint64_t scale(uint64_t value, uint32_t to, uint32_t from, uint32_t up)
{
    return value / from * to + (value % from * to + up) / from;
}

static uint64_t sim_now(const struct larder_runtime *table)
{
    const struct machine *machine = machine_of(table);
    return START + machine->ahead_ns + scale(machine->sim->now - START, machine->rate, UNIT, 0);
}

/* The simulation's time from which on the machine's clock shows `at`. */
static uint64_t to_common(const struct machine *machine, uint64_t at)
{
    uint64_t start = START + machine->ahead_ns;
    if (at <= start)
        return START;
    return at >= LARDER_NEVER / 2 ? at : START + scale(at - start, UNIT, machine->rate, machine->rate - 1);
}

static uint64_t sim_wall_ms(const struct larder_runtime *table)
{
    const struct machine *machine = machine_of(table);
    uint64_t passed = (sim_now(table) - START - machine->ahead_ns) / LARDER_NS_PER_MS;
    return (uint64_t)(WALL_START_MS + machine->wall_ahead_ms) + passed;
}

void ldr_sim_jump(const struct larder_runtime *table, int64_t ms)
{
    machine_of(table)->wall_ahead_ms += ms;
}

/* ------------------------------------------------------------------------------------------------ the table */

static uint64_t sim_random(const struct larder_runtime *table)
{
    return draw(machine_of(table)->sim);
}

static bool sim_timer_cancel(const struct larder_runtime *table, struct larder_timer *timer)
{
    bool running = ldr_wheel_running(timer);
    if (running)
        ldr_wheel_remove(&machine_of(table)->wheel, timer);
    return running;
}

static void sim_timer_start(const struct larder_runtime *table, struct larder_timer *timer, uint64_t at)
{
    struct machine *machine = machine_of(table);
    uint64_t common = to_common(machine, at);
    sim_timer_cancel(table, timer);
    ldr_wheel_add(&machine->wheel, timer, common < machine->sim->now ? machine->sim->now : common);
}

static void sim_post(const struct larder_runtime *table, struct larder_task *task)
{
    ldr_tasks_push(&machine_of(table)->tasks, task);
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
    struct machine *machine = machine_of(table);
    if (machine->closing)
        return false;
    struct work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return false;
    work->timer.fire = run_work;
    work->task = task;
    work->next = machine->works;
    work->link = &machine->works;
    if (machine->works != NULL)
        machine->works->link = &work->next;
    machine->works = work;
    ldr_wheel_add(&machine->wheel, &work->timer, machine->sim->now + draw(machine->sim) % WORK_DELAY_NS);
    return true;
}

/* ------------------------------------------------------------------------------------------------ machines */

static void add_machine(struct sim *sim, struct machine *machine, const struct ldr_sim_clock *clock)
{
    *machine = (struct machine){
        .table = {.state = machine,
                  .now = sim_now,
                  .wall_ms = sim_wall_ms,
                  .random = sim_random,
                  .timer_start = sim_timer_start,
                  .timer_cancel = sim_timer_cancel,
                  .post = sim_post,
                  .work = sim_work},
        .sim = sim,
        .next = sim->machines,
        .ahead_ns = clock->ahead_ns,
        .rate = UNIT + (uint32_t)clock->drift,
    };
    machine->wheel.now = sim->now;
    sim->machines = machine;
}

const struct larder_runtime *ldr_sim_open(uint64_t seed)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    sim->random = ldr_mix(seed + 1);
    sim->digest = seed;
    sim->now = START;
    add_machine(sim, &sim->first, &(struct ldr_sim_clock){0});
    return &sim->first.table;
}

const struct larder_runtime *ldr_sim_machine(const struct larder_runtime *table, const struct ldr_sim_clock *clock)
{
    struct machine *machine = calloc(1, sizeof *machine);
    if (machine == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    add_machine(machine_of(table)->sim, machine, clock);
    return &machine->table;
}

void ldr_sim_stop(const struct larder_runtime *table, bool stopped)
{
    machine_of(table)->stopped = stopped;
}

static bool run_task(struct machine *machine)
{
    struct larder_task *task = ldr_tasks_pop(&machine->tasks);
    if (task == NULL)
        return false;
    note(machine->sim, machine->sim->now ^ RAN_TASK);
    task->run(task);
    return true;
}

/* As the real one: takes no more work, runs what was taken, drops the timers. */
static void close_machine(struct machine *machine)
{
    machine->closing = true;
    while (machine->works != NULL) {
        ldr_wheel_remove(&machine->wheel, &machine->works->timer);
        run_work(&machine->works->timer);
    }
    while (run_task(machine))
        ;
    struct machine **at = &machine->sim->machines;
    while (*at != machine)
        at = &(*at)->next;
    *at = machine->next;
    if (machine != &machine->sim->first)
        free(machine);
}

void ldr_sim_machine_close(const struct larder_runtime *table)
{
    if (table != NULL)
        close_machine(machine_of(table));
}

void ldr_sim_close(const struct larder_runtime *table)
{
    if (table == NULL)
        return;
    struct sim *sim = machine_of(table)->sim;
    while (sim->machines != NULL)
        close_machine(sim->machines);
    free(sim);
}

/* ------------------------------------------------------------------------------------------------ running */

/* When the machine may have something to run: then, or later, but not sooner. */
static uint64_t next_of(const struct machine *machine)
{
    if (machine->stopped)
        return LARDER_NEVER;
    uint64_t next = machine->tasks.first != NULL ? 0 : ldr_wheel_next(&machine->wheel);
    return next < machine->sim->now ? machine->sim->now : next;
}

/* The machine that is next; `rival` is when another one is. Of two at the same time any may be first. */
static struct machine *find_next(struct sim *sim, uint64_t *next, uint64_t *rival)
{
    struct machine *found = NULL;
    *next = *rival = LARDER_NEVER;
    for (struct machine *machine = sim->machines; machine != NULL; machine = machine->next) {
        uint64_t at = next_of(machine);
        if (at < *next || (at == *next && at != LARDER_NEVER && draw(sim) % 2 == 0)) {
            *rival = *next;
            *next = at;
            found = machine;
        } else if (at < *rival) {
            *rival = at;
        }
    }
    return found;
}

/* Of timers with the same time any may be first; with more than 64 of them, any of the first 64. */
static void run_timer(struct machine *machine, struct larder_timer *timer)
{
    struct sim *sim = machine->sim;
    if (timer->next != timer)
        for (uint64_t steps = draw(sim) % 64; steps > 0; steps--)
            timer = timer->next;
    if (sim->now < timer->at)
        sim->now = timer->at;
    ldr_wheel_remove(&machine->wheel, timer);
    note(sim, sim->now ^ RAN_TIMER);
    timer->fire(timer);
}

/* Runs one thing of the machine up to `until`. Posted tasks run in their order, but before or after what else is due now. */
static bool run_machine(struct machine *machine, uint64_t until)
{
    bool posted = machine->tasks.first != NULL;
    struct larder_timer *timer = ldr_wheel_due(&machine->wheel, posted ? machine->sim->now : until);
    if (timer == NULL || (posted && draw(machine->sim) % 2 != 0))
        return run_task(machine);
    run_timer(machine, timer);
    return true;
}

/* Runs the earliest event up to `until`. */
static bool step(struct sim *sim, uint64_t until)
{
    for (;;) {
        uint64_t next, rival;
        struct machine *machine = find_next(sim, &next, &rival);
        if (machine == NULL || next > until)
            return false;
        if (run_machine(machine, rival < until ? rival : until))
            return true;
    }
}

bool ldr_sim_step(const struct larder_runtime *table)
{
    /* No timer is due at the end of time, and none of a wheel may be asked for it. */
    return step(machine_of(table)->sim, LARDER_NEVER - 1);
}

void ldr_sim_run(const struct larder_runtime *table, uint64_t until)
{
    struct sim *sim = machine_of(table)->sim;
    while (step(sim, until))
        ;
    if (sim->now < until)
        sim->now = until;
}

uint64_t ldr_sim_digest(const struct larder_runtime *table)
{
    return machine_of(table)->sim->digest;
}

void ldr_sim_note(const struct larder_runtime *table, uint64_t value)
{
    note(machine_of(table)->sim, value);
}
