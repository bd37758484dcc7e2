/* SO_REUSEPORT gives every worker a queue of its own; a first bind without it finds out whether someone else is there. */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG       4096
#define NAME_MAX_SIZE 300 /* bytes of a host that is listened on, and a NUL */

/* getaddrinfo() would cut a number that is too large. */
static bool is_port(const char *text)
{
    size_t size = strlen(text);
    return size >= 1 && size <= 5 && strspn(text, "0123456789") == size && strtoul(text, NULL, 10) <= 65535;
}

/* Splits HOST:PORT. The host may be empty, and loses its brackets. False: it is none. */
static bool split(const char *text, char *name, size_t name_capacity, const char **port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1))
        return false;
    size_t size = (size_t)(colon - text);
    if (size > 0 && text[0] == '[') {
        if (text[size - 1] != ']')
            return false;
        text++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL) {
        return false; /* IPv6 without brackets */
    }
    if (size >= name_capacity)
        return false;
    memcpy(name, text, size);
    name[size] = '\0';
    *port = colon + 1;
    return true;
}

/* -1 with errno. */
static int bind_one(const struct sockaddr *address, socklen_t size, bool shared)
{
    int one = 1, zero = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0) &&
        (address->sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) == 0) &&
        bind(fd, address, size) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Another process of the same user could share the port without either of them noticing. */
static bool somebody_there(const struct sockaddr *address, socklen_t size)
{
    int fd = bind_one(address, size, false);
    if (fd < 0)
        return errno == EADDRINUSE;
    bool there = listen(fd, 1) != 0 && errno == EADDRINUSE;
    close(fd);
    return there;
}

static void close_all(int *sockets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(sockets[i]);
}

/* 0, or errno. The first socket's port, when it was 0, becomes that of all. */
static int bind_all(struct sockaddr_storage *address, socklen_t size, int *sockets, size_t count)
{
    if (somebody_there((struct sockaddr *)address, size))
        return EADDRINUSE;
    for (size_t i = 0; i < count; i++) {
        sockets[i] = bind_one((struct sockaddr *)address, size, true);
        socklen_t length = sizeof *address;
        if (sockets[i] < 0 || listen(sockets[i], BACKLOG) != 0 ||
            getsockname(sockets[i], (struct sockaddr *)address, &length) != 0) {
            int error = errno;
            close_all(sockets, sockets[i] < 0 ? i : i + 1);
            return error;
        }
    }
    return 0;
}

static void write_address(const struct sockaddr_storage *address, char *text, size_t capacity)
{
    char name[INET6_ADDRSTRLEN + 32], port[8];
    socklen_t size = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (getnameinfo((const struct sockaddr *)address, size, name, sizeof name, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        name[0] = port[0] = '\0';
    snprintf(text, capacity, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", name, port);
}

static enum larder_status take_apart(const struct larder_host *host, const char *text, char *name, size_t capacity,
                                     const char **port)
{
    if (split(text, name, capacity, port))
        return LARDER_OK;
    return host->fail(host, LARDER_INVALID, "listen: got \"%s\", wanted HOST:PORT, [IPV6]:PORT or :PORT", text);
}

enum larder_status tp_listen_check(const struct larder_host *host, const char *text)
{
    char name[NAME_MAX_SIZE];
    const char *port;
    return take_apart(host, text, name, sizeof name, &port);
}

enum larder_status tp_listen(const struct larder_host *host, const char *text, int *sockets, size_t count,
                             char *address, size_t capacity)
{
    char name[NAME_MAX_SIZE];
    const char *port;
    enum larder_status status = take_apart(host, text, name, sizeof name, &port);
    if (status != LARDER_OK)
        return status;
    struct addrinfo hints = {.ai_family = name[0] == '\0' ? AF_INET6 : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int wrong = getaddrinfo(name[0] == '\0' ? NULL : name, port, &hints, &found);
    if (wrong != 0)
        return host->fail(host, LARDER_INVALID, "listen: \"%s\": %s", text, gai_strerror(wrong));
    struct sockaddr_storage bound = {0};
    memcpy(&bound, found->ai_addr, found->ai_addrlen);
    int error = bind_all(&bound, found->ai_addrlen, sockets, count);
    freeaddrinfo(found);
    if ((error == EAFNOSUPPORT || error == EADDRNOTAVAIL) && name[0] == '\0') { /* a machine without IPv6 */
        char any[16];
        snprintf(any, sizeof any, "0.0.0.0:%.6s", port);
        return tp_listen(host, any, sockets, count, address, capacity);
    }
    if (error != 0)
        return host->fail(host, LARDER_IO, "listen: \"%s\": %s", text, strerror(error));
    write_address(&bound, address, capacity);
    return LARDER_OK;
}
