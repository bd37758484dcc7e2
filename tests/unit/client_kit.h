/* What tests of clients share: a host, and calls whose outcome is waited for. Included after cmocka.h. */
#ifndef TESTS_CLIENT_KIT_H
#define TESTS_CLIENT_KIT_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/transport/common/client.h"

/* ------------------------------------------------------------------------------------------------ the host */

static inline uint64_t clock_now(const struct larder_runtime *runtime)
{
    (void)runtime;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static inline uint64_t in_ms(uint64_t ms)
{
    return clock_now(NULL) + ms * 1000000;
}

static _Thread_local char last_failure[512];

static inline enum larder_status host_fail(const struct larder_host *host, enum larder_status status,
                                           const char *format, ...)
{
    (void)host;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_failure, sizeof last_failure, format, arguments);
    va_end(arguments);
    return status;
}

static inline void *run_task(void *arg)
{
    struct larder_task *task = arg;
    task->run(task);
    return NULL;
}

/* A runtime whose workers are threads of their own, joined in the end; with `full` it takes no work. */
struct workers {
    bool full;
    size_t count;
    pthread_t threads[16];
};

static inline bool work(const struct larder_runtime *runtime, struct larder_task *task)
{
    struct workers *workers = runtime->state;
    if (workers->full || workers->count == 16)
        return false;
    return pthread_create(&workers->threads[workers->count++], NULL, run_task, task) == 0;
}

struct fixture {
    struct workers workers;
    struct larder_runtime runtime;
    struct larder_host host;
    struct tp_loop *loops[2];
    size_t loop_count;
    struct tp_client *client;
};

/* The runtime and the loops of a client, which the options are completed with. */
static inline struct fixture *open_fixture(struct tp_client_options *options)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->runtime = (struct larder_runtime){.state = &fixture->workers, .now = clock_now, .work = work};
    fixture->host = (struct larder_host){.fail = host_fail, .runtime = &fixture->runtime, .node_name = "test"};
    fixture->loop_count = options->loop_count;
    for (size_t i = 0; i < options->loop_count; i++) {
        fixture->loops[i] = tp_loop_open();
        assert_non_null(fixture->loops[i]);
    }
    options->host = &fixture->host;
    options->loops = fixture->loops;
    return fixture;
}

static inline void close_client(struct fixture *fixture)
{
    tp_client_close(fixture->client);
    for (size_t i = 0; i < fixture->loop_count; i++)
        tp_loop_close(fixture->loops[i]);
    for (size_t i = 0; i < fixture->workers.count; i++)
        pthread_join(fixture->workers.threads[i], NULL);
    free(fixture);
}

static inline struct tp_peer *open_peer(struct fixture *fixture, unsigned port)
{
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    struct tp_peer *peer = tp_peer_open(fixture->client, address);
    assert_non_null(peer);
    return peer;
}

/* ------------------------------------------------------------------------------------------------ calls */

/* One call and what became of it. */
struct outcome {
    struct larder_request request;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int completions;
    struct larder_reply reply;
    char message[600];
};

static inline void completed(void *arg, struct larder_reply *reply)
{
    struct outcome *outcome = arg;
    pthread_mutex_lock(&outcome->lock);
    outcome->completions++;
    outcome->reply = *reply;
    if (reply->message.size >= sizeof outcome->message)
        abort();
    if (reply->message.size > 0)
        memcpy(outcome->message, reply->message.data, reply->message.size);
    outcome->message[reply->message.size] = '\0';
    pthread_cond_broadcast(&outcome->changed);
    pthread_mutex_unlock(&outcome->lock);
}

static inline void outcome_init(struct outcome *outcome, const char *key)
{
    *outcome = (struct outcome){
        .request = {.operation = LARDER_OP_GET,
                    .flags = LARDER_REQUEST_PEER,
                    .group = {"users", 5},
                    .key = {key, strlen(key)},
                    .deadline = LARDER_NEVER,
                    .sender = {"test", 4}},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
}

static inline void begin(struct tp_peer *peer, struct outcome *outcome)
{
    tp_peer_call(peer, &outcome->request, completed, outcome);
}

static inline void await(struct outcome *outcome)
{
    pthread_mutex_lock(&outcome->lock);
    while (outcome->completions == 0)
        pthread_cond_wait(&outcome->changed, &outcome->lock);
    pthread_mutex_unlock(&outcome->lock);
}

static inline int completions(struct outcome *outcome)
{
    pthread_mutex_lock(&outcome->lock);
    int count = outcome->completions;
    pthread_mutex_unlock(&outcome->lock);
    return count;
}

static inline void call(struct tp_peer *peer, struct outcome *outcome)
{
    begin(peer, outcome);
    await(outcome);
}

static inline void assert_got(struct outcome *outcome, const void *value, size_t size)
{
    assert_string_equal(outcome->message, "");
    assert_int_equal(outcome->reply.status, LARDER_OK);
    assert_int_equal(outcome->reply.value.size, size);
    if (size > 0)
        assert_memory_equal(outcome->reply.value.data, value, size);
    larder_reply_release(&outcome->reply);
}

static inline void assert_failed(const struct outcome *outcome, enum larder_status status, uint32_t flags)
{
    if (outcome->reply.status != status || outcome->reply.flags != flags)
        print_error("%s\n", outcome->message);
    assert_int_equal(outcome->reply.status, status);
    assert_int_equal(outcome->reply.flags, flags);
    assert_string_not_equal(outcome->message, "");
}

/* One call that is answered with its own key. Any thread: the checks of cmocka are for the main one alone. */
static inline bool works(struct tp_peer *peer)
{
    struct outcome outcome;
    outcome_init(&outcome, "key");
    call(peer, &outcome);
    bool good = outcome.reply.status == LARDER_OK && outcome.reply.value.size == 3 &&
                memcmp(outcome.reply.value.data, "key", 3) == 0;
    larder_reply_release(&outcome.reply);
    if (!good)
        print_error("%s: %s\n", larder_status_name(outcome.reply.status), outcome.message);
    return good;
}

static inline void assert_works(struct tp_peer *peer)
{
    assert_true(works(peer));
}

/* A thread that calls again and again. */
struct caller {
    struct tp_peer *peer;
    int rounds;
    int good;
    pthread_t thread;
};

static inline void *call_often(void *arg)
{
    struct caller *caller = arg;
    for (int i = 0; i < caller->rounds; i++)
        caller->good += works(caller->peer);
    return NULL;
}

/* Many threads at a time; every call must be answered. */
static inline void call_from_threads(struct tp_peer *peer, int rounds)
{
    struct caller callers[8];
    for (size_t i = 0; i < 8; i++) {
        callers[i] = (struct caller){.peer = peer, .rounds = rounds};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].good, rounds);
    }
}

/* A chain of calls, each begun by the completion of the one before, on the loop's thread. */
struct chain {
    struct tp_peer *peer;
    struct outcome last;
    int left;
};

static inline void chain_next(void *arg, struct larder_reply *reply)
{
    struct chain *chain = arg;
    if (chain->left-- == 0) {
        completed(&chain->last, reply);
        return;
    }
    larder_reply_release(reply);
    tp_peer_call(chain->peer, &chain->last.request, chain_next, chain);
}

/* Counts completions; some come from answers and some from closing. */
static inline void count_completion(void *arg, struct larder_reply *reply)
{
    atomic_int *counter = arg;
    larder_reply_release(reply);
    atomic_fetch_add(counter, 1);
}

#endif
