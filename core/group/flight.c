/* The life of flights, and waiting for them. */
#include "core/group/flight_table.h"

#include <stdlib.h>

#include "core/base/epoch.h"
#include "core/base/fail.h"
#include "core/group/limits.h"
#include "core/group/share.h"

/* One get that waits. */
struct ldr_waiter {
    _Atomic unsigned holders; /* the one that answers it, and its timer: the last of the two frees it */
    struct ldr_waiter *next;
    struct ldr_flight *flight; /* NULL once somebody has taken the waiter out to answer it */
    struct ldr_flights *flights;
    uint64_t hash;
    uint64_t since; /* it asked */
    larder_reply_fn done;
    void (*again)(void *arg);
    void *arg;
    struct larder_timer timer;
    bool timed; /* the timer was started */
};

struct ldr_flights *ldr_flights_open(struct ldr_context *context, uint64_t seed)
{
    struct ldr_flights *flights = aligned_alloc(64, (sizeof *flights + 63) / 64 * 64);
    if (flights == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    memset(flights, 0, sizeof *flights);
    flights->context = context;
    flights->seed = seed;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&flights->shards[i].lock, NULL);
    return flights;
}

void ldr_flights_close(struct ldr_flights *flights)
{
    if (flights == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&flights->shards[i].lock);
    free(flights);
}

size_t ldr_flights_pending(struct ldr_flights *flights)
{
    return atomic_load_explicit(&flights->pending, memory_order_acquire);
}

/* ------------------------------------------------------------------------------------------------ life of a flight */

/* The flight that the get may join. */
static struct ldr_flight *find(struct shard *shard, uint64_t hash, const struct ldr_flight_ask *ask)
{
    for (struct ldr_flight *flight = *bucket_of(shard, hash); flight != NULL; flight = flight->next)
        if (!flight->overtaken && !(ask->of_peer && flight->away) &&
            is_of(flight, hash, ask->group, ask->name, ask->key))
            return flight;
    return NULL;
}

static void unlink_flight(struct shard *shard, struct ldr_flight *flight)
{
    if (!flight->linked)
        return;
    struct ldr_flight **at = bucket_of(shard, flight->hash);
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    flight->linked = false;
}

static void unreference(struct ldr_flight *flight)
{
    struct ldr_flights *flights = flight->flights;
    struct shard *shard = shard_of(flights, flight->hash);
    pthread_mutex_lock(&shard->lock);
    bool last = --flight->references == 0;
    pthread_mutex_unlock(&shard->lock);
    if (!last)
        return;
    ldr_group_release(flight->group);
    free(flight);
    /* Release: whoever sees 0 may free the table. */
    atomic_fetch_sub_explicit(&flights->pending, 1, memory_order_release);
}

/* Takes all waiters out to be answered. Under the lock. */
static struct ldr_waiter *take_waiters(struct shard *shard, struct ldr_flight *flight)
{
    struct ldr_waiter *waiters = flight->waiters;
    flight->completed = true;
    flight->waiters = NULL;
    for (struct ldr_waiter *waiter = waiters; waiter != NULL; waiter = waiter->next)
        waiter->flight = NULL;
    unlink_flight(shard, flight);
    return waiters;
}

static void let_go(struct ldr_waiter *waiter, unsigned holders)
{
    /* acq_rel: what the other holder read comes before the memory goes. */
    if (atomic_fetch_sub_explicit(&waiter->holders, holders, memory_order_acq_rel) == holders)
        free(waiter);
}

/* It is about to be answered. A timer that cannot be cancelled any more lets go by itself. */
static void end_waiting(struct ldr_waiter *waiter)
{
    const struct larder_runtime *runtime = waiter->flights->context->runtime;
    let_go(waiter, !waiter->timed || runtime->timer_cancel(runtime, &waiter->timer) ? 2 : 1);
}

static void answer_waiter(struct ldr_waiter *waiter, struct larder_reply *reply)
{
    const struct ldr_context *context = waiter->flights->context;
    larder_reply_fn done = waiter->done;
    void *arg = waiter->arg;
    end_waiting(waiter);
    ldr_answer(context, reply, done, arg);
}

/* Gives the reply, which it takes, to all. */
static void answer_all(struct ldr_waiter *waiters, struct larder_reply *reply)
{
    size_t count = 0;
    for (struct ldr_waiter *waiter = waiters; waiter != NULL; waiter = waiter->next)
        count++;
    ldr_reply_share(reply, count);
    for (struct ldr_waiter *waiter = waiters, *next; waiter != NULL; waiter = next) {
        struct larder_reply each = *reply;
        next = waiter->next;
        answer_waiter(waiter, &each);
    }
}

/* Takes those out of the list that did not ask by a time. */
static struct ldr_waiter *take_late(struct ldr_waiter **waiters, uint64_t until)
{
    struct ldr_waiter *late = NULL;
    while (*waiters != NULL) {
        struct ldr_waiter *waiter = *waiters;
        if (waiter->since <= until || waiter->again == NULL) {
            waiters = &waiter->next;
            continue;
        }
        *waiters = waiter->next;
        waiter->next = late;
        late = waiter;
    }
    return late;
}

static void send_back(struct ldr_waiter *waiters)
{
    for (struct ldr_waiter *waiter = waiters, *next; waiter != NULL; waiter = next) {
        void (*again)(void *arg) = waiter->again;
        void *arg = waiter->arg;
        next = waiter->next;
        end_waiting(waiter);
        again(arg);
    }
}

/*
 * Completes the flight unless it is; takes the reply, which is for those who asked by a time. Inside an epoch section, like all
 * that answers: a node that closes waits for it before it takes apart what an answer needs.
 */
static void complete(struct ldr_flight *flight, struct larder_reply *reply, uint64_t until)
{
    const struct larder_runtime *runtime = flight->flights->context->runtime;
    struct shard *shard = shard_of(flight->flights, flight->hash);
    ldr_epoch_enter(LDR_EPOCH_NODE);
    pthread_mutex_lock(&shard->lock);
    bool first = !flight->completed;
    struct ldr_waiter *waiters = first ? take_waiters(shard, flight) : NULL;
    pthread_mutex_unlock(&shard->lock);
    struct ldr_waiter *late = take_late(&waiters, until);
    answer_all(waiters, reply);
    send_back(late);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    if (first && runtime->timer_cancel(runtime, &flight->timer))
        unreference(flight); /* the timer's */
}

void ldr_flight_finish_until(struct ldr_flight *flight, struct larder_reply *reply, uint64_t until)
{
    complete(flight, reply, until);
    unreference(flight);
}

void ldr_flight_finish(struct ldr_flight *flight, struct larder_reply *reply)
{
    ldr_flight_finish_until(flight, reply, LARDER_NEVER);
}

static struct ldr_flight *flight_of_timer(struct larder_timer *timer)
{
    return (struct ldr_flight *)((char *)timer - offsetof(struct ldr_flight, timer));
}

static void flight_timed_out(struct larder_timer *timer)
{
    struct ldr_flight *flight = flight_of_timer(timer);
    struct larder_reply reply = {.status = LARDER_DEADLINE};
    complete(flight, &reply, LARDER_NEVER);
    unreference(flight);
}

void ldr_flights_abort(struct ldr_flights *flights)
{
    atomic_store_explicit(&flights->aborted, true, memory_order_relaxed);
    for (size_t i = 0; i < SHARDS * BUCKETS; i++) {
        struct shard *shard = &flights->shards[i / BUCKETS];
        for (;;) {
            pthread_mutex_lock(&shard->lock);
            struct ldr_flight *flight = shard->buckets[i % BUCKETS];
            if (flight != NULL) {
                flight->references++;
                unlink_flight(shard, flight);
            }
            pthread_mutex_unlock(&shard->lock);
            if (flight == NULL)
                break;
            struct larder_reply reply = {.status = LARDER_UNAVAILABLE,
                                         .message = ldr_slice_text("the node is closing")};
            complete(flight, &reply, LARDER_NEVER);
            unreference(flight);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ waiting */

static void waiter_timed_out(struct larder_timer *timer)
{
    struct ldr_waiter *waiter = (struct ldr_waiter *)((char *)timer - offsetof(struct ldr_waiter, timer));
    struct ldr_flights *flights = waiter->flights;
    struct shard *shard = shard_of(flights, waiter->hash);
    ldr_epoch_enter(LDR_EPOCH_NODE);
    pthread_mutex_lock(&shard->lock);
    bool waiting = waiter->flight != NULL;
    if (waiting) {
        struct ldr_waiter **at = &waiter->flight->waiters;
        while (*at != waiter)
            at = &(*at)->next;
        *at = waiter->next;
        waiter->flight->waiting--;
    }
    pthread_mutex_unlock(&shard->lock);
    larder_reply_fn done = waiter->done;
    void *arg = waiter->arg;
    let_go(waiter, waiting ? 2 : 1);
    if (waiting)
        ldr_answer_status(flights->context, LARDER_DEADLINE, NULL, done, arg);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

static struct ldr_waiter *new_waiter(struct ldr_flights *flights, const struct ldr_flight_ask *ask, uint64_t hash)
{
    struct ldr_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL)
        return NULL;
    atomic_init(&waiter->holders, 2);
    waiter->flights = flights;
    waiter->hash = hash;
    waiter->since = ask->since;
    waiter->done = ask->done;
    waiter->again = ask->again;
    waiter->arg = ask->arg;
    waiter->timer.fire = waiter_timed_out;
    return waiter;
}

/* A flight with two references: its work's and its timer's. */
static struct ldr_flight *new_flight(struct ldr_flights *flights, const struct ldr_flight_ask *ask, uint64_t hash)
{
    size_t bytes;
    if (!ldr_add(sizeof(struct ldr_flight), ask->name.size, &bytes) || !ldr_add(bytes, ask->key.size, &bytes))
        return NULL;
    struct ldr_flight *flight = calloc(1, bytes);
    if (flight == NULL)
        return NULL;
    char *name = (char *)(flight + 1);
    char *key = name + ask->name.size;
    memcpy(name, ask->name.data, ask->name.size);
    memcpy(key, ask->key.data, ask->key.size);
    flight->flights = flights;
    flight->group = ldr_group_reference(ask->group);
    flight->name = ldr_slice(name, ask->name.size);
    flight->key = ldr_slice(key, ask->key.size);
    flight->deadline = ask->flight_deadline;
    flight->away = ask->away;
    flight->overtaken = ask->alone;
    flight->hash = hash;
    flight->references = 2;
    flight->timer.fire = flight_timed_out;
    atomic_fetch_add_explicit(&flights->pending, 1, memory_order_relaxed);
    return flight;
}

static void link_flight(struct shard *shard, struct ldr_flight *flight)
{
    struct ldr_flight **bucket = bucket_of(shard, flight->hash);
    flight->next = *bucket;
    *bucket = flight;
    flight->linked = true;
}

/* Has the waiter, which may be NULL, wait for the flight. Under the lock. */
static void wait_for(struct ldr_flight *flight, struct ldr_waiter *waiter, uint64_t deadline)
{
    const struct larder_runtime *runtime = flight->flights->context->runtime;
    if (waiter == NULL)
        return;
    waiter->flight = flight;
    waiter->next = flight->waiters;
    flight->waiters = waiter;
    flight->waiting++;
    /* Started under the lock: once the waiter can be found, whoever answers it looks at `timed`. */
    waiter->timed = deadline < flight->deadline;
    if (waiter->timed)
        runtime->timer_start(runtime, &waiter->timer, deadline);
}

static void refuse(struct ldr_flights *flights, const struct ldr_flight_ask *ask, enum larder_status status)
{
    struct larder_reply reply = {.status = status};
    if (status == LARDER_BUSY)
        reply = ldr_limits_busy(flights->context, "too many gets wait for this key");
    else if (status == LARDER_UNAVAILABLE)
        reply.message = ldr_slice_text("the node is closing");
    if (ask->done != NULL)
        ldr_answer(flights->context, &reply, ask->done, ask->arg);
}

/* Finds the flight or makes it, and has the waiter wait for it. */
static enum larder_status enter(struct ldr_flights *flights, const struct ldr_flight_ask *ask, uint64_t hash,
                                struct ldr_waiter *waiter, struct ldr_flight **begun)
{
    const struct larder_runtime *runtime = flights->context->runtime;
    struct shard *shard = shard_of(flights, hash);
    enum larder_status status = LARDER_OK;
    pthread_mutex_lock(&shard->lock);
    struct ldr_flight *flight = ask->alone ? NULL : find(shard, hash, ask);
    if (atomic_load_explicit(&flights->aborted, memory_order_relaxed)) {
        status = LARDER_UNAVAILABLE; /* whoever aborts takes each lock afterwards: no flight stays behind */
    } else if (flight == NULL) {
        flight = *begun = new_flight(flights, ask, hash);
        if (flight != NULL) {
            link_flight(shard, flight);
            runtime->timer_start(runtime, &flight->timer, flight->deadline);
        }
        status = flight != NULL ? LARDER_OK : LARDER_NO_MEMORY;
    } else if (ask->most != 0 && flight->waiting >= ask->most) {
        status = LARDER_BUSY;
    }
    if (status == LARDER_OK)
        wait_for(flight, waiter, ask->deadline);
    pthread_mutex_unlock(&shard->lock);
    return status;
}

bool ldr_flight_ask(struct ldr_flights *flights, const struct ldr_flight_ask *ask)
{
    uint64_t hash = hash_of(flights, ask->name, ask->key);
    struct ldr_waiter *waiter = ask->done != NULL ? new_waiter(flights, ask, hash) : NULL;
    struct ldr_flight *begun = NULL;
    enum larder_status status = LARDER_NO_MEMORY;
    if (waiter != NULL || ask->done == NULL)
        status = enter(flights, ask, hash, waiter, &begun);
    if (status != LARDER_OK) {
        free(waiter);
        refuse(flights, ask, status);
        return false;
    }
    if (begun != NULL)
        ask->begin(begun, ask->begin_arg);
    return begun == NULL;
}
