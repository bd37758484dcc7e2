/*
 * Time, chance and threads, from outside.
 *
 * Everything above the store reads the clock, draws random numbers, starts timers and runs work later through this
 * table only, so that the same code runs on the real clock and threads and in a simulation, where one thread, virtual
 * time and a seed repeat every run exactly. Nothing here sleeps or blocks.
 */
#ifndef LARDER_PLUGIN_RUNTIME_H
#define LARDER_PLUGIN_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_NS_PER_MS UINT64_C(1000000)
#define LARDER_NEVER     UINT64_MAX /* a deadline that never comes */

/* Something to run later. It lies inside its owner's struct; the runtime only links it. Zero it before first use. */
struct larder_task {
    void (*run)(struct larder_task *task); /* called once for each post() or work() */
    struct larder_task *next;              /* the runtime's */
};

/* A one-shot timer inside its owner's struct. Zero it before first use. */
struct larder_timer {
    void (*fire)(struct larder_timer *timer); /* runs on a thread of the runtime; must not block */
    uint64_t at;                              /* the runtime's, like all that follow */
    struct larder_timer *next, *previous;     /* NULL when idle: a timer is linked, so that starting one cannot fail */
};

struct larder_runtime {
    void *state; /* the runtime's own */

    /* Nanoseconds on a clock that never goes back, nor stands still while the machine is suspended; deadlines are points of it. */
    uint64_t (*now)(const struct larder_runtime *runtime);
    /* Milliseconds since 1970, may jump. */
    uint64_t (*wall_ms)(const struct larder_runtime *runtime);
    /* 64 random bits. Not for secrets. */
    uint64_t (*random)(const struct larder_runtime *runtime);

    /* Starts the timer, or moves it when it is running: fire() is called once, at `at` or as soon after as possible. */
    void (*timer_start)(const struct larder_runtime *runtime, struct larder_timer *timer, uint64_t at);
    /*
     * True: the timer was running and will not fire; its memory is the caller's again. False: it was idle, has fired,
     * or is about to fire on another thread, in which case fire() must deal with finding nothing left to do, and its
     * owner's memory must live until then.
     */
    bool (*timer_cancel)(const struct larder_runtime *runtime, struct larder_timer *timer);

    /* Runs a short task, which must not block, on a thread of the runtime. Tasks posted by one thread keep their order. */
    void (*post)(const struct larder_runtime *runtime, struct larder_task *task);
    /*
     * Runs a task that may block (a loader callback) on the bounded pool of workers. False: the queue is full or the
     * runtime closes; nothing was taken.
     */
    bool (*work)(const struct larder_runtime *runtime, struct larder_task *task);
};

static inline uint64_t larder_now(const struct larder_runtime *runtime)
{
    return runtime->now(runtime);
}

/* A deadline `ms` from now; LARDER_NEVER when that lies beyond the clock. */
static inline uint64_t larder_deadline_in(const struct larder_runtime *runtime, uint64_t ms)
{
    uint64_t now = runtime->now(runtime);
    return ms >= (LARDER_NEVER - now) / LARDER_NS_PER_MS ? LARDER_NEVER : now + ms * LARDER_NS_PER_MS;
}

#ifdef __cplusplus
}
#endif
#endif
