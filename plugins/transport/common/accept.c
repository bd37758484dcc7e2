/* New connections, the limit on them, and what to do when no file descriptor is left. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"

#define ACCEPT_BATCH 64 /* connections taken before others get their turn */
#define PAUSE_MS     50 /* without a file descriptor */

static void count_refused(struct tp_worker *worker)
{
    atomic_fetch_add_explicit(&worker->server->refused_connections, 1, memory_order_relaxed);
}

/* Over the limit: says so and closes. What the client may have sent is read first, or the answer would be lost. */
static void turn_away(struct tp_worker *worker, int fd)
{
    struct larder_slice answer = worker->server->protocol->turned_away;
    count_refused(worker);
    if (answer.size > 0)
        send(fd, answer.data, answer.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    recv(fd, worker->scratch, sizeof worker->scratch, MSG_DONTWAIT);
    close(fd);
}

static void take(struct tp_worker *worker, int fd)
{
    struct tp_server *server = worker->server;
    size_t before = atomic_fetch_add_explicit(&server->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&server->accepted, 1, memory_order_relaxed);
    if (before >= server->options.max_connections) {
        atomic_fetch_sub_explicit(&server->connections, 1, memory_order_relaxed);
        turn_away(worker, fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    tp_connection_open(worker, fd);
}

int tp_reserve_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * No file descriptor is left. The one kept for this is given up for a moment, so that whoever waits in the queue is
 * refused instead of waiting for nothing; when even that fails, accepting pauses, since the event would fire for ever.
 */
static void accept_without_descriptor(struct tp_worker *worker)
{
    int fd = -1;
    pthread_mutex_lock(&worker->server->accepting);
    if (worker->reserve >= 0) {
        close(worker->reserve);
        fd = accept4(worker->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            turn_away(worker, fd);
    }
    worker->reserve = tp_reserve_open();
    pthread_mutex_unlock(&worker->server->accepting);
    if (fd < 0) {
        struct timeval pause = {0, PAUSE_MS * 1000};
        event_del(worker->accept_event);
        event_add(worker->pause_event, &pause);
    }
}

void tp_worker_on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tp_worker *worker = arg;
    if (worker->reserve < 0)
        worker->reserve = tp_reserve_open();
    if (worker->accept_event != NULL)
        event_add(worker->accept_event, NULL);
}

static int accept_next(struct tp_worker *worker)
{
    pthread_mutex_lock(&worker->server->accepting);
    int fd = accept4(worker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;
    pthread_mutex_unlock(&worker->server->accepting);
    errno = error;
    return fd;
}

void tp_worker_on_accept(evutil_socket_t listener, short what, void *arg)
{
    (void)listener;
    (void)what;
    struct tp_worker *worker = arg;
    tp_worker_now(worker);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept_next(worker);
        if (fd >= 0) {
            take(worker, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            accept_without_descriptor(worker);
        else if (errno == EINTR || errno == ECONNABORTED)
            continue;
        return;
    }
}
