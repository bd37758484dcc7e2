/* Checks of an eviction module with many states at once. */
#include <inttypes.h>
#include <pthread.h>

#include "check_twins.h"

#define STATES  8
#define THREADS 4
#define STEPS   20000
#define SLOTS   64

/* ------------------------------------------------------------------------------------------------ twins */

uint64_t check_first_walk(const struct check_subject *subject)
{
    return check_walk_whole(subject->eviction, SLOTS, 4096, 128, STEPS, subject->seed);
}

bool check_repeats(const struct check_subject *subject)
{
    uint64_t before = check_board()->walk_victims;
    if (before != 0 && check_first_walk(subject) == before)
        return true;
    check_note(before != 0 ? "its choices are random, so that they were not compared"
                           : "the walks failed, so that choices were not compared");
    return false;
}

/* ------------------------------------------------------------------------------------------------ taking turns */

static void compare(uint64_t together, uint64_t alone, const char *how)
{
    if (together != alone)
        check_fail("evict() came back with other slots in a state %s than in one alone, for the same calls, wanted no "
                   "difference: keep everything in the state",
                   how);
}

static void take_turns(const struct check_subject *subject, struct check_state states[STATES])
{
    struct check_walk walks[STATES];
    for (unsigned i = 0; i < STATES; i++) {
        const struct check_spec spec = {.module = subject->eviction,
                                        .max_slots = SLOTS,
                                        .expected = SLOTS,
                                        .capacity = 4096,
                                        .keys = 4 * SLOTS,
                                        .salt = subject->seed + i};
        check_state_open(&states[i], &spec);
        walks[i] = check_walk_on(&states[i], &check_mixed, 128, subject->seed + i);
    }
    for (unsigned step = 0; step < STEPS; step++)
        for (unsigned i = 0; i < STATES; i++)
            check_walk_step(&walks[i]);
}

/* The walk of the first one is that of check_first_walk(). */
void check_states(const struct check_subject *subject)
{
    struct check_state states[STATES];
    bool repeats = check_repeats(subject);
    uint64_t alone = check_board()->walk_victims;
    if (repeats)
        compare(check_first_walk(subject), alone, "that was opened after another one was closed");
    take_turns(subject, states);
    for (unsigned i = 0; i < STATES; i++) {
        check_state_drain(&states[i]);
        if (repeats && i == 0)
            compare(states[i].victims, alone, "that takes turns with others");
        check_state_close(&states[i]);
    }
}

/* ------------------------------------------------------------------------------------------------ threads */

struct worker {
    pthread_t thread;
    const struct check_subject *subject;
    unsigned lane;
    uint64_t victims;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    check_lane_use(worker->lane);
    for (unsigned i = 0; i < 10; i++)
        worker->victims = check_first_walk(worker->subject);
    return NULL;
}

void check_threads(const struct check_subject *subject)
{
    struct worker workers[THREADS];
    bool repeats = check_repeats(subject);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.subject = subject, .lane = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            check_fail("the check itself cannot start a thread");
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < THREADS && repeats; i++)
        compare(workers[i].victims, check_board()->walk_victims, "of one thread, while others have theirs,");
}
