#include "bench_source.h"

#include <time.h>

#define RANDOM_REQUESTS 100000 /* without a limit of number or time */

uint64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

enum exit_code bench_source_open(struct bench_source *source, const struct options *options)
{
    *source = (struct bench_source){.options = options, .limit = options->requests, .start_ns = bench_now()};
    pthread_mutex_init(&source->lock, NULL);
    if (options->duration_ms > 0)
        source->end_ns = source->start_ns + options->duration_ms * 1000000;
    if (options->trace != NULL) {
        source->trace = trace_open(options->trace, false);
        return source->trace != NULL ? EXIT_DONE : EXIT_NO;
    }
    random_keys_init(&source->keys, options->keys, options->zipf, options->seed);
    if (source->limit == 0 && source->end_ns == 0)
        source->limit = RANDOM_REQUESTS;
    return EXIT_DONE;
}

void bench_source_close(struct bench_source *source)
{
    trace_close(source->trace);
    pthread_mutex_destroy(&source->lock);
}

static void next_random(struct bench_source *source, struct trace_request *request, struct text *key)
{
    bool get = random_unit(&source->keys) < source->options->get_ratio;
    text_printf(key, "key-%llu", (unsigned long long)random_keys_next(&source->keys));
    *request = (struct trace_request){.operation = get ? TRACE_GET : TRACE_SET};
}

static bool next_of_trace(struct trace *trace, struct trace_request *request, struct text *key)
{
    if (trace_read(trace, request, 1) == 0)
        return false;
    text_add(key, request->key, request->key_size);
    return true;
}

bool bench_source_next(struct bench_source *source, struct trace_request *request, struct text *key)
{
    text_clear(key);
    pthread_mutex_lock(&source->lock);
    bool more = !source->stopped && (source->limit == 0 || source->given < source->limit) &&
                (source->end_ns == 0 || bench_now() < source->end_ns);
    if (more && source->trace != NULL)
        more = next_of_trace(source->trace, request, key);
    else if (more)
        next_random(source, request, key);
    source->given += more;
    source->stopped = !more;
    pthread_mutex_unlock(&source->lock);
    request->key = key->data;
    return more;
}

void bench_source_stop(struct bench_source *source)
{
    pthread_mutex_lock(&source->lock);
    source->stopped = true;
    pthread_mutex_unlock(&source->lock);
}

void bench_source_progress(struct bench_source *source, uint64_t *given, double *fraction)
{
    pthread_mutex_lock(&source->lock);
    *given = source->given;
    *fraction = source->trace != NULL ? trace_fraction(source->trace) : -1;
    double part = source->limit > 0 ? (double)source->given / (double)source->limit : -1;
    *fraction = part > *fraction ? part : *fraction;
    part = source->end_ns > 0 ? (double)(bench_now() - source->start_ns) / (double)(source->end_ns - source->start_ns)
                              : -1;
    *fraction = part > *fraction ? part : *fraction;
    *fraction = *fraction > 1 ? 1 : *fraction;
    pthread_mutex_unlock(&source->lock);
}
