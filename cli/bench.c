/* larder bench: puts load on a cluster over many connections, and measures. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench_loads.h"
#include "bench_report.h"
#include "commands.h"
#include "progress.h"

#define SHOW_EVERY_MS 200

struct bench {
    const struct options *options;
    struct bench_source source;
    struct bench_worker *workers;
    pthread_t *threads;
    size_t count, started;
    int done, signals; /* an eventfd that counts ended workers, a signalfd */
    bool interrupted;
    struct bench_report report;
};

/* ------------------------------------------------------------------------------------------------ the run */

/* SIGINT and SIGTERM end the run, not the program: what was measured is shown. A second one ends the program. */
static void take_signal(struct bench *bench)
{
    sigset_t waited;
    struct signalfd_siginfo info;
    if (read(bench->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    bench->interrupted = true;
    bench_source_stop(&bench->source);
    sigemptyset(&waited);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &waited, NULL);
}

static void show_progress(struct bench *bench)
{
    uint64_t given;
    double fraction;
    bench_source_progress(&bench->source, &given, &fraction);
    progress_show(fraction, given, (double)(bench_now() - bench->source.start_ns) / 1e9);
}

static void wait_for_workers(struct bench *bench)
{
    bool show = progress_wanted();
    for (size_t ended = 0; ended < bench->started;) {
        struct pollfd events[] = {{.fd = bench->done, .events = POLLIN}, {.fd = bench->signals, .events = POLLIN}};
        uint64_t more = 0;
        poll(events, 2, show ? SHOW_EVERY_MS : -1);
        if ((events[1].revents & POLLIN) != 0)
            take_signal(bench);
        if ((events[0].revents & POLLIN) != 0 && read(bench->done, &more, sizeof more) == (ssize_t)sizeof more)
            ended += more;
        if (show)
            show_progress(bench);
    }
    if (show)
        progress_clear();
}

static enum exit_code run_workers(struct bench *bench)
{
    enum exit_code code = EXIT_DONE;
    for (; bench->started < bench->count; bench->started++) {
        int error = pthread_create(&bench->threads[bench->started], NULL, bench_worker_run,
                                   &bench->workers[bench->started]);
        if (error != 0) {
            bench_source_stop(&bench->source);
            code = say(EXIT_REFUSED, "bench: cannot start a thread for connection %zu: %s", bench->started + 1,
                       strerror(error));
            break;
        }
    }
    wait_for_workers(bench);
    bench->report.counts.end_ns = bench->source.start_ns;
    for (size_t i = 0; i < bench->started; i++) {
        pthread_join(bench->threads[i], NULL);
        bench_counts_merge(&bench->report.counts, &bench->workers[i].counts);
        if (bench->workers[i].no_memory)
            code = say_no_memory();
    }
    bench->report.seconds = (double)(bench->report.counts.end_ns - bench->source.start_ns) / 1e9;
    const char *error = bench->source.trace != NULL ? trace_error(bench->source.trace) : NULL;
    return error != NULL ? say(EXIT_NO, "%s", error) : code;
}

/* ------------------------------------------------------------------------------------------------ before and after */

/* Every node gets connections, in turn. */
static enum exit_code open_workers(struct bench *bench)
{
    const struct texts *nodes = &bench->options->nodes;
    enum exit_code code = EXIT_DONE;
    bench->workers = calloc(bench->options->connections, sizeof *bench->workers);
    bench->threads = calloc(bench->options->connections, sizeof *bench->threads);
    if (bench->workers == NULL || bench->threads == NULL)
        return say_no_memory();
    for (size_t i = 0; i < bench->options->connections && code == EXIT_DONE; i++) {
        bench->count++;
        code = bench_worker_open(&bench->workers[i], &bench->source, bench->options, nodes->items[i % nodes->count],
                                 bench->done);
    }
    return code;
}

static enum exit_code open_events(struct bench *bench)
{
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &waited, NULL); /* before there are threads, which inherit it */
    bench->done = eventfd(0, EFD_CLOEXEC);
    bench->signals = signalfd(-1, &waited, SFD_CLOEXEC);
    if (bench->done < 0 || bench->signals < 0)
        return say(EXIT_REFUSED, "bench: %s", strerror(errno));
    return EXIT_DONE;
}

static enum exit_code run_with_source(struct bench *bench)
{
    enum exit_code code = bench_source_open(&bench->source, bench->options);
    if (code == EXIT_DONE)
        code = open_workers(bench);
    if (code == EXIT_DONE)
        code = run_workers(bench);
    for (size_t i = 0; i < bench->count; i++)
        bench_worker_close(&bench->workers[i]);
    free(bench->workers);
    free(bench->threads);
    bench_source_close(&bench->source);
    return code;
}

static enum exit_code run_between_counts(struct bench *bench)
{
    struct bench_loads before = {0}, after = {0};
    enum exit_code code = bench_loads_read(&before, bench->options);
    if (code == EXIT_DONE)
        code = run_with_source(bench);
    if (code == EXIT_DONE && bench_loads_read(&after, bench->options) == EXIT_DONE)
        bench->report.loads_known = bench_loads_between(&before, &after, bench->options->nodes.count,
                                                        &bench->report.loads);
    free(before.of_node);
    free(after.of_node);
    return code;
}

static enum exit_code show_report(const struct bench *bench)
{
    const struct bench_counts *counts = &bench->report.counts;
    enum exit_code code = bench->options->json ? bench_report_json(&bench->report) : bench_report_show(&bench->report);
    if (code == EXIT_DONE && bench->interrupted)
        code = say(EXIT_NO, "bench: interrupted");
    if (counts->failed > 0 && code != EXIT_REFUSED)
        code = say(EXIT_NO, "bench: %llu of %llu requests failed", (unsigned long long)counts->failed,
                   (unsigned long long)counts->requests);
    return code;
}

enum exit_code command_bench(const struct options *options)
{
    struct bench bench = {.options = options, .done = -1, .signals = -1};
    if (options->connections < options->nodes.count)
        return say(EXIT_USAGE, "bench: --connections: got %llu, wanted at least one for each of %zu nodes",
                   (unsigned long long)options->connections, options->nodes.count);
    enum exit_code code = open_events(&bench);
    if (code == EXIT_DONE)
        code = run_between_counts(&bench);
    if (code == EXIT_DONE)
        code = show_report(&bench);
    if (bench.done >= 0)
        close(bench.done);
    if (bench.signals >= 0)
        close(bench.signals);
    return code;
}
