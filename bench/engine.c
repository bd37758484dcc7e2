/* The engine in one process against the caches that Debian packages, in one run. See --help. */
#include "bench/churn.h"
#include "bench/contender.h"
#include "bench/expiry.h"
#include "bench/goals.h"
#include "bench/hostile.h"
#include "bench/report.h"
#include "bench/settings.h"
#include "bench/space.h"
#include "bench/speed.h"
#include "bench/swap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static const char help[] =
    "usage: bench_engine [--json] [--quick] [--only ROWS] [--contenders NAMES] [--rounds N] [--seconds S] [--keys N]\n"
    "\n"
    "Measures the store in one process, side by side with the caches that Debian packages: RocksDB's LRUCache and\n"
    "HyperClockCache, GLib's table and list under a mutex, 256 shards of the C++ library's, and the memory floor.\n"
    "Prints a table for each row, then a line for each goal. Exit code: 0 all goals met, 1 one was missed, 2 usage.\n"
    "\n"
    "  --json              one JSON object for each line of a table and each goal\n"
    "  --quick             one short round of 200000 keys: whether it works, not how fast\n"
    "  --only ROWS         rows to run, shell patterns separated by commas: 'a-get-*,hot-*'\n"
    "  --contenders NAMES  who takes part, likewise: 'larder-*,rocksdb-hyper'\n"
    "  --rounds N          rounds of every cell, 1 to 25 (default 5); medians are reported\n"
    "  --seconds S         of one cell in one round (default 0.15)\n"
    "  --keys N            keys of up to 1 KiB values (default 1000000; a sixteenth of it for larger ones)\n";

/* The choice in brackets: "always [madvise] never". */
static void read_huge_pages(char *text, size_t capacity)
{
    char line[128] = "", *start;
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (file != NULL && fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    if (file != NULL)
        fclose(file);
    start = strchr(line, '[');
    if (start != NULL)
        snprintf(text, capacity, "%.*s", (int)strcspn(start + 1, "]"), start + 1);
    else
        snprintf(text, capacity, "unknown");
}

static void describe(const struct settings *settings, struct report *report)
{
    char processor[128], huge_pages[32], text[320];
    settings_processor(processor, sizeof processor);
    read_huge_pages(huge_pages, sizeof huge_pages);
    snprintf(text, sizeof text,
             "%s, %d CPUs, L3 cache %ld MiB, huge pages: %s; %u keys, Zipf 0.99, %u rounds of %g s, medians%s",
             processor, get_nprocs(), sysconf(_SC_LEVEL3_CACHE_SIZE) >> 20, huge_pages, settings->keys,
             settings->rounds, settings->seconds, settings->quick ? " (quick: the figures mean little)" : "");
    report_note(report, text);
    for (size_t c = 0; contenders[c] != NULL; c++)
        if (contenders[c]->note != NULL && settings_contender(settings, contenders[c]->name))
            report_note(report, contenders[c]->note);
}

int main(int argc, char **argv)
{
    struct settings settings = {.rounds = 5, .seconds = 0.15, .keys = 1000000};
    settings_read(&settings, argc, argv, help);
    struct report *report = report_open(settings.json);
    if (report == NULL) {
        fprintf(stderr, "bench: no memory\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN); /* a child that died is noticed where it is written to */
    describe(&settings, report);
    speed_plan(&settings, report);
    space_plan(&settings, report);
    churn_plan(&settings, report);
    hostile_plan(&settings, report);
    expiry_plan(&settings, report);
    swap_plan(&settings, report);
    bool right = speed_run(&settings, report);
    right = space_run(&settings, report) && right;
    right = churn_run(&settings, report) && right;
    right = hostile_run(&settings, report) && right;
    right = expiry_run(&settings, report) && right;
    right = swap_run(&settings, report) && right;
    bool met = goals_report(&settings, report);
    report_close(report);
    return right && met ? 0 : 1;
}
