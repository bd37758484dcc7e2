#include "bench/churn.h"
#include "bench/child.h"
#include "bench/memory.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET     (UINT64_C(256) << 20)
#define WRITERS    2
#define VALUE_MAX  16384
#define RUN_STEPS  20
#define PHASES_MAX 3

/* A phase writes values between these sizes, their logarithms uniform, in keys that are always new. */
struct phase {
    const char *name;
    uint32_t least, most;
    double turnover; /* so many times the budget */
};

struct churn {
    const char *name, *title;
    struct phase phases[PHASES_MAX];
};

static const struct churn churns[] = {
    {"churn-steady", "budget of 256 MiB, values of 100 B", {{"small", 100, 100, 4}}},
    {"churn-sizes", "budget of 256 MiB, sizes log-uniform from 64 B to 16 KiB", {{"mixed", 64, VALUE_MAX, 10}}},
    {"churn-shift",
     "budget of 256 MiB, values of 100 B, then of 8 KiB, then of 100 B again",
     {{"small", 100, 100, 3}, {"large", 8192, 8192, 3}, {"back", 100, 100, 3}}},
};

struct churn_arg {
    const struct contender *contender;
    const struct churn *churn;
    double share; /* of the turnover */
};

struct churn_result {
    double peak;                /* most resident memory over what it was before the store was opened, by the budget */
    double used[PHASES_MAX];    /* what the store says it holds after a phase, by the budget */
    double payload[PHASES_MAX]; /* keys and values alone */
    double refused;             /* sets */
};

/* ------------------------------------------------------------------------------------------------ in the child */

struct writer {
    const struct contender *contender;
    void *cache;
    const struct phase *phase;
    uint64_t bytes;            /* to write */
    uint32_t number, failures; /* of the next key; writers begin far apart */
    uint64_t random;
    char *value, *buffer;
};

static uint32_t next_size(struct writer *writer)
{
    const struct phase *phase = writer->phase;
    if (phase->least == phase->most)
        return phase->least;
    writer->random = workload_mix(writer->random);
    double share = (double)(writer->random >> 11) * 0x1p-53;
    return (uint32_t)(phase->least * pow((double)phase->most / phase->least, share));
}

/* Sets new keys, and gets each a little later. */
static void *write_phase(void *arg)
{
    struct writer *writer = arg;
    char key[KEY_SIZE];
    for (uint64_t written = 0; written < writer->bytes;) {
        uint32_t size = next_size(writer);
        workload_key(writer->number, key);
        if (!writer->contender->set_sized(writer->cache, key, writer->value, size))
            writer->failures++;
        workload_key(writer->number++ - 100, key);
        writer->contender->get(writer->cache, key, writer->buffer);
        written += KEY_SIZE + size;
    }
    return NULL;
}

/* Returns how many sets failed. */
static uint64_t run_phase(struct writer *writers, const struct phase *phase, double share)
{
    pthread_t threads[WRITERS];
    uint64_t failures = 0;
    for (unsigned t = 0; t < WRITERS; t++) {
        writers[t].phase = phase;
        writers[t].bytes = (uint64_t)((double)BUDGET * phase->turnover * share / WRITERS);
        writers[t].failures = 0;
        if (pthread_create(&threads[t], NULL, write_phase, &writers[t]) != 0)
            abort();
    }
    for (unsigned t = 0; t < WRITERS; t++) {
        pthread_join(threads[t], NULL);
        failures += writers[t].failures;
    }
    return failures;
}

/* Touched, so that they are not taken for the store's. */
static char *make_buffer(void)
{
    char *buffer = malloc(VALUE_MAX);
    if (buffer != NULL)
        memset(buffer, 'v', VALUE_MAX);
    return buffer;
}

static bool measure_churn(const void *opaque, void *opaque_result)
{
    const struct churn_arg *arg = opaque;
    struct churn_result *result = opaque_result;
    const struct cache_options options = {
        .value_size = VALUE_MAX, .entries = BUDGET / 150, .bytes = BUDGET, .small_pages = false};
    struct writer writers[WRITERS];
    for (unsigned t = 0; t < WRITERS; t++) {
        writers[t] = (struct writer){.contender = arg->contender,
                                     .number = t << 31,
                                     .random = t + 1,
                                     .value = make_buffer(),
                                     .buffer = make_buffer()};
        if (writers[t].value == NULL || writers[t].buffer == NULL)
            return false;
    }
    *result = (struct churn_result){0};
    uint64_t before = memory_resident();
    memory_reset_peak();
    void *cache = arg->contender->open(&options);
    if (cache == NULL)
        return false;
    for (unsigned t = 0; t < WRITERS; t++)
        writers[t].cache = cache;
    for (unsigned i = 0; i < PHASES_MAX && arg->churn->phases[i].name != NULL; i++) {
        uint64_t used, payload;
        result->refused += (double)run_phase(writers, &arg->churn->phases[i], arg->share);
        arg->contender->held(cache, &used, &payload);
        result->used[i] = (double)used / (double)BUDGET;
        result->payload[i] = (double)payload / (double)BUDGET;
    }
    result->peak = (double)(memory_peak() - before) / (double)BUDGET;
    return true;
}

/* ------------------------------------------------------------------------------------------------ in the parent */

static bool takes_part(const struct settings *settings, const struct contender *contender)
{
    return settings_contender(settings, contender->name) && contender->set_sized != NULL;
}

static unsigned steps_of(const struct churn *churn)
{
    unsigned phases = 0;
    while (phases < PHASES_MAX && churn->phases[phases].name != NULL)
        phases++;
    return RUN_STEPS * phases;
}

void churn_plan(const struct settings *settings, struct report *report)
{
    for (size_t i = 0; i < sizeof churns / sizeof *churns; i++)
        for (size_t c = 0; contenders[c] != NULL; c++)
            if (settings_row(settings, churns[i].name) && takes_part(settings, contenders[c]))
                report_plan(report, steps_of(&churns[i]));
}

static void report_churn(struct report *report, const struct contender *contender, const struct churn *churn,
                         const struct churn_result *result)
{
    const struct field one[] = {
        {"peak", "RSS/budget", 4, result->peak},
        {"used", "used", 4, result->used[0]},
        {"payload", "keys+values", 4, result->payload[0]},
        {"refused", "sets refused", 0, result->refused},
    };
    const struct field shift[] = {
        {"peak", "RSS/budget", 4, result->peak},
        {"used_small", "used 100 B", 4, result->used[0]},
        {"used", "used 8 KiB", 4, result->used[1]},
        {"used_back", "used 100 B", 4, result->used[2]},
        {"payload_small", "keys+values", 4, result->payload[0]},
        {"payload", "at 8 KiB", 4, result->payload[1]},
        {"payload_back", "at 100 B", 4, result->payload[2]},
        {"refused", "sets refused", 0, result->refused},
    };
    if (churn->phases[1].name != NULL)
        report_line(report, contender->name, shift, sizeof shift / sizeof *shift);
    else
        report_line(report, contender->name, one, sizeof one / sizeof *one);
}

bool churn_run(const struct settings *settings, struct report *report)
{
    bool right = true;
    for (size_t i = 0; i < sizeof churns / sizeof *churns; i++) {
        const struct churn *churn = &churns[i];
        if (!settings_row(settings, churn->name))
            continue;
        report_row(report, churn->name, churn->title);
        for (size_t c = 0; contenders[c] != NULL; c++) {
            const struct churn_arg arg = {contenders[c], churn, settings->quick ? 0.5 : 1};
            struct churn_result result;
            if (!takes_part(settings, contenders[c]))
                continue;
            report_progress(report, churn->name, 0);
            bool done = child_call(measure_churn, &arg, &result, sizeof result);
            report_progress(report, churn->name, steps_of(churn));
            if (done)
                report_churn(report, contenders[c], churn, &result);
            right = right && done && result.refused == 0;
        }
    }
    return right;
}
