#include "bench/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30

struct figure {
    const char *row, *key;
    char contender[32];
    double value;
};

struct report {
    bool json, terminal;
    const char *row, *title;
    bool headed; /* the head of the row's table is printed */
    bool bar;    /* there is one on stderr */
    struct figure *figures;
    size_t count, capacity;
    unsigned planned, done;
    char what[64]; /* on stderr now */
    struct timespec started;
};

struct report *report_open(bool json)
{
    struct report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return NULL;
    report->json = json;
    report->terminal = isatty(STDERR_FILENO) == 1;
    clock_gettime(CLOCK_MONOTONIC, &report->started);
    return report;
}

static void clear_bar(struct report *report)
{
    if (report->bar)
        fputs("\r\033[K", stderr);
    report->bar = false;
}

void report_close(struct report *report)
{
    if (report == NULL)
        return;
    clear_bar(report);
    free(report->figures);
    free(report);
}

/* ------------------------------------------------------------------------------------------------ figures */

static void keep(struct report *report, const char *contender, const struct field *field)
{
    if (report->count == report->capacity) {
        size_t capacity = report->capacity == 0 ? 256 : 2 * report->capacity;
        struct figure *figures = realloc(report->figures, capacity * sizeof *figures);
        if (figures == NULL)
            return; /* then a goal says that it has no figure */
        report->figures = figures;
        report->capacity = capacity;
    }
    struct figure *figure = &report->figures[report->count++];
    *figure = (struct figure){.row = report->row, .key = field->key, .value = field->value};
    snprintf(figure->contender, sizeof figure->contender, "%s", contender);
}

double report_figure(const struct report *report, const char *row, const char *contender, const char *key)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct figure *figure = &report->figures[i];
        if (strcmp(figure->row, row) == 0 && strcmp(figure->key, key) == 0 && strcmp(figure->contender, contender) == 0)
            return figure->value;
    }
    return (double)NAN;
}

/* ------------------------------------------------------------------------------------------------ tables */

/* The texts that come here are this program's own and a processor's name: only quotes and backslashes can matter. */
static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        if ((unsigned char)*text >= ' ')
            putchar(*text);
    }
    putchar('"');
}

void report_note(struct report *report, const char *text)
{
    clear_bar(report);
    if (report->json) {
        fputs("{\"note\":", stdout);
        print_json_text(text);
        puts("}");
    } else {
        puts(text);
    }
}

void report_row(struct report *report, const char *name, const char *title)
{
    report->row = name;
    report->title = title;
    report->headed = false;
}

static int width_of(const struct field *field)
{
    int width = (int)strlen(field->heading) + 2;
    return width > 9 ? width : 9;
}

static void print_head(struct report *report, const struct field *fields, size_t count)
{
    printf("\n%s: %s\n  %-14s", report->row, report->title, "");
    for (size_t i = 0; i < count; i++)
        printf("%*s", width_of(&fields[i]), fields[i].heading);
    putchar('\n');
    report->headed = true;
}

static void print_table_line(struct report *report, const char *contender, const struct field *fields, size_t count)
{
    if (!report->headed)
        print_head(report, fields, count);
    printf("  %-14s", contender);
    for (size_t i = 0; i < count; i++) {
        if (isnan(fields[i].value))
            printf("%*s", width_of(&fields[i]), "-");
        else
            printf("%*.*f", width_of(&fields[i]), fields[i].decimals, fields[i].value);
    }
    putchar('\n');
}

static void print_json_line(const struct report *report, const char *contender, const struct field *fields,
                            size_t count)
{
    fputs("{\"row\":", stdout);
    print_json_text(report->row);
    fputs(",\"title\":", stdout);
    print_json_text(report->title);
    fputs(",\"contender\":", stdout);
    print_json_text(contender);
    for (size_t i = 0; i < count; i++)
        if (!isnan(fields[i].value))
            printf(",\"%s\":%.6g", fields[i].key, fields[i].value);
    puts("}");
}

void report_line(struct report *report, const char *contender, const struct field *fields, size_t count)
{
    clear_bar(report);
    for (size_t i = 0; i < count; i++)
        keep(report, contender, &fields[i]);
    if (report->json)
        print_json_line(report, contender, fields, count);
    else
        print_table_line(report, contender, fields, count);
    fflush(stdout);
}

static void print_goal(const char *name, double got, const struct goal_limits *limits, bool met)
{
    char figure[32] = "no figure", by_cpu[32] = "";
    if (!isnan(got))
        snprintf(figure, sizeof figure, "%.4g", got);
    if (!isnan(limits->by_cpu))
        snprintf(by_cpu, sizeof by_cpu, "; by CPU %.3g", limits->by_cpu);
    printf("goal %s: got %s, wanted %s%.4g (aim %.4g%s): %s\n", name, figure,
           limits->aim < limits->must ? "at most " : "", limits->must, limits->aim, by_cpu, met ? "met" : "missed");
}

static void print_json_goal(const char *name, double got, const struct goal_limits *limits, bool met)
{
    printf("{\"goal\":\"%s\"", name);
    if (!isnan(got))
        printf(",\"got\":%.6g", got);
    if (!isnan(limits->by_cpu))
        printf(",\"by_cpu\":%.6g", limits->by_cpu);
    printf(",\"wanted\":%.6g,\"aim\":%.6g,\"at_most\":%s,\"met\":%s}\n", limits->must, limits->aim,
           limits->aim < limits->must ? "true" : "false", met ? "true" : "false");
}

bool report_goal(struct report *report, const char *name, double got, const struct goal_limits *limits)
{
    bool met = limits->aim < limits->must ? got <= limits->must : got >= limits->must; /* false for NAN */
    clear_bar(report);
    if (report->json)
        print_json_goal(name, got, limits, met);
    else
        print_goal(name, got, limits, met);
    return met;
}

/* ------------------------------------------------------------------------------------------------ progress */

void report_plan(struct report *report, unsigned steps)
{
    report->planned += steps;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

void report_progress(struct report *report, const char *what, unsigned steps)
{
    report->done += steps;
    if (!report->terminal) {
        if (strcmp(what, report->what) != 0)
            fprintf(stderr, "bench: %s\n", what);
        snprintf(report->what, sizeof report->what, "%s", what);
        return;
    }
    double share = report->planned > 0 ? (double)report->done / report->planned : 0;
    double left = share > 0.02 ? seconds_since(&report->started) * (1 - share) / share : (double)NAN;
    report->bar = true;
    fputs("\r\033[K[", stderr);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < share * BAR_WIDTH ? '#' : ' ', stderr);
    fprintf(stderr, "] %3.0f %%", share * 100);
    if (!isnan(left))
        fprintf(stderr, ", %.0f:%02.0f left", floor(left / 60), fmod(left, 60));
    fprintf(stderr, "  %.50s", what);
    fflush(stderr);
}
