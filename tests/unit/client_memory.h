/*
 * What tests of clients without memory share: allocations of the client that fail, a host, and many calls at a time. A test
 * lets the linker wrap malloc, calloc, realloc and strdup. Included after cmocka.h.
 */
#ifndef TESTS_CLIENT_MEMORY_H
#define TESTS_CLIENT_MEMORY_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/transport/common/client.h"

#define CALLS 40

/* ------------------------------------------------------------------------------------------------ allocations */

static _Thread_local bool subject; /* the client's threads, and this one inside of it */
static atomic_size_t allocations, failures, failing;
static atomic_uint every; /* the first of so many fails; 0: the one with the number `failing` */

static inline bool fails(void)
{
    if (!subject)
        return false;
    size_t number = atomic_fetch_add(&allocations, 1);
    unsigned n = atomic_load(&every);
    if (n > 0 ? number % n != 0 : number != atomic_load(&failing))
        return false;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return true;
}

static inline void fail_no_more(void)
{
    atomic_store(&every, 0);
    atomic_store(&failing, SIZE_MAX);
}

#define WRAP(type, name, parameters, ...)                                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails() ? NULL : __real_##name(__VA_ARGS__);                                                            \
    }

WRAP(void *, malloc, (size_t size), size)
WRAP(void *, calloc, (size_t count, size_t size), count, size)
WRAP(void *, realloc, (void *old, size_t size), old, size)
WRAP(char *, strdup, (const char *text), text)

/* ------------------------------------------------------------------------------------------------ the client */

static inline uint64_t clock_now(const struct larder_runtime *runtime)
{
    (void)runtime;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static inline enum larder_status host_fail(const struct larder_host *host, enum larder_status status,
                                           const char *format, ...)
{
    (void)host;
    (void)format;
    return status;
}

static const struct larder_runtime runtime = {.now = clock_now};
static const struct larder_host host = {.fail = host_fail, .runtime = &runtime, .node_name = "test"};

struct mark {
    struct tp_task task;
    atomic_bool done;
};

static inline void run_mark(struct tp_task *task)
{
    subject = true;
    atomic_store(&((struct mark *)(void *)task)->done, true);
}

static inline struct tp_loop *open_loop(void)
{
    struct tp_loop *loop = tp_loop_open();
    assert_non_null(loop);
    struct mark mark = {.task.run = run_mark};
    tp_loop_post(loop, &mark.task);
    while (!atomic_load(&mark.done))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return loop;
}

static inline struct tp_peer *open_peer(struct tp_client *client, unsigned port)
{
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    subject = true;
    struct tp_peer *peer = tp_peer_open(client, address);
    subject = false;
    return peer;
}

/* ------------------------------------------------------------------------------------------------ calls */

struct outcome {
    struct larder_request request;
    struct batch *batch;
    struct larder_reply reply;
    int completions;
};

struct batch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int left;
    struct outcome outcomes[CALLS];
};

static inline void completed(void *arg, struct larder_reply *reply)
{
    struct outcome *outcome = arg;
    struct batch *batch = outcome->batch;
    pthread_mutex_lock(&batch->lock);
    outcome->completions++;
    outcome->reply = *reply;
    batch->left--;
    pthread_cond_signal(&batch->changed);
    pthread_mutex_unlock(&batch->lock);
}

/* Many calls at a time, with small and large values. How many were answered; each was completed once. */
static inline int call_many(struct tp_peer *peer, const char *value)
{
    struct batch batch = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = CALLS};
    for (int i = 0; i < CALLS; i++) {
        struct outcome *outcome = &batch.outcomes[i];
        outcome->batch = &batch;
        outcome->request = (struct larder_request){.operation = LARDER_OP_SET,
                                                   .flags = LARDER_REQUEST_PEER,
                                                   .group = {"g", 1},
                                                   .key = {"key", 3},
                                                   .value = {value, i % 3 == 0   ? 0
                                                                    : i % 3 == 1 ? 10
                                                                                 : 100000},
                                                   .deadline = larder_deadline_in(&runtime, 60000)};
        subject = true;
        tp_peer_call(peer, &outcome->request, completed, outcome);
        subject = false;
    }
    pthread_mutex_lock(&batch.lock);
    while (batch.left > 0)
        pthread_cond_wait(&batch.changed, &batch.lock);
    pthread_mutex_unlock(&batch.lock);
    int answered = 0;
    for (int i = 0; i < CALLS; i++) {
        struct outcome *outcome = &batch.outcomes[i];
        assert_int_equal(outcome->completions, 1);
        if (outcome->reply.status == LARDER_OK) {
            answered++;
            assert_int_equal(outcome->reply.value.size, outcome->request.value.size);
            if (outcome->reply.value.size > 0)
                assert_memory_equal(outcome->reply.value.data, value, outcome->reply.value.size);
        } else if (outcome->reply.status != LARDER_NO_MEMORY) {
            assert_int_equal(outcome->reply.status, LARDER_UNAVAILABLE);
        }
        larder_reply_release(&outcome->reply);
    }
    return answered;
}

/* Once memory is there again, calls work again: those that find out what is broken may fail. */
static inline void assert_recovers(struct tp_peer *peer, const char *value)
{
    for (int i = 0; call_many(peer, value) < CALLS; i++) {
        assert_true(i < 10000);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(call_many(peer, value), CALLS);
}

/*
 * Lets allocations of a client fail, again and again, with many calls under way: each is completed, and all are answered
 * when memory is there again.
 */
static inline void assert_survives(struct tp_peer *peer)
{
    static char value[100000];
    memset(value, 'v', sizeof value);
    assert_recovers(peer, value);
    for (unsigned n = 1; n <= 40; n++) {
        size_t before = atomic_load(&failures);
        atomic_store(&every, n);
        call_many(peer, value);
        fail_no_more();
        assert_true(atomic_load(&failures) > before);
        assert_recovers(peer, value);
    }
}

/* Lets one allocation after the other fail while a client and a peer are opened. How many there are. */
static inline size_t assert_opening_says_no(struct tp_client *(*open)(struct tp_loop *const *loops))
{
    struct tp_loop *loops[2] = {open_loop(), open_loop()};
    size_t refused = 0;
    bool reached = true;
    for (size_t n = 0; reached; n++) {
        atomic_store(&allocations, 0);
        atomic_store(&failing, n);
        subject = true;
        struct tp_client *client = open(loops);
        subject = false;
        struct tp_peer *peer = client != NULL ? open_peer(client, 1) : NULL;
        reached = atomic_load(&allocations) > n;
        fail_no_more();
        assert_int_equal(peer == NULL, reached);
        refused += reached;
        tp_peer_close(peer);
        tp_client_close(client);
    }
    tp_loop_close(loops[0]);
    tp_loop_close(loops[1]);
    return refused;
}

#endif
