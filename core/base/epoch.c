#include "core/base/epoch.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/*
 * One a thread, in the thread's own storage, so that entering needs no memory; in the list below from the first section
 * until the thread ends.
 */
struct record {
    alignas(64) atomic_ulong active; /* the epoch the section began in; 0: outside */
    unsigned nested;                 /* the thread's own, like all that follow but the links */
    bool listed;
    bool guest;                  /* in a section without being listed */
    struct record *next, **link; /* guarded by the lock */
};

static _Thread_local struct record mine __attribute__((tls_model("initial-exec")));

/* The process-wide state of reclamation. */
static struct {
    atomic_ulong epoch;
    atomic_ulong guests; /* sections of threads that could not be listed: none may be open when the epoch moves */
    pthread_mutex_t lock;
    struct record *records;    /* guarded by the lock, like all that follow */
    struct ldr_retired *first; /* in order of their epochs */
    struct ldr_retired **last; /* where the next is linked */
    unsigned long freeing;     /* taken off the list, their free() not yet returned */
    pthread_once_t once;       /* guards the two below */
    pthread_key_t key;
    bool have_key;
} state = {.epoch = 1, .lock = PTHREAD_MUTEX_INITIALIZER, .last = &state.first, .once = PTHREAD_ONCE_INIT};

static void forget(void *arg)
{
    struct record *record = arg;
    pthread_mutex_lock(&state.lock);
    *record->link = record->next;
    if (record->next != NULL)
        record->next->link = record->link;
    pthread_mutex_unlock(&state.lock);
    record->listed = false;
}

static void make_key(void)
{
    state.have_key = pthread_key_create(&state.key, forget) == 0;
}

/* False: there is no key, or no memory for its value, so that nobody would take the record off the list again. */
static bool enlist(struct record *record)
{
    if (pthread_once(&state.once, make_key) != 0 || !state.have_key || pthread_setspecific(state.key, record) != 0)
        return false;
    pthread_mutex_lock(&state.lock);
    record->next = state.records;
    record->link = &state.records;
    if (state.records != NULL)
        state.records->link = &record->next;
    state.records = record;
    pthread_mutex_unlock(&state.lock);
    record->listed = true;
    return true;
}

/*
 * A reader says that it is inside, then loads pointers; a writer unlinks, then looks who is inside: each must see the
 * other's first step or be seen by it, which takes a full barrier on both sides. On x86 the exchange is one; elsewhere an
 * exchange does not keep later loads behind its store. The writer's side is in advance().
 */
static inline void barrier_after_exchange(void)
{
#if !defined(__x86_64__) && !defined(__i386__)
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

void ldr_epoch_enter(void)
{
    struct record *record = &mine;
    if (record->nested++ > 0)
        return;
    if (record->listed || enlist(record)) {
        /* Acquire: whoever begins in an epoch sees all that was unlinked before it began. */
        unsigned long epoch = atomic_load_explicit(&state.epoch, memory_order_acquire);
        atomic_exchange_explicit(&record->active, epoch, memory_order_seq_cst);
    } else {
        record->guest = true;
        atomic_fetch_add_explicit(&state.guests, 1, memory_order_seq_cst);
    }
    barrier_after_exchange();
}

/* Release: all that was read in the section comes before the free() of whoever sees that it has ended. */
void ldr_epoch_exit(void)
{
    struct record *record = &mine;
    if (--record->nested > 0)
        return;
    if (record->guest) {
        record->guest = false;
        atomic_fetch_sub_explicit(&state.guests, 1, memory_order_release);
    } else {
        atomic_store_explicit(&record->active, 0, memory_order_release);
    }
}

/* Moves to the next epoch when every open section began in this one. With the lock held. */
static void advance(void)
{
    unsigned long epoch = atomic_load_explicit(&state.epoch, memory_order_relaxed); /* written under the lock only */
    barrier_after_exchange(); /* the exchange that took the lock */
    if (atomic_load_explicit(&state.guests, memory_order_seq_cst) != 0)
        return;
    for (struct record *record = state.records; record != NULL; record = record->next) {
        unsigned long active = atomic_load_explicit(&record->active, memory_order_seq_cst);
        if (active != 0 && active != epoch)
            return;
    }
    atomic_store_explicit(&state.epoch, epoch + 1, memory_order_release);
}

/*
 * Takes what nobody can see any more off the list. Sections that were open when an object was retired in epoch e began in
 * e or before; they keep the epoch from going beyond e + 1. With the lock held.
 */
static struct ldr_retired *collect(void)
{
    advance();
    unsigned long epoch = atomic_load_explicit(&state.epoch, memory_order_relaxed);
    struct ldr_retired *old = state.first, **end = &state.first;
    while (*end != NULL && (*end)->epoch + 2 <= epoch) {
        end = &(*end)->next;
        state.freeing++;
    }
    if (end == &state.first)
        return NULL;
    state.first = *end;
    *end = NULL;
    if (state.first == NULL)
        state.last = &state.first;
    return old;
}

/* Without the lock: free() may retire further objects. */
static void free_all(struct ldr_retired *retired)
{
    unsigned long count = 0;
    while (retired != NULL) {
        struct ldr_retired *next = retired->next;
        retired->free(retired);
        retired = next;
        count++;
    }
    if (count > 0) {
        pthread_mutex_lock(&state.lock);
        state.freeing -= count;
        pthread_mutex_unlock(&state.lock);
    }
}

void ldr_epoch_retire(struct ldr_retired *retired, void (*free)(struct ldr_retired *retired))
{
    retired->free = free;
    retired->next = NULL;
    pthread_mutex_lock(&state.lock);
    retired->epoch = atomic_load_explicit(&state.epoch, memory_order_relaxed);
    *state.last = retired;
    state.last = &retired->next;
    struct ldr_retired *old = collect();
    pthread_mutex_unlock(&state.lock);
    free_all(old);
}

void ldr_epoch_barrier(void)
{
    const struct timespec pause = {.tv_nsec = 50000}; /* readers do not tell when they leave */
    pthread_mutex_lock(&state.lock);
    unsigned long until = atomic_load_explicit(&state.epoch, memory_order_relaxed);
    for (;;) {
        unsigned long before = atomic_load_explicit(&state.epoch, memory_order_relaxed);
        struct ldr_retired *old = collect();
        bool moved = atomic_load_explicit(&state.epoch, memory_order_relaxed) != before;
        bool done = state.freeing == 0 && (state.first == NULL || state.first->epoch > until);
        pthread_mutex_unlock(&state.lock);
        if (done)
            return;
        free_all(old);
        if (!moved)
            nanosleep(&pause, NULL);
        pthread_mutex_lock(&state.lock);
    }
}
