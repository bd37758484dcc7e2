/*
 * What goes out: one table for each row of the benchmark with a line for each contender, or one JSON object for each of
 * these lines; the goals at the end; and progress on stderr. Every number that is printed is kept, so that goals, and
 * rows that refer to others, find it again by row, contender and key.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct report;

/* NULL without memory. */
struct report *report_open(bool json);
void report_close(struct report *report);

/* ------------------------------------------------------------------------------------------------ tables */

struct field {
    const char *key;     /* in JSON, and for report_figure() */
    const char *heading; /* in the table */
    int decimals;
    double value; /* NAN: not printed */
};

/* A line of text ahead of the tables; a member "note" in JSON. */
void report_note(struct report *report, const char *text);

/* Begins the table of a row. `name` and `title` must outlive the report. */
void report_row(struct report *report, const char *name, const char *title);

/* One line of it. All lines of a table have the same fields. */
void report_line(struct report *report, const char *contender, const struct field *fields, size_t count);

/* NAN when there is no such number. */
double report_figure(const struct report *report, const char *row, const char *contender, const char *key);

struct goal_limits {
    double must, aim; /* at most these when the aim is below, else at least */
    double by_cpu;    /* the same figure from CPU time, to be printed beside it; NAN: none */
};

/* Prints "goal NAME: got X, wanted Y (aim Z): met|missed". True when it was met; not when `got` is NAN. */
bool report_goal(struct report *report, const char *name, double got, const struct goal_limits *limits);

/* ------------------------------------------------------------------------------------------------ progress */

/* Adds steps of about the same length to what is to be done. */
void report_plan(struct report *report, unsigned steps);

/* Says what is done now; `steps` of the plan have been done before. On a terminal a bar, else a line for each `what`. */
void report_progress(struct report *report, const char *what, unsigned steps);

#endif
