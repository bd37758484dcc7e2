#include "runner.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUNG_S      300 /* that a run may take: it is killed then */
#define TWICE_EVERY 8   /* so many runs are made once, and one more twice */

/* What a worker shows: in memory that all processes share. */
struct worker {
    pid_t process; /* 0: none */
    bool running;  /* it is at `job` */
    struct sim_job job;
    struct sim_result total;
    double cpu_seconds, earlier_cpu_seconds; /* of this process, and of those that stood here before */
};

struct board {
    _Atomic uint64_t next, done;
    atomic_bool stop;
    struct worker workers[];
};

/* What a worker tells, in one piece that a pipe takes as a whole. */
struct message {
    struct sim_job job;
    char failure[512];
};

struct batch {
    const struct sim_batch *asked;
    uint64_t count;
    struct board *board;
    int pipe[2];
    struct sim_report *report;
};

void sim_job_run(const struct sim_job *job, bool verbose, struct sim_result *result, char failure[512])
{
    struct sim_run first = {.seed = job->seed, .kind = job->kind, .beyond = job->beyond, .verbose = verbose},
                   again = first;
    again.verbose = false;
    if (!sim_run(&first) || (job->twice && !sim_run(&again)))
        snprintf(first.failure, sizeof first.failure, "out of memory");
    else if (first.failure[0] == '\0' && job->twice && first.digest != again.digest)
        snprintf(first.failure, sizeof first.failure, "two runs differ: digests %016" PRIx64 " and %016" PRIx64,
                 first.digest, again.digest);
    *result = first.result;
    if (job->twice)
        result->virtual_ns += again.result.virtual_ns;
    memcpy(failure, first.failure, sizeof first.failure);
}

/* ------------------------------------------------------------------------------------------------ a worker */

static bool take_job(const struct batch *batch, struct sim_job *job)
{
    const struct sim_batch *asked = batch->asked;
    uint64_t number = atomic_fetch_add(&batch->board->next, 1);
    if (number >= batch->count || atomic_load(&batch->board->stop))
        return false;
    if (number < asked->listed_count) {
        *job = asked->listed[number];
        return true;
    }
    number -= asked->listed_count;
    *job = (struct sim_job){
        .seed = asked->first + number,
        .kind = asked->kind,
        .beyond = asked->beyond,
        .twice = number % TWICE_EVERY == 0,
    };
    return true;
}

static double cpu_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void tell_failure(const struct batch *batch, const struct sim_job *job, const char *failure)
{
    struct message message = {.job = *job};
    snprintf(message.failure, sizeof message.failure, "%s", failure);
    if (write(batch->pipe[1], &message, sizeof message) != sizeof message)
        abort();
    if (batch->asked->stop_at_failure)
        atomic_store(&batch->board->stop, true);
}

static void work(const struct batch *batch, struct worker *worker)
{
    struct sim_job job;
    while (take_job(batch, &job)) {
        struct sim_result result;
        char failure[512];
        worker->job = job;
        worker->running = true;
        alarm(HUNG_S);
        sim_job_run(&job, false, &result, failure);
        worker->running = false;
        sim_result_add(&worker->total, &result);
        worker->cpu_seconds = cpu_seconds();
        if (failure[0] != '\0')
            tell_failure(batch, &job, failure);
        atomic_fetch_add(&batch->board->done, 1);
    }
}

static bool start_worker(const struct batch *batch, struct worker *worker)
{
    worker->earlier_cpu_seconds += worker->cpu_seconds;
    worker->cpu_seconds = 0;
    worker->running = false;
    pid_t process = fork();
    if (process == 0) {
        close(batch->pipe[0]);
        work(batch, worker);
        _exit(0);
    }
    worker->process = process; /* of the two the parent alone writes it, as both see it */
    return process > 0;
}

/* ------------------------------------------------------------------------------------------------ who watches them */

static void take_failure(const struct batch *batch, const struct sim_job *job, const char *failure)
{
    batch->report->failed++;
    batch->asked->failed(batch->asked->arg, job, failure);
}

static void read_failures(const struct batch *batch, int wait_ms)
{
    struct pollfd ready = {.fd = batch->pipe[0], .events = POLLIN};
    struct message message;
    while (poll(&ready, 1, wait_ms) == 1 && (ready.revents & POLLIN) != 0 &&
           read(batch->pipe[0], &message, sizeof message) == sizeof message) {
        take_failure(batch, &message.job, message.failure);
        wait_ms = 0;
    }
}

/* A worker that died in a run: that is how the run failed. */
static void bury(const struct batch *batch, struct worker *worker, int status)
{
    char failure[64];
    if (WIFSIGNALED(status))
        snprintf(failure, sizeof failure, WTERMSIG(status) == SIGALRM ? "it runs for ever" : "killed by signal %d",
                 WTERMSIG(status));
    else
        snprintf(failure, sizeof failure, "it ended the program with code %d", WEXITSTATUS(status));
    take_failure(batch, &worker->job, failure);
    atomic_fetch_add(&batch->board->done, 1);
}

static void show_progress(const struct batch *batch, bool last)
{
    static const char bar[] = "########################################";
    uint64_t done = atomic_load(&batch->board->done);
    int filled = (int)(done * (sizeof bar - 1) / batch->count);
    if (batch->asked->progress)
        fprintf(stderr, "\r[%-40.*s] %" PRIu64 "/%" PRIu64 " seeds, %" PRIu64 " failed%s", filled, bar, done,
                batch->count, batch->report->failed, last ? "\n" : "");
}

/* Until no worker is left. */
static bool watch(const struct batch *batch)
{
    unsigned workers = batch->asked->workers;
    for (unsigned alive = workers; alive > 0;) {
        read_failures(batch, 100);
        show_progress(batch, false);
        for (unsigned i = 0; i < workers; i++) {
            struct worker *worker = &batch->board->workers[i];
            int status;
            if (worker->process == 0 || waitpid(worker->process, &status, WNOHANG) != worker->process)
                continue;
            worker->process = 0;
            alive--;
            if (!worker->running)
                continue;
            bury(batch, worker, status);
            if (!start_worker(batch, worker))
                return false;
            alive++;
        }
    }
    read_failures(batch, 0);
    show_progress(batch, true);
    return true;
}

static bool run_all(struct batch *batch)
{
    unsigned workers = batch->asked->workers;
    for (unsigned i = 0; i < workers; i++)
        if (!start_worker(batch, &batch->board->workers[i]))
            return false;
    if (!watch(batch))
        return false;
    for (unsigned i = 0; i < workers; i++) {
        const struct worker *worker = &batch->board->workers[i];
        sim_result_add(&batch->report->total, &worker->total);
        batch->report->cpu_seconds += worker->earlier_cpu_seconds + worker->cpu_seconds;
    }
    return true;
}

bool sim_batch_run(const struct sim_batch *asked, struct sim_report *report)
{
    struct batch batch = {.asked = asked, .count = asked->listed_count + asked->count, .report = report};
    size_t size = sizeof *batch.board + asked->workers * sizeof *batch.board->workers;
    *report = (struct sim_report){0};
    batch.board = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (batch.board == MAP_FAILED || pipe(batch.pipe) != 0) {
        perror("sim_cluster");
        return false;
    }
    fflush(stdout);
    bool good = run_all(&batch);
    if (!good)
        perror("sim_cluster");
    close(batch.pipe[0]);
    close(batch.pipe[1]);
    munmap(batch.board, size);
    return good;
}
