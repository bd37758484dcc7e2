#include "bench/run.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct worker {
    struct subject *subject;
    const struct cell *cell;
    pthread_barrier_t *barrier;
    const uint32_t *stream;
    uint32_t mask, position;
    unsigned get_percent;
    int cpu; /* -1: any */
    uint64_t duration, chunk;
    char *buffers, *value;
    struct latency *latency;
    uint64_t gets, hits, operations, wrong; /* out */
    uint64_t started, ended, cpu_ns;        /* out */
};

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Streams are whole powers of two, a stream of one request too. */
static inline uint32_t next_request(struct worker *worker)
{
    return worker->stream[worker->position++ & worker->mask];
}

static bool set_one(struct worker *worker, uint32_t number, const char *key, bool absent)
{
    struct subject *subject = worker->subject;
    workload_stamp(number, worker->value);
    return subject->contender->set(subject->cache, key, worker->value, absent);
}

/* What is left to do after a get. */
static inline void note_get(struct worker *worker, uint32_t number, const char *key, const char *buffer, bool found)
{
    if (found) {
        worker->hits++;
        worker->wrong += !workload_stamped(number, buffer);
    } else if (worker->subject->set_misses) {
        worker->wrong += !set_one(worker, number, key, true);
    }
}

/* What does not change is kept where the compiler knows that it does not. */
static void run_singles(struct worker *worker, uint64_t count)
{
    void *cache = worker->subject->cache;
    bool (*get)(void *, const char *, void *) = worker->subject->contender->get;
    const uint32_t *stream = worker->stream, mask = worker->mask, position = worker->position;
    char key[KEY_SIZE], *buffer = worker->buffers;
    unsigned get_percent = worker->get_percent;
    uint64_t gets = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t request = stream[(position + i) & mask], number = request & REQUEST_NUMBER_MASK;
        workload_key(number, key);
        if (request >> REQUEST_NUMBER_BITS < get_percent) {
            gets++;
            note_get(worker, number, key, buffer, get(cache, key, buffer));
        } else {
            worker->wrong += !set_one(worker, number, key, false);
        }
    }
    worker->position = position + (uint32_t)count;
    worker->gets += gets;
}

static void run_batch(struct worker *worker)
{
    struct subject *subject = worker->subject;
    size_t count = worker->cell->batch;
    uint32_t numbers[BATCH_MAX];
    char keys[BATCH_MAX][KEY_SIZE];
    bool found[BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        numbers[i] = next_request(worker) & REQUEST_NUMBER_MASK;
        workload_key(numbers[i], keys[i]);
    }
    if (subject->contender->get_many != NULL) {
        subject->contender->get_many(subject->cache, (const char(*)[KEY_SIZE])keys, count, worker->buffers,
                                     subject->value_size, found);
    } else {
        for (size_t i = 0; i < count; i++)
            found[i] = subject->contender->get(subject->cache, keys[i], worker->buffers + i * subject->value_size);
    }
    worker->gets += count;
    for (size_t i = 0; i < count; i++)
        note_get(worker, numbers[i], keys[i], worker->buffers + i * subject->value_size, found[i]);
}

/* The get or the set alone; the set after a miss is not part of the get's time. */
static void run_one_timed(struct worker *worker)
{
    struct subject *subject = worker->subject;
    char key[KEY_SIZE];
    uint32_t request = next_request(worker), number = request & REQUEST_NUMBER_MASK;
    workload_key(number, key);
    if (request >> REQUEST_NUMBER_BITS < worker->get_percent) {
        uint64_t start = latency_now();
        bool found = subject->contender->get(subject->cache, key, worker->buffers);
        latency_add(worker->latency, latency_now() - start);
        worker->gets++;
        note_get(worker, number, key, worker->buffers, found);
    } else {
        workload_stamp(number, worker->value);
        uint64_t start = latency_now();
        bool set = subject->contender->set(subject->cache, key, worker->value, false);
        latency_add(worker->latency, latency_now() - start);
        worker->wrong += !set;
    }
}

static void run_chunk(struct worker *worker)
{
    const struct cell *cell = worker->cell;
    uint64_t chunk = worker->chunk;
    if (cell->timed)
        for (uint64_t i = 0; i < chunk; i++)
            run_one_timed(worker);
    else if (cell->batch > 1)
        for (uint64_t i = 0; i < chunk; i += cell->batch)
            run_batch(worker);
    else
        run_singles(worker, chunk);
    worker->operations += chunk;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    if (worker->cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((unsigned)worker->cpu, &cpus);
        sched_setaffinity(0, sizeof cpus, &cpus);
    }
    pthread_barrier_wait(worker->barrier);
    uint64_t cpu_started = read_ns(CLOCK_THREAD_CPUTIME_ID);
    worker->started = read_ns(CLOCK_MONOTONIC);
    do {
        run_chunk(worker);
        worker->ended = read_ns(CLOCK_MONOTONIC);
    } while (worker->ended - worker->started < worker->duration);
    worker->cpu_ns = read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_started;
    return NULL;
}

/* The n-th CPU that this process may use; -1 when there are fewer. */
static int nth_cpu(unsigned n)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        return -1;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &cpus) && n-- == 0)
            return (int)cpu;
    return -1;
}

static void free_workers(struct worker *workers, unsigned count)
{
    for (unsigned t = 0; t < count; t++) {
        free(workers[t].buffers);
        free(workers[t].value);
        free(workers[t].latency);
    }
}

static const uint32_t hot_stream[1] = {0};

static bool make_workers(struct worker *workers, struct subject *subject, const struct cell *cell, double seconds,
                         pthread_barrier_t *barrier)
{
    bool pinned = nth_cpu(cell->threads - 1) >= 0; /* else several threads share a CPU, as the system likes */
    for (unsigned t = 0; t < cell->threads; t++) {
        bool writer = cell->writer && t == cell->threads - 1;
        workers[t] = (struct worker){.subject = subject,
                                     .cell = cell,
                                     .barrier = barrier,
                                     .stream = cell->hot ? hot_stream : subject->workload->streams[t],
                                     .mask = cell->hot ? 0 : STREAM_LENGTH - 1,
                                     .position = subject->positions[t],
                                     .get_percent = writer ? 0 : cell->get_percent,
                                     .cpu = pinned ? nth_cpu(t) : -1,
                                     .duration = (uint64_t)(seconds * 1e9),
                                     .chunk = subject->value_size > 4096 ? 64 : 1024,
                                     .buffers = calloc(BATCH_MAX, subject->value_size),
                                     .value = malloc(subject->value_size),
                                     .latency = cell->timed ? calloc(1, sizeof(struct latency)) : NULL};
        if (workers[t].buffers == NULL || workers[t].value == NULL || (cell->timed && workers[t].latency == NULL)) {
            free_workers(workers, t + 1);
            return false;
        }
        memset(workers[t].value, 'v', subject->value_size);
    }
    return true;
}

static void sum_up(struct worker *workers, const struct cell *cell, struct outcome *outcome)
{
    uint64_t operations = 0, gets = 0, hits = 0, cpu_ns = 0, written = 0, wall_ns = 0, started = UINT64_MAX, ended = 0;
    struct latency_timer timer;
    for (unsigned t = 0; t < cell->threads; t++) {
        const struct worker *worker = &workers[t];
        bool writer = cell->writer && t == cell->threads - 1;
        *(writer ? &written : &operations) += worker->operations;
        gets += worker->gets;
        hits += worker->hits;
        cpu_ns += writer ? 0 : worker->cpu_ns;
        wall_ns += writer ? 0 : worker->ended - worker->started;
        outcome->wrong += worker->wrong;
        started = worker->started < started ? worker->started : started;
        ended = worker->ended > ended ? worker->ended : ended;
        if (t > 0 && cell->timed)
            latency_merge(workers[0].latency, worker->latency);
    }
    double us = (double)(ended - started) / 1e3;
    outcome->mops = (double)operations / us;
    outcome->writer_mops = (double)written / us;
    outcome->cpu_ns = (double)cpu_ns / (double)operations;
    outcome->cpu_share = (double)cpu_ns / (double)wall_ns;
    outcome->hit_ratio = gets > 0 ? (double)hits / (double)gets : 0;
    if (cell->timed) {
        latency_timer_calibrate(&timer);
        outcome->latency = latency_read(workers[0].latency, &timer);
    }
}

bool run_cell(struct subject *subject, const struct cell *cell, double seconds, struct outcome *outcome)
{
    struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pthread_barrier_t barrier;
    *outcome = (struct outcome){0};
    if (!make_workers(workers, subject, cell, seconds, &barrier))
        return false;
    pthread_barrier_init(&barrier, NULL, cell->threads);
    for (unsigned t = 0; t < cell->threads; t++)
        if (pthread_create(&threads[t], NULL, work, &workers[t]) != 0)
            abort(); /* the others wait at the barrier for ever */
    for (unsigned t = 0; t < cell->threads; t++) {
        pthread_join(threads[t], NULL);
        if (!cell->hot)
            subject->positions[t] = workers[t].position;
    }
    pthread_barrier_destroy(&barrier);
    sum_up(workers, cell, outcome);
    free_workers(workers, cell->threads);
    return true;
}

/* ------------------------------------------------------------------------------------------------ preparation */

uint64_t run_fill(struct subject *subject, struct latency *latency)
{
    uint64_t failed = 0;
    char key[KEY_SIZE], *value = malloc(subject->value_size);
    if (value == NULL)
        return subject->workload->keys;
    memset(value, 'v', subject->value_size);
    for (uint32_t number = 0; number < subject->workload->keys; number++) {
        workload_key(number, key);
        workload_stamp(number, value);
        uint64_t start = latency_now();
        failed += !subject->contender->set(subject->cache, key, value, number > 0); /* run_check() */
        latency_add(latency, latency_now() - start);
    }
    free(value);
    return failed;
}

double run_requests(struct subject *subject, uint64_t requests)
{
    const struct cell cell = {.threads = 1, .batch = 1, .get_percent = 100};
    struct worker worker;
    if (!make_workers(&worker, subject, &cell, 0, NULL))
        return 0;
    run_singles(&worker, requests);
    subject->positions[0] = worker.position;
    free_workers(&worker, 1);
    return (double)worker.hits / (double)worker.gets;
}

bool run_check(struct subject *subject)
{
    const struct contender *contender = subject->contender;
    char here[KEY_SIZE], elsewhere[KEY_SIZE];
    char *value = malloc(subject->value_size), *buffer = malloc(subject->value_size);
    bool right = value != NULL && buffer != NULL;
    workload_key(0, here);
    workload_key(REQUEST_NUMBER_MASK, elsewhere);
    for (int filling = 'a'; right && filling <= 'c'; filling++) {
        memset(value, filling, subject->value_size);
        right = contender->set(subject->cache, here, value, filling == 'a') &&
                contender->get(subject->cache, here, buffer) && memcmp(value, buffer, subject->value_size) == 0;
    }
    right = right && !contender->get(subject->cache, elsewhere, buffer);
    free(buffer);
    free(value);
    return right || contender->kind == CONTENDER_NONE;
}
