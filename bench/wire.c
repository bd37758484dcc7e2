/* The wire: servers side by side under the same load, in one run. See --help. */
#include "bench/report.h"
#include "bench/settings.h"
#include "bench/wire_rows.h"
#include "bench/wire_server.h"
#include "bench/workload.h"

#include <signal.h>
#include <stdio.h>

static const char help[] =
    "usage: bench_wire [--json] [--quick] [--only ROWS] [--contenders NAMES] [--rounds N] [--seconds S] [--keys N]\n"
    "\n"
    "Measures the CPU time that a server spends on a request: larderd over HTTP and gRPC, nginx, and a server on gRPC "
    "C++,\n"
    "all of them on one processor while the load runs on another. Prints a table for each row, then a line for each "
    "goal.\n"
    "Exit code: 0 all goals met, 1 one was missed, 2 usage.\n"
    "\n"
    "  --json              one JSON object for each line of a table and each goal\n"
    "  --quick             one short round of fewer keys: whether it works, not how fast\n"
    "  --only ROWS         rows to run, shell patterns separated by commas: 'http-*,peer-*'\n"
    "  --contenders NAMES  who takes part, likewise: 'larder,nginx'\n"
    "  --rounds N          rounds of every cell, 1 to 25 (default 5); medians are reported\n"
    "  --seconds S         of one cell in one round (default 0.5)\n"
    "  --keys N            keys of 100 bytes (default 1000000; fewer for larger values and for two nodes)\n";

static void describe(const struct settings *settings, struct report *report, const struct wire_place *place)
{
    char processor[128], text[320];
    settings_processor(processor, sizeof processor);
    snprintf(text, sizeof text, "%s, servers on CPU %d, load on CPU %d; %u keys, %u rounds of %g s, medians%s%s",
             processor, place->server_cpu, place->load_cpu, settings->keys, settings->rounds, settings->seconds,
             place->server_cpu == place->load_cpu ? " (one CPU for all: the figures mean little)" : "",
             settings->quick ? " (quick: the figures mean little)" : "");
    report_note(report, text);
}

int main(int argc, char **argv)
{
    struct settings settings = {.rounds = 5, .seconds = 0.5, .keys = 1000000};
    settings_read(&settings, argc, argv, help);
    struct report *report = report_open(settings.json);
    struct workload workload;
    struct wire_place place;
    if (report == NULL || !workload_open(&workload, settings.keys)) {
        fprintf(stderr, "bench: no memory\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!wire_place_open(&place))
        return 1;
    describe(&settings, report, &place);
    wire_rows_plan(&settings, report);
    bool right = wire_rows_run(&settings, report, &place, &workload);
    bool met = wire_goals_report(&settings, report);
    wire_place_close(&place);
    workload_close(&workload);
    report_close(report);
    return right && met ? 0 : 1;
}
