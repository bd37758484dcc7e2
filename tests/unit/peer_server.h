/* A server for tests of clients: one thread a connection, and a script that decides what becomes of each request. */
#ifndef TESTS_PEER_SERVER_H
#define TESTS_PEER_SERVER_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sockets.h"

#include "plugins/transport/http/peer_form.h"

#define SERVER_CONNECTIONS 512
#define SERVER_NOW         UINT64_C(1000000000) /* its clock stands still: a deadline shows what remained */

struct server;

struct server_connection {
    struct server *server;
    int fd;
    int number; /* of this connection, from 0 */
    pthread_t thread;
    char *bytes; /* read and not used yet */
    size_t size, capacity;
};

struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    /* Answers one request; false: the connection ends. Runs without the lock. */
    bool (*script)(struct server_connection *connection, const struct larder_request *request);
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int accepts, requests, ends; /* ends: connections that the client closed */
    bool gate;                   /* scripts may wait until it is open */
    bool stopping;
    struct server_connection connections[SERVER_CONNECTIONS];
};

/* True when `counter` of the server came to `wanted` or more. */
static inline void server_wait(struct server *server, const int *counter, int wanted)
{
    pthread_mutex_lock(&server->lock);
    while (*counter < wanted)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static inline int server_count(struct server *server, const int *counter)
{
    pthread_mutex_lock(&server->lock);
    int count = *counter;
    pthread_mutex_unlock(&server->lock);
    return count;
}

static inline void server_add(struct server *server, int *counter)
{
    pthread_mutex_lock(&server->lock);
    (*counter)++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static inline void server_gate(struct server *server, bool open)
{
    pthread_mutex_lock(&server->lock);
    server->gate = open;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static inline void server_wait_gate(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    while (!server->gate && !server->stopping)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

/* Reads and drops until the client closes. */
static inline void server_drain(struct server_connection *connection)
{
    char buffer[65536];
    while (recv(connection->fd, buffer, sizeof buffer, 0) > 0)
        continue;
    server_add(connection->server, &connection->server->ends);
}

/* The bytes of a whole answer; to be freed. */
static inline char *server_answer(const struct larder_reply *reply, const char *headers, size_t *size)
{
    unsigned char form[PEER_FORM_REPLY_HEAD + 64];
    struct larder_slice cluster, value = reply->value;
    size_t form_size = peer_form_encode_reply(reply, form, &cluster);
    memcpy(form + form_size, cluster.data != NULL ? cluster.data : "",
           cluster.size); /* none is longer than a few bytes here */
    form_size += cluster.size;
    char head[256];
    size_t head_size = (size_t)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", headers,
                                        form_size + value.size);
    char *bytes = malloc(head_size + form_size + value.size);
    if (bytes == NULL)
        abort();
    memcpy(bytes, head, head_size);
    memcpy(bytes + head_size, form, form_size);
    if (value.size > 0)
        memcpy(bytes + head_size + form_size, value.data, value.size);
    *size = head_size + form_size + value.size;
    return bytes;
}

static inline bool server_reply(struct server_connection *connection, const struct larder_reply *reply)
{
    size_t size;
    char *bytes = server_answer(reply, "", &size);
    bool sent = server_send(connection->fd, bytes, size);
    free(bytes);
    return sent;
}

/* Reads until `wanted` bytes are there. False: the connection ended. */
static inline bool server_need(struct server_connection *connection, size_t wanted)
{
    if (wanted > connection->capacity) {
        connection->capacity = wanted * 2;
        connection->bytes = realloc(connection->bytes, connection->capacity);
        if (connection->bytes == NULL)
            abort();
    }
    while (connection->size < wanted) {
        ssize_t got = recv(connection->fd, connection->bytes + connection->size,
                           connection->capacity - connection->size, 0);
        if (got <= 0)
            return false;
        connection->size += (size_t)got;
    }
    return true;
}

/* The size of the next request's head, and of its body. False: the connection ended. */
static inline bool server_next(struct server_connection *connection, size_t *head, size_t *body)
{
    for (;;) {
        char *end = connection->size > 0 ? memmem(connection->bytes, connection->size, "\r\n\r\n", 4) : NULL;
        if (end != NULL) {
            *end = '\0';
            const char *length = strstr(connection->bytes, "Content-Length: ");
            if (strncmp(connection->bytes, "POST /v1/peer HTTP/1.1\r\nHost: ", 30) != 0 || length == NULL)
                abort();
            *head = (size_t)(end - connection->bytes) + 4;
            *body = strtoul(length + 16, NULL, 10);
            return true;
        }
        if (!server_need(connection, connection->size + 1))
            return false;
    }
}

static inline void *server_serve(void *arg)
{
    struct server_connection *connection = arg;
    struct server *server = connection->server;
    size_t head, body;
    bool more = true;
    while (more && server_next(connection, &head, &body)) {
        if (!server_need(connection, head + body))
            break;
        struct larder_request request;
        char reason[PEER_FORM_REASON];
        struct larder_slice form = {connection->bytes + head, body};
        if (!peer_form_decode_request(form, SERVER_NOW, &request, reason))
            abort();
        server_add(server, &server->requests);
        more = server->script(connection, &request);
        connection->size -= head + body;
        memmove(connection->bytes, connection->bytes + head + body, connection->size);
    }
    if (more)
        server_add(server, &server->ends);
    shutdown(connection->fd, SHUT_RDWR);
    free(connection->bytes);
    return NULL;
}

static inline void *server_accept(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        pthread_mutex_lock(&server->lock);
        if (fd < 0 || server->stopping || server->accepts == SERVER_CONNECTIONS) {
            pthread_mutex_unlock(&server->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        struct server_connection *connection = &server->connections[server->accepts];
        *connection = (struct server_connection){.server = server, .fd = fd, .number = server->accepts};
        if (pthread_create(&connection->thread, NULL, server_serve, connection) != 0)
            abort();
        server->accepts++;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
    }
}

static inline struct server *server_start(bool (*script)(struct server_connection *, const struct larder_request *))
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        abort();
    server->script = script;
    server->fd = server_listen(128, &server->port);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    if (pthread_create(&server->thread, NULL, server_accept, server) != 0)
        abort();
    return server;
}

static inline void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (int i = 0; i < server->accepts; i++) {
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    close(server->fd);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

#endif
