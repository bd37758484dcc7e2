/* Looks up the name, where there is one, on a worker, and tries what it stands for, one address after the other. */
#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------ connecting */

#define BY_HAND EV_READ /* what the event tells when it was not raised by the socket or its timer */

static void drop_socket(struct tp_dial *dial)
{
    event_del(&dial->event);
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
}

static void finish(struct tp_dial *dial, const char *reason)
{
    int fd = dial->fd;
    dial->fd = -1;
    dial->done(dial, fd, reason);
}

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Begins to connect to the address whose turn it is. 0: connected, EINPROGRESS: an event will tell; else failed. */
static int begin(struct tp_dial *dial)
{
    const struct tp_dialler *dialler = dial->dialler;
    const struct tp_addresses *addresses = &dialler->addresses;
    const struct sockaddr *place = (const struct sockaddr *)&addresses->at[dial->address].place;
    dial->fd = socket(place->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0)
        return errno;
    int on = 1;
    setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    event_assign(&dial->event, tp_loop_base(dialler->loop), dial->fd, EV_WRITE, on_event, dial);
    if (connect(dial->fd, place, addresses->at[dial->address].size) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    /* The time that is left is shared among the addresses that are left. */
    uint64_t now = larder_now(dialler->runtime);
    uint64_t left = dial->connect_by > now ? dial->connect_by - now : 0;
    uint64_t us = left / (addresses->count - dial->address) / 1000 + 1;
    struct timeval wait = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return event_add(&dial->event, &wait) == 0 ? EINPROGRESS : ENOMEM;
}

/* The address whose turn it was ended with `error`: the next one, unless that was the last. */
static void go_on(struct tp_dial *dial, int error)
{
    struct tp_dialler *dialler = dial->dialler;
    while (error != 0 && error != EINPROGRESS && ++dial->address < dialler->addresses.count) {
        drop_socket(dial);
        error = begin(dial);
    }
    if (error == EINPROGRESS)
        return;
    if (error == 0) {
        finish(dial, NULL);
        return;
    }
    drop_socket(dial);
    if (!dialler->address->numeric)
        dialler->addresses.count = 0; /* the name may stand for another place by now */
    char buffer[128];
    char reason[TP_REASON];
    /* GNU's form of strerror_r(): returns the text. */
    snprintf(reason, sizeof reason, "cannot connect: %s", strerror_r(error, buffer, sizeof buffer));
    finish(dial, reason);
}

static void fail(struct tp_dial *dial, const char *why)
{
    char reason[TP_REASON];
    snprintf(reason, sizeof reason, "cannot look up the name: %.200s", why);
    finish(dial, reason);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct tp_dial *dial = arg;
    int error = dial->error;
    socklen_t size = sizeof error;
    if (dial->no_name != NULL) {
        fail(dial, dial->no_name);
        return;
    }
    if ((what & EV_TIMEOUT) != 0)
        error = ETIMEDOUT;
    else if ((what & EV_WRITE) != 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    go_on(dial, error);
}

/* ------------------------------------------------------------------------------------------------ names */

/* On a worker of the runtime: getaddrinfo() may take long. */
static void run_resolve(struct larder_task *task)
{
    struct tp_dialler *dialler = TP_OWNER(task, struct tp_dialler, resolve_task);
    dialler->error = tp_address_resolve(dialler->address, &dialler->found);
    tp_loop_post(dialler->loop, &dialler->resolved_task);
}

/* NULL, or why it cannot. */
static const char *wait_for_name(struct tp_dial *dial)
{
    struct tp_dialler *dialler = dial->dialler;
    const struct larder_runtime *runtime = dialler->runtime;
    if (!dialler->looking_up)
        dialler->looking_up = runtime->work(runtime, &dialler->resolve_task);
    if (!dialler->looking_up)
        return "all workers are busy";
    dial->waits = true;
    TAILQ_INSERT_TAIL(&dialler->waiting, dial, link);
    return NULL;
}

static void start(struct tp_dial *dial)
{
    struct tp_dialler *dialler = dial->dialler;
    if (dialler->addresses.count == 0 && dialler->address->numeric) {
        int error = tp_address_resolve(dialler->address, &dialler->addresses);
        dial->no_name = error != 0 ? gai_strerror(error) : NULL;
    } else if (dialler->addresses.count == 0) {
        dial->no_name = wait_for_name(dial);
        if (dial->waits)
            return;
    }
    if (dial->no_name == NULL) {
        dial->connect_by = larder_deadline_in(dialler->runtime, dialler->timeout_ms);
        dial->error = begin(dial);
    }
    if (dial->error != EINPROGRESS)
        event_active(&dial->event, BY_HAND, 1);
}

/* Back on the loop's thread. */
static void on_resolved(struct tp_task *task)
{
    struct tp_dialler *dialler = TP_OWNER(task, struct tp_dialler, resolved_task);
    dialler->looking_up = false;
    if (dialler->closed != NULL) {
        dialler->closed(dialler);
        return;
    }
    dialler->addresses = dialler->found;
    int error = dialler->error;
    struct tp_dial *dial;
    /* Another look-up may begin in between: the rest waits for that. */
    while (!dialler->looking_up && (dial = TAILQ_FIRST(&dialler->waiting)) != NULL) {
        TAILQ_REMOVE(&dialler->waiting, dial, link);
        dial->waits = false;
        if (error != 0)
            fail(dial, gai_strerror(error));
        else
            start(dial);
    }
}

/* ------------------------------------------------------------------------------------------------ from outside */

void tp_dialler_open(struct tp_dialler *dialler, struct tp_loop *loop, const struct larder_runtime *runtime,
                     const struct tp_address *address, uint64_t timeout_ms)
{
    *dialler = (struct tp_dialler){
        .loop = loop,
        .runtime = runtime,
        .address = address,
        .timeout_ms = timeout_ms,
        .resolve_task.run = run_resolve,
        .resolved_task.run = on_resolved,
    };
    TAILQ_INIT(&dialler->waiting);
}

void tp_dialler_close(struct tp_dialler *dialler, void (*closed)(struct tp_dialler *dialler))
{
    dialler->closed = closed;
    if (!dialler->looking_up)
        closed(dialler);
}

void tp_dial_start(struct tp_dial *dial, struct tp_dialler *dialler,
                   void (*done)(struct tp_dial *dial, int fd, const char *reason))
{
    *dial = (struct tp_dial){.dialler = dialler, .done = done, .fd = -1};
    event_assign(&dial->event, tp_loop_base(dialler->loop), -1, 0, on_event, dial);
    start(dial);
}

void tp_dial_cancel(struct tp_dial *dial)
{
    if (dial->waits)
        TAILQ_REMOVE(&dial->dialler->waiting, dial, link);
    dial->waits = false;
    drop_socket(dial);
}
