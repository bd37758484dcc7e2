/* What a run has shown, as a table and as a document. */
#ifndef CLI_BENCH_REPORT_H
#define CLI_BENCH_REPORT_H

#include "bench_worker.h"

struct bench_report {
    struct bench_counts counts;
    double seconds;
    uint64_t loads;
    bool loads_known;
};

enum exit_code bench_report_show(const struct bench_report *report);
enum exit_code bench_report_json(const struct bench_report *report);

#endif
