#include "bench/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALIBRATIONS  4
#define WARM_REQUESTS 3 /* for each key, before a cache that does not hold all of them is measured */

/* A cell without threads: end. (Later children hold this one's pipe open, so that it never ends by itself.) */
struct command {
    struct cell cell;
    double seconds;
};

static bool write_all(int file, const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t written = write(file, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static bool read_all(int file, void *bytes, size_t size)
{
    for (char *at = bytes; size > 0;) {
        ssize_t got = read(file, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* 0 in the child; it ends when its parent does. What stdio still holds is the parent's to write. */
static pid_t fork_child(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pid < 0)
        perror("fork");
    return pid;
}

static void wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        fprintf(stderr, "bench: a child was killed by signal %d\n", WTERMSIG(status));
}

bool child_call(bool (*task)(const void *arg, void *result), const void *arg, void *result, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    pid_t pid = fork_child();
    if (pid == 0) {
        bool done = task(arg, result) && write_all(ends[1], result, size);
        fflush(NULL);
        _exit(done ? 0 : 1);
    }
    close(ends[1]);
    bool done = pid > 0 && read_all(ends[0], result, size);
    close(ends[0]);
    if (pid > 0)
        wait_for(pid);
    return done;
}

/* ------------------------------------------------------------------------------------------------ inside the child */

static void prepare_full(struct subject *subject, struct child_ready *ready)
{
    struct latency *latency = calloc(1, sizeof *latency);
    struct latency_timer timer;
    if (latency == NULL)
        return;
    ready->right = run_check(subject);
    ready->failed = run_fill(subject, latency);
    latency_timer_calibrate(&timer);
    ready->fill = latency_read(latency, &timer);
    free(latency);
}

/*
 * All contenders are to hold a tenth of the keys, not a tenth of the bytes: what less overhead brings is measured for
 * itself. Ours count all they hold, so that the right budget has to be found.
 */
static void prepare_tenth(struct subject *subject, struct cache_options *options, struct child_ready *ready)
{
    const struct contender *contender = subject->contender;
    ready->right = run_check(subject);
    for (unsigned i = 0;; i++) {
        run_requests(subject, (uint64_t)subject->workload->keys * WARM_REQUESTS);
        double share = (double)contender->entries(subject->cache) / (double)options->entries;
        if (contender->kind != CONTENDER_OURS || (share > 0.99 && share < 1.01) || share <= 0 || i == CALIBRATIONS)
            break;
        contender->close(subject->cache);
        options->bytes = (uint64_t)((double)options->bytes / share);
        subject->cache = contender->open(options);
        if (subject->cache == NULL)
            break;
    }
}

static void serve(const struct child_setup *setup, int commands, int results)
{
    const struct contender *contender = setup->contender;
    struct cache_options options = {.value_size = setup->value_size,
                                    .entries = setup->fits ? setup->workload->keys : setup->workload->keys / 10};
    /* Shards do not fill evenly: a quarter more, so that everything fits everywhere. */
    options.bytes = contender->bytes_for(setup->fits ? options.entries * 5 / 4 : options.entries, setup->value_size);
    struct subject subject = {.contender = contender,
                              .workload = setup->workload,
                              .value_size = setup->value_size,
                              .set_misses = !setup->fits};
    struct child_ready ready = {0};
    struct command command;
    struct outcome outcome;
    subject.cache = contender->open(&options);
    if (subject.cache == NULL)
        return;
    if (setup->fits)
        prepare_full(&subject, &ready);
    else
        prepare_tenth(&subject, &options, &ready);
    if (subject.cache == NULL)
        return;
    ready.entries = contender->entries(subject.cache);
    if (!write_all(results, &ready, sizeof ready))
        return;
    while (read_all(commands, &command, sizeof command) && command.cell.threads > 0 &&
           run_cell(&subject, &command.cell, command.seconds, &outcome) && write_all(results, &outcome, sizeof outcome))
        ;
    /* The cache goes with the process: emptying it entry by entry would only take time. */
}

/* ------------------------------------------------------------------------------------------------ the parent's side */

bool child_start(struct child *child, const struct child_setup *setup, struct child_ready *ready)
{
    int commands[2], results[2];
    *child = (struct child){0};
    if (pipe(commands) != 0)
        return false;
    if (pipe(results) != 0) {
        close(commands[0]);
        close(commands[1]);
        return false;
    }
    pid_t pid = fork_child();
    if (pid == 0) {
        close(commands[1]);
        close(results[0]);
        serve(setup, commands[0], results[1]);
        fflush(NULL);
        _exit(0);
    }
    close(commands[0]);
    close(results[1]);
    *child = (struct child){.pid = pid, .commands = commands[1], .results = results[0]};
    if (pid > 0 && read_all(child->results, ready, sizeof *ready))
        return true;
    child_stop(child);
    return false;
}

bool child_run(struct child *child, const struct cell *cell, double seconds, struct outcome *outcome)
{
    struct command command = {.cell = *cell, .seconds = seconds};
    return write_all(child->commands, &command, sizeof command) && read_all(child->results, outcome, sizeof *outcome);
}

void child_stop(struct child *child)
{
    if (child->pid == 0)
        return;
    write_all(child->commands, &(struct command){0}, sizeof(struct command));
    close(child->commands);
    close(child->results);
    if (child->pid > 0)
        wait_for(child->pid);
    *child = (struct child){0};
}
