#include "sim_plan.h"

#include <stdlib.h>
#include <string.h>

#include "sim_cache.h"
#include "units.h"

#define BYTES_MAX (UINT64_C(1) << 50) /* 1048576GiB */
#define PART_MAX  1000000

static enum exit_code read_unit(struct sim_plan *plan, const char *unit)
{
    plan->bytes = unit != NULL && strcmp(unit, "bytes") == 0;
    if (unit == NULL || plan->bytes || strcmp(unit, "objects") == 0)
        return EXIT_DONE;
    return say(EXIT_USAGE, "sim: --unit: got '%s', wanted objects or bytes", unit);
}

static enum exit_code read_sample(struct sim_plan *plan, const char *sample)
{
    plan->part = 1;
    if (sample == NULL ||
        (strncmp(sample, "1/", 2) == 0 && units_parse_count(sample + 2, strlen(sample + 2), &plan->part) &&
         plan->part > 0 && plan->part <= PART_MAX))
        return EXIT_DONE;
    return say(EXIT_USAGE, "sim: --sample: got '%s', wanted 1/N, N from 1 to %d", sample, PART_MAX);
}

static bool read_size(const struct sim_plan *plan, const char *text, uint64_t *size)
{
    if (plan->bytes)
        return units_parse_size(text, size) && *size > 0 && *size <= BYTES_MAX;
    return units_parse_count(text, strlen(text), size) && *size > 0 && *size <= SIM_SIZE_MAX;
}

static enum exit_code add_size(struct sim_plan *plan, const char *text)
{
    uint64_t *sizes = reallocarray(plan->sizes, plan->size_count + 1, sizeof *sizes);
    if (sizes == NULL)
        return say_no_memory();
    plan->sizes = sizes;
    if (read_size(plan, text, &sizes[plan->size_count++]))
        return EXIT_DONE;
    if (plan->bytes)
        return say(EXIT_USAGE, "sim: --size: got '%s', wanted a size like 64MiB, at most 1048576GiB", text);
    return say(EXIT_USAGE, "sim: --size: got '%s', wanted a whole number of objects from 1 to %u, or --unit bytes",
               text, SIM_SIZE_MAX);
}

static enum exit_code read_sizes(struct sim_plan *plan, const char *list)
{
    char *copy = strdup(list);
    enum exit_code code = copy != NULL ? EXIT_DONE : say_no_memory();
    for (char *rest = copy; rest != NULL && code == EXIT_DONE;)
        code = add_size(plan, strsep(&rest, ","));
    free(copy);
    return code;
}

static enum exit_code find_optimum(struct sim_plan *plan)
{
    for (size_t i = 0; i < plan->policies.count; i++) {
        if (plan->policies.items[i].module != NULL)
            continue;
        plan->wants_optimum = true;
        if (plan->bytes)
            return say(EXIT_USAGE,
                       "sim: --policy: %s: wanted --unit objects; with sizes of their own there is no "
                       "optimum that can be computed",
                       plan->policies.items[i].text);
    }
    return EXIT_DONE;
}

/* By bytes the shards of a group have no parts of their own: what one does not need, another gets. */
static enum exit_code check_shards(const struct sim_plan *plan)
{
    unsigned long long shards = plan->shards;
    if (shards > 1 && plan->bytes)
        return say(EXIT_USAGE, "sim: --shards: got %llu with --unit bytes, wanted --unit objects", shards);
    for (size_t i = 0; i < plan->size_count; i++)
        if (sim_plan_scaled(plan, plan->sizes[i]) < shards && shards > 1)
            return say(EXIT_USAGE, "sim: --shards: got %llu for size %llu%s, wanted at least one object for each",
                       shards, (unsigned long long)plan->sizes[i], plan->part > 1 ? " of a sample" : "");
    return EXIT_DONE;
}

static enum exit_code check_given(const struct options *options)
{
    if (options->trace == NULL)
        return say(EXIT_USAGE, "sim: --trace: got nothing, wanted FILE");
    if (options->policies.count == 0)
        return say(EXIT_USAGE, "sim: --policy: got nothing, wanted NAME or FILE.so");
    if (options->sizes.count == 0)
        return say(EXIT_USAGE, "sim: --size: got nothing, wanted N");
    if (options->json && options->csv)
        return say(EXIT_USAGE, "sim: got --json and --csv, wanted one of them");
    return EXIT_DONE;
}

enum exit_code sim_plan_open(struct sim_plan *plan, const struct options *options)
{
    *plan = (struct sim_plan){.trace = options->trace, .lenient = options->lenient, .shards = options->shards};
    enum exit_code code = check_given(options);
    if (code == EXIT_DONE)
        code = read_unit(plan, options->unit);
    if (code == EXIT_DONE)
        code = read_sample(plan, options->sample);
    for (size_t i = 0; i < options->sizes.count && code == EXIT_DONE; i++)
        code = read_sizes(plan, options->sizes.items[i]);
    if (code == EXIT_DONE)
        code = check_shards(plan);
    if (code == EXIT_DONE)
        code = sim_policies_open(&plan->policies, options);
    return code == EXIT_DONE ? find_optimum(plan) : code;
}

void sim_plan_close(struct sim_plan *plan)
{
    sim_policies_close(&plan->policies);
    free(plan->sizes);
}
