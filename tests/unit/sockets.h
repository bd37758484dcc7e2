/* Sockets of 127.0.0.1 for tests. */
#ifndef TESTS_SOCKETS_H
#define TESTS_SOCKETS_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static inline bool server_send(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* A socket on a free port of 127.0.0.1, on which nobody listens. */
static inline int server_bind(unsigned *port)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof place;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&place, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&place, &size) != 0)
        abort();
    *port = ntohs(place.sin_port);
    return fd;
}

/* One that listens. */
static inline int server_listen(int backlog, unsigned *port)
{
    int fd = server_bind(port);
    if (listen(fd, backlog) != 0)
        abort();
    return fd;
}

/* Fills the backlog of a socket that nobody accepts from, until a connection hangs. Returns how many were begun. */
static inline int fill_backlog(unsigned port, int *fds, int most)
{
    struct sockaddr_in place = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < most; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fds[i] < 0)
            abort();
        connect(fds[i], (struct sockaddr *)&place, sizeof place);
        struct pollfd poll_fd = {.fd = fds[i], .events = POLLOUT};
        if (poll(&poll_fd, 1, 100) == 0)
            return i + 1;
    }
    abort(); /* the backlog takes everything */
}

#endif
