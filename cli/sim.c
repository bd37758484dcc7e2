/* larder sim: simulates caches on a trace, and compares policies. */
#include <stdlib.h>

#include "commands.h"
#include "sim_report.h"

static enum exit_code report(const struct sim_plan *plan, const struct sim_result *results,
                             const struct options *options)
{
    if (options->json)
        return sim_report_json(plan, results);
    return options->csv ? sim_report_csv(plan, results) : sim_report_show(plan, results);
}

enum exit_code command_sim(const struct options *options)
{
    struct sim_plan plan;
    struct sim_result *results = NULL;
    enum exit_code code = sim_plan_open(&plan, options);
    if (code == EXIT_DONE) {
        results = calloc(sim_plan_count(&plan), sizeof *results);
        code = results != NULL ? sim_run(&plan, results) : say_no_memory();
    }
    if (code == EXIT_DONE)
        code = report(&plan, results, options);
    free(results);
    sim_plan_close(&plan);
    return code;
}
