/*
 * The runtime counts on a clock that goes on while the machine is suspended. What other clocks show is another number in a
 * time namespace: whoever mixes them up there waits for days, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/runtime.h"
#include "core/base/tally.h"

#define DAY UINT64_C(86400)

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct alarm {
    struct larder_timer timer;
    const struct larder_runtime *runtime;
    uint64_t at, fired_at;
    sem_t done;
};

static void ring(struct larder_timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    alarm->fired_at = larder_now(alarm->runtime);
    sem_post(&alarm->done);
}

/* Starts timers 1 and 30 ms from now. Whether they fired, and not early. */
static bool timers_fire(const struct larder_runtime *runtime)
{
    bool good = true;
    for (uint64_t ms = 1; ms <= 30; ms += 29) {
        struct alarm alarm = {.timer.fire = ring, .runtime = runtime, .at = larder_deadline_in(runtime, ms)};
        sem_init(&alarm.done, 0, 0);
        runtime->timer_start(runtime, &alarm.timer, alarm.at);
        while (sem_wait(&alarm.done) != 0)
            ;
        good = good && alarm.fired_at >= alarm.at;
        sem_destroy(&alarm.done);
    }
    return good;
}

/* Waits 20 ms for something that never ends. */
static bool tally_waits(const struct larder_runtime *runtime)
{
    struct ldr_tally tally;
    ldr_tally_init(&tally);
    ldr_tally_begin(&tally);
    uint64_t until = larder_deadline_in(runtime, 20);
    bool good = !ldr_tally_wait(&tally, until) && larder_now(runtime) >= until;
    ldr_tally_end(&tally);
    ldr_tally_destroy(&tally);
    return good;
}

/* What is wrong on this machine's clocks, as a number; 0: nothing. */
static int judge(uint64_t offset)
{
    const struct larder_runtime *runtime = ldr_runtime_open(1, 1);
    uint64_t monotonic = read_clock(CLOCK_MONOTONIC), boot = read_clock(CLOCK_BOOTTIME), now = larder_now(runtime);
    int wrong = boot < monotonic + offset ? 1
                : now < boot              ? 2
                : !timers_fire(runtime)   ? 3
                : !tally_waits(runtime)   ? 4
                                          : 0;
    ldr_runtime_close(runtime);
    return wrong;
}

static void the_clock_is_boottime(void **state)
{
    (void)state;
    assert_int_equal(judge(0), 0);
}

/* Children of this process live `days` after its clocks show. False: this is not allowed here. */
static bool shift_boottime(unsigned days)
{
    char line[64];
    if (unshare(CLONE_NEWTIME) != 0 && (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0))
        return false;
    int file = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    int size = snprintf(line, sizeof line, "boottime %llu 0\n", (unsigned long long)(days * DAY));
    bool written = file >= 0 && write(file, line, (size_t)size) == size;
    if (file >= 0)
        close(file);
    return written;
}

enum { NOT_ALLOWED = 77 };

/* What a child finds whose clock is ten days ahead of CLOCK_MONOTONIC. */
static int judge_shifted(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (!shift_boottime(10))
            _exit(NOT_ALLOWED);
        pid_t shifted = fork();
        if (shifted == 0)
            _exit(judge(10 * DAY * 1000000000));
        _exit(waitpid(shifted, &status, 0) == shifted && WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void clocks_that_differ_are_not_mixed_up(void **state)
{
    (void)state;
    int wrong = judge_shifted();
    if (wrong == NOT_ALLOWED)
        skip();
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_that_differ_are_not_mixed_up), /* first: it forks, and there are no threads yet */
        cmocka_unit_test(the_clock_is_boottime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
