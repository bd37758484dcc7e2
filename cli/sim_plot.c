#include "sim_plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_report.h"
#include "units.h"

/* The picture, in pixels; to the right of the axes stands the legend. */
#define LEFT        70
#define TOP         50
#define WIDTH       620
#define HEIGHT      380
#define LEGEND      (LEFT + WIDTH + 24)
#define ROW         22
#define LETTER      7.5 /* about as wide as one is */
#define TICKS       6   /* about so many on the axis of sizes */
#define LABEL_LEAST 56  /* between the middles of two labels */

/* Told apart also by those who see few colours, and by the dashes: M. Okabe and K. Ito, "Color Universal Design", 2002. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
static const char *const dashes[] = {"none", "7 3", "2 3"};

#define COLOURS (sizeof colours / sizeof *colours)
#define DASHES  (sizeof dashes / sizeof *dashes)

struct plot {
    const struct sim_plan *plan;
    const struct sim_result *results;
    size_t *order;          /* of the sizes, from the smallest on */
    double least, most;     /* sizes */
    double lowest, highest; /* miss ratios */
    double step;            /* between two of the marked miss ratios */
    bool logarithmic;
    bool plain; /* sizes are shown to the last digit */
    struct text out;
};

/* ------------------------------------------------------------------------------------------------ axes */

static double x_of(const struct plot *plot, double size)
{
    double low = plot->least, high = plot->most;
    if (plot->logarithmic) {
        size = log(size);
        low = log(low);
        high = log(high);
    }
    return LEFT + (high > low ? (size - low) / (high - low) : 0.5) * WIDTH;
}

static double y_of(const struct plot *plot, double ratio)
{
    return TOP + HEIGHT - (ratio - plot->lowest) / (plot->highest - plot->lowest) * HEIGHT;
}

/* 1, 2 or 5 times a power of ten, at least so much. */
static double round_step(double step)
{
    double power = pow(10, floor(log10(step))), digit = step / power;
    return power * (digit <= 1.0001 ? 1 : digit <= 2.0001 ? 2 : digit <= 5.0001 ? 5 : 10);
}

static void find_ratios(struct plot *plot)
{
    double lowest = 1, highest = 0;
    for (size_t i = 0; i < sim_plan_count(plot->plan); i++) {
        double ratio = sim_report_miss_ratio(&plot->results[i]);
        lowest = fmin(lowest, ratio);
        highest = fmax(highest, ratio);
    }
    plot->step = round_step(fmax(highest - lowest, 0.005) / 5);
    plot->lowest = fmax(floor(lowest / plot->step + 1e-9) * plot->step, 0);
    plot->highest = fmin(ceil(highest / plot->step - 1e-9) * plot->step, 1);
    if (plot->highest - plot->lowest < plot->step / 2) { /* all are the same, and on a mark */
        plot->highest = fmin(plot->highest + plot->step, 1);
        plot->lowest = fmax(plot->lowest - plot->step, 0);
    }
}

static int compare_sizes(const void *left, const void *right, void *sizes)
{
    uint64_t a = ((const uint64_t *)sizes)[*(const size_t *)left],
             b = ((const uint64_t *)sizes)[*(const size_t *)right];
    return (a > b) - (a < b);
}

static void find_sizes(struct plot *plot)
{
    const struct sim_plan *plan = plot->plan;
    for (size_t i = 0; i < plan->size_count; i++)
        plot->order[i] = i;
    qsort_r(plot->order, plan->size_count, sizeof *plot->order, compare_sizes, plan->sizes);
    plot->least = (double)plan->sizes[plot->order[0]];
    plot->most = (double)plan->sizes[plot->order[plan->size_count - 1]];
    plot->logarithmic = plot->most >= 10 * plot->least;
}

/* ------------------------------------------------------------------------------------------------ pieces */

/* What XML would read as its own is written as what it means; what it cannot hold is shown as \xNN. */
static void put_text(struct plot *plot, const char *text)
{
    struct text shown = {0};
    text_add_shown(&shown, text, strlen(text));
    for (size_t i = 0; i < shown.size; i++) {
        switch (shown.data[i]) {
        case '&': text_puts(&plot->out, "&amp;"); break;
        case '<': text_puts(&plot->out, "&lt;"); break;
        case '>': text_puts(&plot->out, "&gt;"); break;
        case '"': text_puts(&plot->out, "&quot;"); break;
        default: text_add(&plot->out, &shown.data[i], 1); break;
        }
    }
    plot->out.failed |= shown.failed;
    text_free(&shown);
}

static void put_line(struct plot *plot, double x1, double y1, double x2, double y2, const char *class)
{
    text_printf(&plot->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2,
                y2);
}

static void put_label(struct plot *plot, double x, double y, const char *anchor, const char *label)
{
    text_printf(&plot->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    put_text(plot, label);
    text_puts(&plot->out, "</text>\n");
}

static void put_size(const struct plot *plot, double size, char label[UNITS_TEXT])
{
    if (plot->plain)
        snprintf(label, UNITS_TEXT, plot->plan->bytes ? "%.0f B" : "%.0f", size);
    else if (plot->plan->bytes)
        units_size(label, (uint64_t)size);
    else if (size >= 1e9)
        snprintf(label, UNITS_TEXT, "%.3gG", size / 1e9);
    else if (size >= 1e6)
        snprintf(label, UNITS_TEXT, "%.3gM", size / 1e6);
    else if (size >= 1e4)
        snprintf(label, UNITS_TEXT, "%.3gk", size / 1e3);
    else
        snprintf(label, UNITS_TEXT, "%.0f", size);
}

/* A mark of the axis of sizes; its label only where the one before leaves room. Returns where the last label stands. */
static double put_size_mark(struct plot *plot, double size, double last)
{
    char label[UNITS_TEXT];
    double x = x_of(plot, size);
    put_line(plot, x, TOP, x, TOP + HEIGHT, "grid");
    put_size(plot, size, label);
    if (x - last < fmax(LABEL_LEAST, (double)strlen(label) * LETTER))
        return last;
    put_label(plot, x, TOP + HEIGHT + 20, "middle", label);
    return x;
}

/* Whether two neighbours on an axis of equal steps, from `first` on, have the same label. */
static bool look_alike(const struct plot *plot, double first, double step)
{
    char label[UNITS_TEXT], next[UNITS_TEXT];
    for (double size = first; size + step <= plot->most; size += step) {
        put_size(plot, size, label);
        put_size(plot, size + step, next);
        if (strcmp(label, next) == 0)
            return true;
    }
    return false;
}

/* Decades in the order of the unit, with 2 and 5 (bytes: 4, 16, ...) between them where there are few. */
static void put_size_axis(struct plot *plot)
{
    double base = plot->plan->bytes ? 2 : 10, last = -INFINITY;
    if (!plot->logarithmic) {
        double range = plot->most - plot->least, step = range > 0 ? round_step(range / TICKS) : plot->most;
        if (plot->plan->bytes && range > 0)
            step = exp2(ceil(log2(range / TICKS)));
        step = fmax(step, 1);
        double first = ceil(plot->least / step) * step;
        plot->plain = look_alike(plot, first, step);
        for (double size = first; size <= plot->most; size += step)
            last = put_size_mark(plot, size, last);
        return;
    }
    double decades = log(plot->most / plot->least) / log(base);
    double stride = plot->plan->bytes ? ceil(decades / TICKS) : 1;
    static const double between[] = {1, 2, 5};
    for (double power = floor(log(plot->least) / log(base)); pow(base, power) <= plot->most; power += stride)
        for (size_t i = 0; i < (plot->plan->bytes || decades > 4 ? 1 : 3); i++) {
            double size = pow(base, power) * between[i];
            if (size >= plot->least && size <= plot->most)
                last = put_size_mark(plot, size, last);
        }
}

static void put_ratio_axis(struct plot *plot)
{
    int decimals = (int)fmax(ceil(-log10(plot->step) - 1e-9), 1);
    for (double ratio = plot->lowest; ratio <= plot->highest + plot->step / 2; ratio += plot->step) {
        char label[UNITS_TEXT];
        snprintf(label, sizeof label, "%.*f", decimals, ratio);
        put_line(plot, LEFT, y_of(plot, ratio), LEFT + WIDTH, y_of(plot, ratio), "grid");
        put_label(plot, LEFT - 8, y_of(plot, ratio) + 4, "end", label);
    }
}

static void put_axes(struct plot *plot)
{
    put_size_axis(plot);
    put_ratio_axis(plot);
    put_line(plot, LEFT, TOP + HEIGHT, LEFT + WIDTH, TOP + HEIGHT, "axis");
    put_line(plot, LEFT, TOP, LEFT, TOP + HEIGHT, "axis");
    put_label(plot, LEFT + WIDTH / 2.0, TOP + HEIGHT + 44, "middle",
              plot->plan->bytes ? "cache size" : "cache size, objects");
    text_printf(&plot->out,
                "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">miss ratio</text>\n",
                TOP + HEIGHT / 2.0);
    put_label(plot, LEFT, TOP - 20, "start", plot->plan->trace);
}

/* ------------------------------------------------------------------------------------------------ lines */

static void put_policy(struct plot *plot, size_t policy)
{
    const struct sim_plan *plan = plot->plan;
    const char *colour = colours[policy % COLOURS], *dash = dashes[policy / COLOURS % DASHES];
    double y = TOP + 8 + (double)policy * ROW;
    text_printf(&plot->out, "<polyline class=\"policy\" stroke=\"%s\" stroke-dasharray=\"%s\" points=\"", colour, dash);
    for (size_t i = 0; i < plan->size_count; i++) {
        size_t at = plot->order[i];
        text_printf(&plot->out, "%s%.1f,%.1f", i > 0 ? " " : "", x_of(plot, (double)plan->sizes[at]),
                    y_of(plot, sim_report_miss_ratio(&plot->results[policy * plan->size_count + at])));
    }
    text_puts(&plot->out, "\"/>\n");
    for (size_t i = 0; i < plan->size_count; i++)
        text_printf(&plot->out, "<circle fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", colour,
                    x_of(plot, (double)plan->sizes[i]),
                    y_of(plot, sim_report_miss_ratio(&plot->results[policy * plan->size_count + i])));
    text_printf(&plot->out,
                "<line class=\"policy\" stroke=\"%s\" stroke-dasharray=\"%s\" x1=\"%d\" y1=\"%.1f\" "
                "x2=\"%d\" y2=\"%.1f\"/>\n",
                colour, dash, LEGEND, y, LEGEND + 26, y);
    put_label(plot, LEGEND + 34, y + 4, "start", plan->policies.items[policy].text);
}

static void draw(struct plot *plot)
{
    size_t letters = 8, rows = plot->plan->policies.count;
    for (size_t i = 0; i < rows; i++)
        letters = strlen(plot->plan->policies.items[i].text) > letters ? strlen(plot->plan->policies.items[i].text)
                                                                       : letters;
    int width = LEGEND + 44 + (int)((double)letters * LETTER), height = TOP + HEIGHT + 64;
    if (height < TOP + 30 + (int)rows * ROW)
        height = TOP + 30 + (int)rows * ROW;
    text_printf(&plot->out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
                "font-family=\"sans-serif\" font-size=\"13\">\n",
                width, height, width, height);
    text_puts(&plot->out, "<style>.grid{stroke:#ddd}.axis{stroke:#333}.policy{fill:none;stroke-width:2}text{fill:#222}"
                          "</style>\n<title>Miss ratio against cache size</title>\n"
                          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    put_axes(plot);
    for (size_t i = 0; i < rows; i++)
        put_policy(plot, i);
    text_puts(&plot->out, "</svg>\n");
}

/* ------------------------------------------------------------------------------------------------ all of it */

bool sim_plot_draw(struct text *svg, const struct sim_plan *plan, const struct sim_result *results)
{
    struct plot plot = {.plan = plan, .results = results, .order = calloc(plan->size_count, sizeof *plot.order)};
    if (plot.order != NULL) {
        find_sizes(&plot);
        find_ratios(&plot);
        draw(&plot);
    }
    bool drawn = plot.order != NULL && !plot.out.failed;
    free(plot.order);
    *svg = plot.out;
    return drawn;
}
