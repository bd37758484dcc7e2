/* A thread with an event loop. Work comes in through a lock-free stack and an eventfd that wakes the thread. */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* So many events are handled before the sockets are looked at again. */
#define CALLBACKS 64

struct tp_loop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    _Atomic(pthread_t) thread;
    _Atomic(struct tp_task *) posted; /* newest first */
    atomic_uint posting;              /* threads inside tp_loop_post() */
    atomic_bool stopping;
};

struct event_base *tp_loop_base(struct tp_loop *loop)
{
    return loop->base;
}

bool tp_loop_inside(const struct tp_loop *loop)
{
    /* Relaxed: only the loop's own thread finds itself here, and it stored the value itself. */
    return pthread_equal(atomic_load_explicit(&loop->thread, memory_order_relaxed), pthread_self()) != 0;
}

static void wake(struct tp_loop *loop)
{
    if (tp_loop_inside(loop)) {
        event_active(loop->wake, EV_READ, 1);
        return;
    }
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void tp_loop_post(struct tp_loop *loop, struct tp_task *task)
{
    /* The task may have run, and brought about the loop's end, before this thread has left. Relaxed: whoever sees the task
       sees this too. */
    atomic_fetch_add_explicit(&loop->posting, 1, memory_order_relaxed);
    struct tp_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    /* Release: what the poster wrote before is seen by the task. */
    do
        task->next = head;
    while (
        !atomic_compare_exchange_weak_explicit(&loop->posted, &head, task, memory_order_release, memory_order_relaxed));
    /* Only the one who fills the empty stack needs to wake: the thread takes everything at once. */
    if (head == NULL)
        wake(loop);
    /* Release: all that was touched here was touched before the loop is freed. */
    atomic_fetch_sub_explicit(&loop->posting, 1, memory_order_release);
}

/* Runs what has been posted so far. False: there was nothing. */
static bool run_posted(struct tp_loop *loop)
{
    /* Acquire pairs with the release of every poster: a chain of exchanges on one atomic is one release sequence. */
    struct tp_task *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire), *oldest = NULL;
    if (newest == NULL)
        return false;
    while (newest != NULL) {
        struct tp_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct tp_task *next = oldest->next; /* the task may be gone when it has run */
        oldest->run(oldest);
        oldest = next;
    }
    return true;
}

/* The event is edge-triggered: every write to the eventfd raises it anew, so that its counter need not be read. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tp_loop *loop = arg;
    /* Acquire: looked at before the stack, so that what was posted before the stop is run. */
    bool stopping = atomic_load_explicit(&loop->stopping, memory_order_acquire);
    run_posted(loop);
    if (stopping)
        event_base_loopbreak(loop->base);
}

static void *run(void *arg)
{
    struct tp_loop *loop = arg;
    atomic_store_explicit(&loop->thread, pthread_self(), memory_order_relaxed);
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    while (run_posted(loop)) /* what the last tasks posted themselves */
        continue;
    return NULL;
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    struct event_base *base = NULL;
    /* No EPOLL_USE_CHANGELIST: it would remove a socket from epoll after it was closed, when its number may already stand
       for a socket of another thread. */
    int flags = EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV;
    /* Else what makes itself ready again, as a socket that is not empty does, would never let the others be looked at. */
    if (event_config_set_flag(config, flags) == 0 &&
        event_config_set_max_dispatch_interval(config, NULL, CALLBACKS, 0) == 0 &&
        event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* The thread takes no signals: they are the program's. */
static int start(struct tp_loop *loop)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        atomic_store_explicit(&loop->thread, thread, memory_order_relaxed); /* the same value that the thread stores */
    return error;
}

struct tp_loop *tp_loop_open(void)
{
    int error = ENOMEM;
    struct tp_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        goto none;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        error = errno;
        goto memory;
    }
    errno = 0;
    loop->base = new_base();
    if (loop->base == NULL) {
        error = errno != 0 ? errno : ENOMEM;
        goto wake_fd;
    }
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_wake, loop);
    if (loop->wake == NULL || event_add(loop->wake, NULL) != 0)
        goto event;
    error = start(loop);
    if (error == 0)
        return loop;
event:
    if (loop->wake != NULL)
        event_free(loop->wake);
    event_base_free(loop->base);
wake_fd:
    close(loop->wake_fd);
memory:
    free(loop);
none:
    errno = error;
    return NULL;
}

void tp_loop_close(struct tp_loop *loop)
{
    if (loop == NULL)
        return;
    /* Release: pairs with the look at the flag in on_wake(). */
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    wake(loop);
    pthread_join(atomic_load_explicit(&loop->thread, memory_order_relaxed), NULL);
    while (atomic_load_explicit(&loop->posting, memory_order_acquire) > 0)
        sched_yield();
    event_free(loop->wake);
    event_base_free(loop->base);
    close(loop->wake_fd);
    free(loop);
}
