/* larder sim: simulates caches on a trace, and compares policies. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "sim_plot.h"
#include "sim_report.h"

static enum exit_code report(const struct sim_plan *plan, const struct sim_result *results,
                             const struct options *options)
{
    if (options->json)
        return sim_report_json(plan, results);
    return options->csv ? sim_report_csv(plan, results) : sim_report_show(plan, results);
}

/* ------------------------------------------------------------------------------------------------ --plot */

static enum exit_code say_plot(const char *path)
{
    return say(EXIT_REFUSED, "sim: --plot: %s: %s", path, strerror(errno));
}

/* What is in the file stays until there is a picture, which a trace with a malformed line never gives. */
static enum exit_code open_plot(const char *path, FILE **file)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (*file != NULL)
        return EXIT_DONE;
    say_plot(path);
    if (descriptor >= 0)
        close(descriptor);
    return EXIT_REFUSED;
}

static bool write_text(FILE *file, const struct text *text)
{
    if (ftruncate(fileno(file), 0) != 0 && errno != EINVAL) /* pipes and devices have no length */
        return false;
    return fwrite(text->data, 1, text->size, file) == text->size && fflush(file) == 0;
}

static enum exit_code write_plot(FILE *file, const char *path, const struct sim_plan *plan,
                                 const struct sim_result *results)
{
    struct text svg = {0};
    enum exit_code code = sim_plot_draw(&svg, plan, results) ? EXIT_DONE : say_no_memory();
    if (code == EXIT_DONE && !write_text(file, &svg))
        code = say_plot(path);
    text_free(&svg);
    return code;
}

/* ------------------------------------------------------------------------------------------------ the command */

static enum exit_code simulate(const struct sim_plan *plan, FILE *plot, const struct options *options)
{
    struct sim_result *results = calloc(sim_plan_count(plan), sizeof *results);
    enum exit_code code = results != NULL ? sim_run(plan, results) : say_no_memory();
    if (code == EXIT_DONE)
        code = report(plan, results, options);
    if (code == EXIT_DONE && plot != NULL)
        code = write_plot(plot, options->plot, plan, results);
    free(results);
    return code;
}

enum exit_code command_sim(const struct options *options)
{
    struct sim_plan plan;
    FILE *plot = NULL;
    enum exit_code code = sim_plan_open(&plan, options);
    if (code == EXIT_DONE &&
        options->plot != NULL) /* before the run, at whose end it would be late to find a wrong path */
        code = open_plot(options->plot, &plot);
    if (code == EXIT_DONE)
        code = simulate(&plan, plot, options);
    if (plot != NULL && fclose(plot) != 0 && code == EXIT_DONE)
        code = say_plot(options->plot);
    sim_plan_close(&plan);
    return code;
}
