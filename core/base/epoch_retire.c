/* Objects that are freed by a callback, in the domain of the node. */
#include "core/base/epoch.h"

#include <pthread.h>
#include <stddef.h>
#include <time.h>

/* The process-wide list of retired objects. */
static struct {
    pthread_mutex_t lock;      /* guards all that follows */
    struct ldr_retired *first; /* in order of their tags */
    struct ldr_retired **last; /* where the next is linked */
    unsigned long freeing;     /* taken off the list, their free() not yet returned */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &state.first};

/* Takes what nobody can see any more off the list. With the lock held. */
static struct ldr_retired *collect(void)
{
    struct ldr_retired *old = state.first, **end = &state.first;
    while (*end != NULL && ldr_epoch_passed(LDR_EPOCH_NODE, (*end)->epoch)) {
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

/* With force: it is called seldom, and threads that idle must not keep what may be as large as a group. */
void ldr_epoch_retire(struct ldr_retired *retired, void (*free)(struct ldr_retired *retired))
{
    retired->free = free;
    retired->next = NULL;
    pthread_mutex_lock(&state.lock);
    retired->epoch = ldr_epoch_tag(LDR_EPOCH_NODE); /* under the lock, so that the list is in order */
    *state.last = retired;
    state.last = &retired->next;
    ldr_epoch_advance(LDR_EPOCH_NODE, true);
    struct ldr_retired *old = collect();
    pthread_mutex_unlock(&state.lock);
    free_all(old);
}

void ldr_epoch_barrier(void)
{
    const struct timespec pause = {.tv_nsec = 50000}; /* readers do not tell when they leave */
    uint64_t until = ldr_epoch_tag(LDR_EPOCH_NODE);
    for (;;) {
        bool moved = ldr_epoch_advance(LDR_EPOCH_NODE, true);
        pthread_mutex_lock(&state.lock);
        struct ldr_retired *old = collect();
        bool done = state.freeing == 0 && (state.first == NULL || state.first->epoch > until);
        pthread_mutex_unlock(&state.lock);
        if (done)
            return;
        free_all(old);
        if (!moved)
            nanosleep(&pause, NULL);
    }
}
