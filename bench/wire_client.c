#include "bench/wire_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_SIZE    (256u << 10)
#define REPLY_MAX  4096
#define EVENTS_MAX 64
#define HANG_MS    10000 /* without an answer from anybody */

struct wire_connection {
    struct wire_client *client;
    struct wire_stream stream;
    int fd;
    unsigned waiting; /* requests in flight */
    size_t in_size;
    char *in, *out;
    size_t out_size;                /* replies so far; requests follow */
    uint32_t asked[WIRE_DEPTH_MAX]; /* keys in flight: a ring, as answers come in order where it matters */
    unsigned asked_first;
};

struct wire_client {
    struct wire_load load;
    int epoll;
    bool ended; /* next() has no more */
    unsigned waiting;
    uint32_t held; /* drawn, but the server had no credit; WIRE_NO_MORE: none */
    uint64_t answered;
    struct wire_connection connections[];
};

struct wire_stream *wire_stream_of(struct wire_connection *connection)
{
    return &connection->stream;
}

uint32_t wire_oldest(const struct wire_connection *connection)
{
    return connection->asked[connection->asked_first];
}

void wire_answered(struct wire_connection *connection, const char *head, size_t size)
{
    struct wire_client *client = connection->client;
    uint32_t number = wire_oldest(connection);
    connection->asked_first = (connection->asked_first + 1) % WIRE_DEPTH_MAX;
    connection->waiting--;
    connection->stream.answered++;
    client->waiting--;
    client->answered++;
    if (client->load.answered != NULL)
        client->load.answered(client->load.arg, number, head, size);
}

void wire_reply(struct wire_connection *connection, const void *data, size_t size)
{
    if (connection->out_size + size > REPLY_MAX)
        return; /* the server floods us: it will notice that it is not answered */
    memcpy(connection->out + connection->out_size, data, size);
    connection->out_size += size;
}

static bool complain(const char *what)
{
    fprintf(stderr, "bench: the load: %s\n", what);
    return false;
}

/* ------------------------------------------------------------------------------------------------ sending */

/* Waits for room when there is none, which happens with values on their way in only. */
static bool send_all(struct wire_connection *connection)
{
    size_t sent = 0;
    while (sent < connection->out_size) {
        ssize_t now = send(connection->fd, connection->out + sent, connection->out_size - sent, MSG_NOSIGNAL);
        if (now > 0) {
            sent += (size_t)now;
            continue;
        }
        struct pollfd room = {.fd = connection->fd, .events = POLLOUT};
        if (errno != EINTR && (errno != EAGAIN || poll(&room, 1, HANG_MS) != 1))
            return complain(strerror(errno));
    }
    connection->out_size = 0;
    return true;
}

static bool ask(struct wire_connection *connection)
{
    struct wire_client *client = connection->client;
    const struct wire_load *load = &client->load;
    while (connection->waiting < load->depth && !client->ended) {
        uint32_t number = client->held != WIRE_NO_MORE ? client->held : load->next(load->arg);
        if (number == WIRE_NO_MORE) {
            client->ended = true;
            break;
        }
        size_t size = load->protocol->request(load, &connection->stream, number,
                                              connection->out + connection->out_size);
        client->held = size == 0 ? number : WIRE_NO_MORE;
        if (size == 0)
            break;
        connection->out_size += size;
        connection->asked[(connection->asked_first + connection->waiting) % WIRE_DEPTH_MAX] = number;
        connection->waiting++;
        client->waiting++;
    }
    return send_all(connection);
}

/* ------------------------------------------------------------------------------------------------ receiving */

static bool receive(struct wire_connection *connection)
{
    const struct wire_load *load = &connection->client->load;
    ssize_t got = recv(connection->fd, connection->in + connection->in_size, IN_SIZE - connection->in_size, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR || complain(strerror(errno));
    if (got == 0)
        return complain("the server closed a connection");
    connection->in_size += (size_t)got;
    size_t used = 0;
    if (!load->protocol->arrived(load, connection, connection->in, connection->in_size, &used))
        return false;
    connection->in_size -= used;
    memmove(connection->in, connection->in + used, connection->in_size);
    return ask(connection);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static bool go_on(struct wire_client *client, uint64_t end)
{
    while (now_ns() < end && !(client->ended && client->waiting == 0)) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(client->epoll, events, EVENTS_MAX, HANG_MS);
        if (count == 0)
            return complain("the server does not answer");
        for (int i = 0; i < count; i++)
            if (!receive(events[i].data.ptr))
                return false;
    }
    return true;
}

bool wire_client_run(struct wire_client *client, double seconds, uint64_t *answered)
{
    uint64_t before = client->answered, end = now_ns() + (uint64_t)(seconds * 1e9);
    bool right = true;
    for (unsigned i = 0; i < client->load.connections && right; i++)
        right = ask(&client->connections[i]);
    right = right && go_on(client, end);
    *answered = client->answered - before;
    /* Whether there were values in the answers is looked at here, all at once. */
    for (unsigned i = 0; i < client->load.connections && right; i++) {
        const struct wire_stream *stream = &client->connections[i].stream;
        if (stream->payload < stream->answered * client->load.value_size)
            right = complain("answers without the value");
    }
    return right;
}

/* ------------------------------------------------------------------------------------------------ begin and end */

static bool open_connection(struct wire_client *client, struct wire_connection *connection)
{
    const struct wire_load *load = &client->load;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(load->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    connection->client = client;
    connection->in = malloc(IN_SIZE);
    connection->out = malloc(REPLY_MAX + WIRE_DEPTH_MAX * (load->protocol->request_max + load->value_size));
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->in == NULL || connection->out == NULL || connection->fd < 0)
        return complain("no memory, or no socket");
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return complain(strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->out_size = load->protocol->hello(&connection->stream, connection->out);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    return epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0 || complain(strerror(errno));
}

struct wire_client *wire_client_open(const struct wire_load *load)
{
    struct wire_client *client = calloc(1, sizeof *client + load->connections * sizeof client->connections[0]);
    if (client == NULL) {
        complain("no memory");
        return NULL;
    }
    client->load = *load;
    client->held = WIRE_NO_MORE;
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < load->connections; i++)
        client->connections[i].fd = -1;
    for (unsigned i = 0; i < load->connections; i++)
        if (!open_connection(client, &client->connections[i])) {
            wire_client_close(client);
            return NULL;
        }
    return client;
}

void wire_client_close(struct wire_client *client)
{
    if (client == NULL)
        return;
    for (unsigned i = 0; i < client->load.connections; i++) {
        struct wire_connection *connection = &client->connections[i];
        if (connection->fd >= 0)
            close(connection->fd);
        free(connection->in);
        free(connection->out);
    }
    close(client->epoll);
    free(client);
}
