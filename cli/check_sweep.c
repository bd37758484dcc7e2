/*
 * Checks of an eviction module that reads hit bytes, while others write them. evict() has to end whatever they do.
 *
 * The worst that can happen is that every byte is set again as soon as it is cleared. A thread comes near to that only
 * while the scheduler lets it, so there the module is run in a process that is stepped, one instruction at a time, and all
 * bytes are set between any two. That needs ptrace() and is repeated exactly, whatever else the machine has to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check_list.h"
#include "check_walk.h"

/* Exclusive loads and stores, which other machines build atomics of, never succeed when they are stepped. */
#if defined(__x86_64__) || defined(__i386__)
#define CAN_STEP true
#else
#define CAN_STEP false
#endif

#define FEW      8
#define ROUNDS   4
#define PER_STEP 1024   /* instructions that looking at one entry, and what goes with it, may take */
#define AT_LEAST 100000 /* instructions of what evict() does besides */
#define UNTRACED 77     /* exit code: ptrace() is not allowed here */

static bool has_hits(const struct check_subject *subject)
{
    bool has = subject->eviction->hit_max >= 1 && subject->eviction->hit_max <= 15;
    if (!has)
        check_note("it reads no hit bytes");
    return has;
}

static struct check_spec spec_of(const struct check_subject *subject, uint32_t slots)
{
    return (struct check_spec){.module = subject->eviction,
                               .max_slots = slots,
                               .expected = slots,
                               .capacity = slots,
                               .keys = 4 * slots,
                               .salt = subject->seed};
}

/* ------------------------------------------------------------------------------------------------ stepped */

/* What the two processes share: where the hit bytes are, and whether evict() is at work. */
struct stage {
    volatile bool stepping;
    uint8_t hits[FEW];
};

/* Fills the state and evicts all, ROUNDS times. Before and after each evict() it stops for the one that steps it. */
static void act(const struct check_subject *subject, struct stage *stage)
{
    struct check_spec spec = spec_of(subject, FEW);
    struct check_state state;
    spec.hits = stage->hits;
    check_state_open(&state, &spec);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < FEW; i++)
            check_state_insert(&state, round * FEW + i, 1);
        while (state.count > 0) {
            stage->stepping = true;
            raise(SIGSTOP);
            check_state_evict(&state);
            stage->stepping = false;
        }
    }
    check_state_drain(&state);
    check_state_close(&state);
}

/* Steps the process through one evict(). Returns how it stopped at last. */
static int step_through(pid_t child, struct stage *stage, uint8_t hit_max)
{
    uint64_t most = AT_LEAST + (uint64_t)FEW * (hit_max + 1) * PER_STEP;
    int status = 0;
    for (uint64_t steps = 0; stage->stepping; steps++) {
        memset(stage->hits, hit_max, FEW);
        if (steps == most)
            check_fail("evict() of %d entries was not back after %" PRIu64
                       " instructions, while every hit byte is set again as soon as it is cleared, wanted an end after "
                       "at most entries * hit_max steps",
                       FEW, steps);
        if (steps % 1024 == 0)
            atomic_fetch_add(&check_board()->ticks, 1);
        if (ptrace(PTRACE_SINGLESTEP, child, 0, 0) != 0 || waitpid(child, &status, 0) != child)
            check_fail("the check itself cannot step the module: %s", strerror(errno));
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            break;
    }
    return status;
}

/* A process that a signal is about to end, or has ended, takes this one with it: the last call is on the board. */
static void end_like(int status)
{
    if (WIFSIGNALED(status) || WIFSTOPPED(status)) {
        int number = WIFSIGNALED(status) ? WTERMSIG(status) : WSTOPSIG(status);
        signal(number, SIG_DFL);
        raise(number);
    }
    if (WEXITSTATUS(status) == UNTRACED)
        check_not_run("ptrace() is not allowed here");
    else if (atomic_load(&check_board()->verdict) != CHECK_OPEN_YET || WEXITSTATUS(status) != 0)
        _exit(WEXITSTATUS(status));
}

static void direct(pid_t child, struct stage *stage, uint8_t hit_max)
{
    int status;
    bool ours = waitpid(child, &status, 0) == child && WIFSTOPPED(status);
    if (ours)
        ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
    while (ours && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) {
        status = step_through(child, stage, hit_max);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            break;
        ptrace(PTRACE_CONT, child, 0, 0);
        waitpid(child, &status, 0);
    }
    end_like(status);
}

void check_sweep_stuck(const struct check_subject *subject)
{
    if (!has_hits(subject))
        return;
    struct stage *stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED)
        check_fail("the check itself is out of memory");
    pid_t child = CAN_STEP ? fork() : -1;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
            _exit(UNTRACED);
        act(subject, stage);
        _exit(0);
    }
    if (child < 0)
        check_not_run("a process cannot be stepped here");
    else
        direct(child, stage, (uint8_t)subject->eviction->hit_max);
}

/* ------------------------------------------------------------------------------------------------ threads */

/*
 * A stretch of the walk counts when the other thread got round in it, and not while this one had no processor: on a busy machine
 * the two seldom run together.
 */
#define STRETCH      100
#define STRETCHES    400                 /* that count, of a walk */
#define AWAY_MOST_NS 100000              /* without a processor */
#define WALK_MOST_NS INT64_C(1000000000) /* whatever counts */

struct setter {
    uint8_t *hits;
    size_t count;
    uint8_t hit_max;
    atomic_bool done;
    atomic_ulong rounds;
};

static void *set_all(void *arg)
{
    struct setter *setter = arg;
    while (!atomic_load_explicit(&setter->done, memory_order_relaxed)) {
        for (size_t i = 0; i < setter->count; i++)
            __atomic_store_n(&setter->hits[i], setter->hit_max, __ATOMIC_RELAXED);
        atomic_fetch_add_explicit(&setter->rounds, 1, memory_order_relaxed);
    }
    return NULL;
}

static int64_t ns_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* How long this thread has been without a processor, all in all; what that is counted from is the same for every call. */
static int64_t away_ns(void)
{
    return ns_of(CLOCK_MONOTONIC) - ns_of(CLOCK_THREAD_CPUTIME_ID);
}

/* How many stretches counted. */
static unsigned walk_together(struct check_walk *walk, struct setter *setter)
{
    int64_t end = ns_of(CLOCK_MONOTONIC) + WALK_MOST_NS;
    unsigned together = 0;
    while (together < STRETCHES && ns_of(CLOCK_MONOTONIC) < end) {
        unsigned long before = atomic_load_explicit(&setter->rounds, memory_order_relaxed);
        int64_t away = away_ns();
        check_walk_run(walk, STRETCH);
        if (atomic_load_explicit(&setter->rounds, memory_order_relaxed) != before && away_ns() - away < AWAY_MOST_NS)
            together++;
    }
    return together;
}

static void walk_beside(const struct check_subject *subject, uint32_t slots)
{
    const struct check_spec spec = spec_of(subject, slots);
    struct check_state state;
    pthread_t thread;
    check_state_open(&state, &spec);
    struct setter setter = {.hits = state.hits, .count = slots, .hit_max = (uint8_t)subject->eviction->hit_max};
    if (pthread_create(&thread, NULL, set_all, &setter) != 0)
        check_fail("the check itself cannot start a thread");
    struct check_walk walk = check_walk_on(&state, &check_mixed, 1, subject->seed);
    unsigned together = walk_together(&walk, &setter);
    if (together < STRETCHES)
        check_note("the processors were busy: two threads worked at the same time in %u stretches, wanted %d", together,
                   STRETCHES);
    check_state_drain(&state);
    atomic_store(&setter.done, true);
    pthread_join(thread, NULL);
    check_state_close(&state);
}

void check_sweep_thread(const struct check_subject *subject)
{
    static const uint32_t sizes[] = {2, 64, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && has_hits(subject); i++)
        walk_beside(subject, sizes[i]);
}
