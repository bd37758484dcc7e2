/* The two runtimes behind larder/plugin/runtime.h: the real one, and the simulated one of the tests. */
#ifndef LDR_BASE_RUNTIME_H
#define LDR_BASE_RUNTIME_H

#include <stddef.h>

#include "larder/plugin/runtime.h"

/*
 * The clock of clock.h, a heap of timers served by one thread that also runs posted tasks, and `workers` threads (at least 1)
 * for blocking work with a queue of at most `queue` tasks. NULL with the reason in larder_last_error().
 */
const struct larder_runtime *ldr_runtime_open(unsigned workers, size_t queue);

/*
 * Stops taking work, waits for tasks and work that are running, drops timers that have not fired, frees everything.
 * Work that was queued but not begun still runs (its owner counts on being called). NULL is fine.
 */
void ldr_runtime_close(const struct larder_runtime *runtime);

/*
 * The simulated runtime: everything happens in ldr_sim_step(), on the caller's thread, in an order that depends on the
 * seed alone. Work runs like a posted task, after a random delay.
 *
 * A copy of the table is as good as the table: a test may keep one inside a struct of its own, to find that struct from it.
 */
const struct larder_runtime *ldr_sim_open(uint64_t seed);
void ldr_sim_close(const struct larder_runtime *runtime);

/*
 * A machine of its own in the same simulation: its timers, tasks and work are its own, so that it can be stopped and taken
 * away by itself, and so are its clocks. What it runs is told apart from the rest by nothing else. ldr_sim_close() takes
 * away those that are left. NULL with the reason in larder_last_error().
 */
struct ldr_sim_clock {
    uint64_t ahead_ns; /* what its clock shows more than the simulation's */
    int32_t drift;     /* what it runs faster, in 1/65536; -6553 to 6553 */
};
const struct larder_runtime *ldr_sim_machine(const struct larder_runtime *runtime, const struct ldr_sim_clock *clock);

/* As ldr_sim_close(), for one machine. NULL is fine. */
void ldr_sim_machine_close(const struct larder_runtime *machine);

/*
 * A stopped machine runs nothing, while its clocks go on. Once it goes on itself, everything that became due meanwhile
 * runs, late.
 */
void ldr_sim_stop(const struct larder_runtime *machine, bool stopped);

/* The machine's wall clock jumps, back with `ms` below 0. */
void ldr_sim_jump(const struct larder_runtime *machine, int64_t ms);

/* Runs the earliest event and moves the clock to it. False: nothing is left to run. */
bool ldr_sim_step(const struct larder_runtime *runtime);

/* Runs all events up to the point `until` of the simulation's clock, then stands there. */
void ldr_sim_run(const struct larder_runtime *runtime, uint64_t until);

/* A digest over the times and order of everything run so far: the same seed and program give the same digest. */
uint64_t ldr_sim_digest(const struct larder_runtime *runtime);

/* Mixes something of the caller's (a message sent, an answer) into the digest. */
void ldr_sim_note(const struct larder_runtime *runtime, uint64_t value);

#endif
