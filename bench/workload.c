#include "bench/workload.h"

#include <math.h>
#include <stdlib.h>

#define ZIPF_EXPONENT 0.99

/* A counter through splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return workload_mix(*state);
}

static uint32_t random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)((next_random(state) >> 32) * bound >> 32);
}

/* Column i is itself with probability `keep`, else `alias`. */
struct column {
    double keep;
    uint32_t alias;
    uint32_t number; /* of the key that has this rank */
};

static void scatter_ranks(struct column *columns, uint32_t count, uint64_t *state)
{
    for (uint32_t i = 0; i < count; i++)
        columns[i].number = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = random_below(state, i), number = columns[i - 1].number;
        columns[i - 1].number = columns[other].number;
        columns[other].number = number;
    }
}

/* Fills the table for weights (r + 1)^-0.99. `stack` is scratch: small columns from below, large ones from above. */
static void fill_aliases(struct column *columns, uint32_t count, uint32_t *stack)
{
    double sum = 0;
    for (uint32_t i = count; i > 0; i--) /* the small ones first, for precision */
        sum += pow(i, -ZIPF_EXPONENT);
    uint32_t small = 0, large = count;
    for (uint32_t i = 0; i < count; i++) {
        columns[i].keep = pow(i + 1.0, -ZIPF_EXPONENT) / sum * count;
        columns[i].alias = i;
        if (columns[i].keep < 1)
            stack[small++] = i;
        else
            stack[--large] = i;
    }
    while (small > 0 && large < count) {
        uint32_t poor = stack[--small], rich = stack[large];
        columns[poor].alias = rich;
        columns[rich].keep -= 1 - columns[poor].keep;
        if (columns[rich].keep < 1) {
            large++;
            stack[small++] = rich;
        }
    }
    /* What is left differs from 1 by rounding only. */
    while (small > 0)
        columns[stack[--small]].keep = 1;
    while (large < count)
        columns[stack[large++]].keep = 1;
}

static void draw_stream(uint32_t *stream, const struct column *columns, uint32_t count, uint64_t seed)
{
    uint64_t state = seed;
    for (uint32_t i = 0; i < STREAM_LENGTH; i++) {
        uint32_t column = random_below(&state, count);
        double fraction = (double)(next_random(&state) >> 11) * 0x1p-53;
        if (fraction >= columns[column].keep)
            column = columns[column].alias;
        stream[i] = columns[column].number | random_below(&state, 100) << REQUEST_NUMBER_BITS;
    }
}

bool workload_open(struct workload *workload, uint32_t keys)
{
    bool opened = false;
    uint64_t state = 1;
    *workload = (struct workload){.keys = keys};
    struct column *columns = malloc(keys * sizeof *columns);
    uint32_t *stack = malloc(keys * sizeof *stack);
    if (columns == NULL || stack == NULL)
        goto done;
    for (unsigned t = 0; t < THREADS_MAX; t++)
        if ((workload->streams[t] = malloc(STREAM_LENGTH * sizeof *workload->streams[t])) == NULL)
            goto done;
    scatter_ranks(columns, keys, &state);
    fill_aliases(columns, keys, stack);
    for (unsigned t = 0; t < THREADS_MAX; t++)
        draw_stream(workload->streams[t], columns, keys, workload_mix(t + 2));
    opened = true;
done:
    free(stack);
    free(columns);
    if (!opened)
        workload_close(workload);
    return opened;
}

void workload_close(struct workload *workload)
{
    for (unsigned t = 0; t < THREADS_MAX; t++)
        free(workload->streams[t]);
    *workload = (struct workload){0};
}
