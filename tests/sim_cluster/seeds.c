#include "seeds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(struct sim_seeds *seeds, const struct sim_job *job)
{
    if (seeds->count == seeds->capacity) {
        seeds->capacity = seeds->capacity == 0 ? 64 : 2 * seeds->capacity;
        seeds->jobs = realloc(seeds->jobs, seeds->capacity * sizeof *seeds->jobs);
        if (seeds->jobs == NULL)
            abort();
    }
    seeds->jobs[seeds->count++] = *job;
}

static bool parse_line(const char *line, struct sim_job *job)
{
    char kind[16], comment[2] = "#";
    if (sscanf(line, "%" SCNu64 " %15s %1s", &job->seed, kind, comment) < 2)
        return false;
    job->kind = sim_kind_of(kind);
    job->twice = true;
    return job->kind != SIM_KINDS && comment[0] == '#';
}

bool sim_seeds_read(struct sim_seeds *seeds, const char *path)
{
    *seeds = (struct sim_seeds){.path = path};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "sim_cluster: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool good = true;
    char line[1024];
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        struct sim_job job = {0};
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (parse_line(line, &job)) {
            keep(seeds, &job);
            continue;
        }
        fprintf(stderr, "sim_cluster: %s:%u: got \"%.*s\", wanted a seed and a kind of cluster\n", path, number,
                (int)strcspn(line, "\n"), line);
        good = false;
    }
    fclose(file);
    return good;
}

void sim_seeds_add(const struct sim_seeds *seeds, const struct sim_job *job, const char *failure)
{
    struct sim_run run = {.seed = job->seed, .kind = job->kind};
    struct sim_job added = {.seed = job->seed, .kind = sim_run_kind(&run)};
    for (size_t i = 0; i < seeds->count; i++)
        if (seeds->jobs[i].seed == added.seed && seeds->jobs[i].kind == added.kind)
            return;
    FILE *file = fopen(seeds->path, "a");
    if (file == NULL) {
        fprintf(stderr, "sim_cluster: %s: %s\n", seeds->path, strerror(errno));
        return;
    }
    fprintf(file, "%" PRIu64 " %s  # %s\n", added.seed, sim_kind_name(added.kind), failure);
    fclose(file);
}

void sim_seeds_free(struct sim_seeds *seeds)
{
    free(seeds->jobs);
    *seeds = (struct sim_seeds){0};
}
