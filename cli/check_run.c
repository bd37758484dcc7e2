#include "check_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check_board.h"
#include "check_memory.h"

/*
 * A call that is not back after so much computing hangs, and one that does not compute, either, after so long. Computing
 * counts, so that it makes no difference what else the machine has to do.
 */
#define CPU_LIMIT_NS  UINT64_C(4000000000)
#define WALL_LIMIT_NS UINT64_C(30000000000)
#define LOOK_NS       2000000
#define LOOKS_A_TICK  50

/* ------------------------------------------------------------------------------------------------ in the process */

static void watch(const struct check_subject *subject)
{
    struct check_board *board = check_board();
    void (*function)(void) = subject->eviction != NULL ? (void (*)(void))subject->eviction->open
                             : subject->hash != NULL   ? (void (*)(void))subject->hash->digest
                                                       : NULL;
    if (function != NULL)
        check_memory_watch(function, board->imports, sizeof board->imports);
}

static struct larder_plugin_file *open_subject(struct check_subject *subject, const char *path)
{
    struct check_board *board = check_board();
    struct larder_plugin_info info;
    struct larder_plugin_file *file = larder_plugin_file_open(path, &info);
    if (file == NULL)
        check_fail("%s", info.refusal);
    subject->head = info.head;
    if (info.head->kind == LARDER_PLUGIN_EVICTION)
        subject->eviction = (const struct larder_eviction *)info.head;
    if (info.head->kind == LARDER_PLUGIN_HASH)
        subject->hash = (const struct larder_hash *)info.head;
    board->kind = info.head->kind;
    snprintf(board->name, sizeof board->name, "%s", info.head->name);
    return file;
}

static _Noreturn void run_check(const struct check *check, const char *path, uint64_t seed)
{
    struct check_subject subject = {.seed = seed};
    struct check_lane *lane = check_lane();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    check_enter(lane, CHECK_LOAD, 0, 0, 0);
    struct larder_plugin_file *file = open_subject(&subject, path);
    check_leave(lane);
    watch(&subject);
    check->run(&subject);
    check_enter(lane, CHECK_LOAD, 0, 0, 0);
    larder_plugin_file_close(file);
    check_leave(lane);
    atomic_store(&check_board()->verdict, CHECK_PASSED);
    _exit(0);
}

/* ------------------------------------------------------------------------------------------------ beside it */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec : 0;
}

/* When the check last made progress, in time of the world and of its process. */
struct progress {
    clockid_t cpu_clock;
    uint64_t seen, wall_ns, cpu_ns;
};

static uint64_t count_progress(void)
{
    uint64_t sum = atomic_load(&check_board()->ticks);
    for (unsigned i = 0; i < CHECK_LANES; i++)
        sum += __atomic_load_n(&check_board()->lanes[i].count, __ATOMIC_ACQUIRE);
    return sum;
}

static void look(struct progress *progress)
{
    progress->seen = count_progress();
    progress->wall_ns = read_clock(CLOCK_MONOTONIC);
    progress->cpu_ns = read_clock(progress->cpu_clock);
}

static bool is_stuck(struct progress *progress)
{
    if (count_progress() != progress->seen) {
        look(progress);
        return false;
    }
    return read_clock(progress->cpu_clock) > progress->cpu_ns + CPU_LIMIT_NS ||
           read_clock(CLOCK_MONOTONIC) > progress->wall_ns + WALL_LIMIT_NS;
}

/* What the process left behind, when it did not say how it went. */
static void judge(int status)
{
    char what[128];
    if (atomic_load(&check_board()->verdict) != CHECK_OPEN_YET)
        return;
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(what, sizeof what, "the process ended with exit code %d", WEXITSTATUS(status));
    check_describe_end(what);
}

static void wait_for(pid_t child, void (*tick)(void *arg), void *arg)
{
    struct progress progress;
    int status;
    if (clock_getcpuclockid(child, &progress.cpu_clock) != 0)
        progress.cpu_clock = CLOCK_MONOTONIC; /* it has ended: this is not looked at */
    look(&progress);
    for (unsigned looks = 0; waitpid(child, &status, WNOHANG) == 0; looks++) {
        if (is_stuck(&progress)) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            check_describe_end("no end");
            check_board()->stuck = true;
            return;
        }
        if (looks % LOOKS_A_TICK == 0)
            tick(arg);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
    judge(status);
}

bool check_run(const struct check *check, const char *path, uint64_t seed, void (*tick)(void *arg), void *arg)
{
    check_board_clear();
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child == 0)
        run_check(check, path, seed);
    wait_for(child, tick, arg);
    return true;
}
