#include "bench_worker.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 100 /* a client whose node does not answer waits before it tries again */

const char *const bench_hit_names[HIT_COUNT] = {"local", "near", "peer", "replica", "loader", "other"};

enum exit_code bench_worker_open(struct bench_worker *worker, struct bench_source *source,
                                 const struct options *options, const char *node, int done)
{
    worker->source = source;
    worker->options = options;
    worker->done = done;
    return node_open(&worker->node, node, options);
}

void bench_worker_close(struct bench_worker *worker)
{
    node_close(&worker->node);
    text_free(&worker->url);
    text_free(&worker->value);
    text_free(&worker->key);
}

static void make_url(struct bench_worker *worker)
{
    struct text *url = &worker->url;
    const struct trace_request *request = &worker->request;
    text_clear(url);
    text_puts(url, text_string(&worker->node.base));
    text_puts(url, "/v1/groups/");
    url_add_encoded(url, worker->options->group, strlen(worker->options->group));
    text_puts(url, "/keys/");
    url_add_encoded(url, worker->key.data, worker->key.size);
    if (request->operation == TRACE_SET && request->ttl_none)
        text_puts(url, "?ttl=none");
    else if (request->operation == TRACE_SET && request->ttl_ms > 0)
        text_printf(url, "?ttl=%llums", (unsigned long long)request->ttl_ms);
}

/* Makes the value long enough; all values begin alike. */
static size_t make_value(struct bench_worker *worker)
{
    uint64_t size = worker->request.size_given ? worker->request.size : worker->options->value_size;
    uint32_t bits = 1;
    while (worker->value.size < size && !worker->value.failed) {
        unsigned char piece[256];
        for (size_t i = 0; i < sizeof piece; i++) {
            bits = bits * 1664525u + 1013904223u;
            piece[i] = (unsigned char)(bits >> 24);
        }
        text_add(&worker->value, piece, sizeof piece);
    }
    return (size_t)size;
}

static enum bench_hit hit_of(struct http *http)
{
    const char *source = http_field(http, "Larder-Source");
    size_t i = 0;
    while (i < HIT_OTHER && (source == NULL || strcmp(source, bench_hit_names[i]) != 0))
        i++;
    return (enum bench_hit)i;
}

static void count_answer(struct bench_worker *worker, uint64_t ns)
{
    struct bench_counts *counts = &worker->counts;
    struct http *http = &worker->node.http;
    enum trace_operation operation = worker->request.operation;
    long status = http->status;
    latency_add(&counts->latency[operation], ns);
    if (operation == TRACE_GET && status == 200) {
        counts->hits[hit_of(http)]++;
        counts->bytes_read += http->body.size;
    } else if (status == 404 && http_is_problem(http, "urn:larder:problem:not-found")) {
        counts->not_found++;
    } else if (status != 201 && status != 204) {
        counts->status[status > 0 && status < BENCH_STATUS_MAX ? status : 0]++;
        counts->failed++;
    }
}

static void pause_for(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static bool send_one(struct bench_worker *worker)
{
    static const char *const methods[TRACE_OPERATIONS] = {"GET", "PUT", "DELETE"};
    struct bench_counts *counts = &worker->counts;
    enum trace_operation operation = worker->request.operation;
    bool set = operation == TRACE_SET;
    make_url(worker);
    size_t size = set ? make_value(worker) : 0;
    if (worker->key.failed || worker->url.failed || worker->value.failed)
        return false;
    uint64_t start = bench_now();
    bool answered = http_send(&worker->node.http, methods[operation], worker->url.data,
                              set ? text_string(&worker->value) : NULL, size);
    counts->end_ns = bench_now();
    counts->requests++;
    counts->bytes_written += size;
    if (answered) {
        count_answer(worker, counts->end_ns - start);
    } else {
        counts->no_answer[worker->node.http.code]++;
        counts->failed++;
        pause_for(RETRY_MS);
    }
    return true;
}

void *bench_worker_run(void *arg)
{
    struct bench_worker *worker = arg;
    while (bench_source_next(worker->source, &worker->request, &worker->key)) {
        if (!send_one(worker)) {
            worker->no_memory = true;
            bench_source_stop(worker->source);
        }
    }
    const uint64_t one = 1;
    ssize_t written = write(worker->done, &one, sizeof one);
    (void)written; /* it cannot fail: the sum of all workers is far below what an eventfd holds */
    return NULL;
}

void bench_counts_merge(struct bench_counts *sum, const struct bench_counts *other)
{
    sum->requests += other->requests;
    sum->not_found += other->not_found;
    sum->failed += other->failed;
    sum->bytes_read += other->bytes_read;
    sum->bytes_written += other->bytes_written;
    sum->end_ns = other->end_ns > sum->end_ns ? other->end_ns : sum->end_ns;
    for (size_t i = 0; i < HIT_COUNT; i++)
        sum->hits[i] += other->hits[i];
    for (size_t i = 0; i < BENCH_STATUS_MAX; i++)
        sum->status[i] += other->status[i];
    for (size_t i = 0; i < CURL_LAST; i++)
        sum->no_answer[i] += other->no_answer[i];
    for (size_t i = 0; i < TRACE_OPERATIONS; i++)
        latency_merge(&sum->latency[i], &other->latency[i]);
}
