/*
 * A gRPC server for tests of clients, on a real session of nghttp2: one thread a connection, and a script that decides what
 * becomes of each call.
 */
#ifndef TESTS_H2_SERVER_H
#define TESTS_H2_SERVER_H

#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>

#include "sockets.h"

#include "plugins/transport/grpc/call_form.h"

#define H2_CONNECTIONS 2048
#define H2_NOW         UINT64_C(1000000000) /* its clock stands still: a deadline shows what remained */
#define H2_PREFIX      5

struct h2_server;

/* What a script says became of a call. */
enum h2_verdict {
    H2_DONE, /* it is answered, or never will be */
    H2_HOLD, /* it is to be asked again when the gate opens */
    H2_END   /* the connection ends when all is sent */
};

/* An answer, good or bad. Members that are NULL are left out. */
struct h2_answer {
    const char *http_status, *type, *grpc_status, *grpc_message, *larder_status;
    const void *body; /* prefix and message; copied */
    size_t size;
    bool trailers_only; /* one block of headers, and nothing else */
    bool endless;       /* the body never ends */
};

#define H2_REQUESTS 64 /* of a stream, at most */

struct h2_stream {
    TAILQ_ENTRY(h2_stream) link;
    int32_t id;
    unsigned char *in; /* the requests, with their prefixes */
    size_t in_size;
    size_t starts[H2_REQUESTS + 1]; /* of each request, and the end of the last */
    bool held[H2_REQUESTS];
    uint32_t count;  /* of requests */
    uint32_t number; /* of the one that the script is asked about */
    uint32_t replies;
    struct h2_answer answer;
    unsigned char *out;
    size_t out_at;
};
TAILQ_HEAD(h2_streams, h2_stream);

struct h2_connection {
    struct h2_server *server;
    int fd, wake;
    int number; /* of this connection, from 0 */
    pthread_t thread;
    nghttp2_session *session;
    struct h2_streams streams;
    int waiting; /* requests that are not answered */
    int sent;    /* bytes */
    bool deaf;   /* reads nothing while the gate is closed */
    bool ending;
    bool abrupt; /* ends with an RST when the client has sent what was not read */
};

struct h2_server {
    int fd;
    unsigned port;
    pthread_t thread;
    /* Set before start. */
    enum h2_verdict (*script)(struct h2_connection *connection, struct h2_stream *stream,
                              const struct larder_request *request);
    bool (*greet)(struct h2_connection *connection);                       /* NULL, or: false ends the connection */
    void (*headers)(struct h2_connection *connection, struct h2_stream *); /* NULL, or: of each call, before its body */
    uint32_t max_streams;                                                  /* 0: not told */
    uint32_t window;      /* of streams and of the connection; 0: as usual */
    bool shut;            /* windows of streams are 0 until the gate opens */
    int cut;              /* the connection ends after so many bytes; negative: it does not */
    bool trickle;         /* sends one byte at a time */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int accepts, requests, ends; /* ends: connections that the client closed */
    int pings, resets, cancels;  /* of which `cancels` had that code */
    int streams;                 /* ever begun */
    int most_calls;              /* of one connection at a time */
    bool gate;                   /* calls that are held are asked again when it is open */
    bool stopping;
    struct h2_connection connections[H2_CONNECTIONS];
};

/* ------------------------------------------------------------------------------------------------ counters */

static inline void h2_wait(struct h2_server *server, const int *counter, int wanted)
{
    pthread_mutex_lock(&server->lock);
    while (*counter < wanted)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static inline int h2_count(struct h2_server *server, const int *counter)
{
    pthread_mutex_lock(&server->lock);
    int count = *counter;
    pthread_mutex_unlock(&server->lock);
    return count;
}

static inline void h2_add(struct h2_server *server, int *counter)
{
    pthread_mutex_lock(&server->lock);
    (*counter)++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static inline bool h2_gate_is_open(struct h2_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool open = server->gate;
    pthread_mutex_unlock(&server->lock);
    return open;
}

static inline void h2_gate(struct h2_server *server, bool open)
{
    pthread_mutex_lock(&server->lock);
    server->gate = open;
    for (int i = 0; i < server->accepts; i++)
        if (eventfd_write(server->connections[i].wake, 1) != 0)
            abort();
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* ------------------------------------------------------------------------------------------------ answers */

static inline nghttp2_nv h2_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static inline size_t h2_trailers(const struct h2_answer *answer, nghttp2_nv *into)
{
    size_t count = 0;
    if (answer->grpc_status != NULL)
        into[count++] = h2_nv("grpc-status", answer->grpc_status);
    if (answer->grpc_message != NULL)
        into[count++] = h2_nv("grpc-message", answer->grpc_message);
    if (answer->larder_status != NULL)
        into[count++] = h2_nv("larder-status", answer->larder_status);
    return count;
}

static inline ssize_t h2_on_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t room, uint32_t *flags,
                                 nghttp2_data_source *source, void *user)
{
    (void)user;
    struct h2_stream *stream = source->ptr;
    size_t left = stream->answer.size - stream->out_at, size = left < room ? left : room;
    if (size > 0)
        memcpy(into, stream->out + stream->out_at, size);
    stream->out_at += size;
    if (size < left)
        return (ssize_t)size;
    if (stream->answer.endless)
        return size > 0 ? (ssize_t)size : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    nghttp2_nv trailers[3];
    size_t count = h2_trailers(&stream->answer, trailers);
    if (count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, trailers, count) != 0)
            abort();
    }
    return (ssize_t)size;
}

static inline void h2_send(struct h2_connection *connection, struct h2_stream *stream, struct h2_answer answer)
{
    nghttp2_nv headers[5];
    size_t count = 0;
    if (answer.http_status != NULL)
        headers[count++] = h2_nv(":status", answer.http_status);
    if (answer.type != NULL)
        headers[count++] = h2_nv("content-type", answer.type);
    free(stream->out);
    stream->out = malloc(answer.size + 1);
    if (stream->out == NULL)
        abort();
    if (answer.size > 0)
        memcpy(stream->out, answer.body, answer.size);
    stream->answer = answer;
    stream->out_at = 0;
    if (answer.trailers_only)
        count += h2_trailers(&answer, headers + count);
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = h2_on_body};
    nghttp2_submit_response(connection->session, stream->id, headers, count, answer.trailers_only ? NULL : &body);
}

/* The bytes of a reply's message with its prefix; to be freed. */
static inline unsigned char *h2_message(const struct larder_reply *reply, uint32_t number, size_t *size)
{
    struct grpc_arena arena;
    struct larder_slice head;
    grpc_arena_init(&arena, NULL, 0, SIZE_MAX);
    if (!call_form_encode_reply(reply, number, &arena, &head))
        abort();
    unsigned char *bytes = malloc(head.size + reply->value.size);
    if (bytes == NULL)
        abort();
    memcpy(bytes, head.data, head.size);
    if (reply->value.size > 0)
        memcpy(bytes + head.size, reply->value.data, reply->value.size);
    *size = head.size + reply->value.size;
    grpc_arena_reset(&arena);
    return bytes;
}

static inline void h2_reply(struct h2_connection *connection, struct h2_stream *stream,
                            const struct larder_reply *reply)
{
    size_t size;
    unsigned char *bytes = h2_message(reply, stream->number, &size);
    stream->replies++;
    connection->waiting--;
    if (stream->out == NULL) {
        h2_send(connection, stream,
                (struct h2_answer){.http_status = "200",
                                   .type = "application/grpc",
                                   .grpc_status = "0",
                                   .body = bytes,
                                   .size = size,
                                   .endless = stream->replies < stream->count});
    } else {
        stream->out = realloc(stream->out, stream->answer.size + size);
        if (stream->out == NULL)
            abort();
        memcpy(stream->out + stream->answer.size, bytes, size);
        stream->answer.size += size;
        stream->answer.endless = stream->replies < stream->count;
        nghttp2_session_resume_data(connection->session, stream->id);
    }
    free(bytes);
}

/* ------------------------------------------------------------------------------------------------ the session */

static inline struct h2_stream *h2_stream_of(struct h2_connection *connection, int32_t id)
{
    return nghttp2_session_get_stream_user_data(connection->session, id);
}

/* Asks the script about one of the requests. */
static inline void h2_run(struct h2_connection *connection, struct h2_stream *stream, uint32_t number)
{
    struct grpc_arena arena;
    grpc_arena_init(&arena, NULL, 0, SIZE_MAX);
    struct larder_request request;
    char reason[CALL_FORM_REASON];
    size_t start = stream->starts[number] + H2_PREFIX;
    struct larder_slice body = {stream->in + start, stream->starts[number + 1] - start};
    if (call_form_decode_request(body, H2_NOW, &arena, &request, reason) != LARDER_OK)
        abort();
    stream->number = number;
    enum h2_verdict verdict = connection->server->script(connection, stream, &request);
    stream->held[number] = verdict == H2_HOLD;
    connection->ending |= verdict == H2_END;
    grpc_arena_reset(&arena);
}

/* All requests have come. */
static inline void h2_run_all(struct h2_connection *connection, struct h2_stream *stream)
{
    size_t at = 0;
    while (at < stream->in_size) {
        if (stream->in_size - at < H2_PREFIX || stream->count == H2_REQUESTS)
            abort();
        const unsigned char *prefix = stream->in + at;
        at += H2_PREFIX + ((size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4]);
        stream->starts[++stream->count] = at;
        h2_add(connection->server, &connection->server->requests);
    }
    if (stream->count == 0 || at != stream->in_size)
        abort();
    connection->waiting += (int)stream->count;
    pthread_mutex_lock(&connection->server->lock);
    if (connection->waiting > connection->server->most_calls)
        connection->server->most_calls = connection->waiting;
    pthread_mutex_unlock(&connection->server->lock);
    for (uint32_t i = 0; i < stream->count; i++)
        h2_run(connection, stream, i);
}

static inline int h2_on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_connection *connection = user;
    struct h2_server *server = connection->server;
    struct h2_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        abort();
    stream->id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    TAILQ_INSERT_TAIL(&connection->streams, stream, link);
    h2_add(server, &server->streams);
    return 0;
}

/* Each request has the same headers, besides its :authority. */
static inline int h2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                               size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    static const char *const wanted[][2] = {{":method", "POST"},
                                            {":scheme", "http"},
                                            {":path", "/larder.v1.Peer/Call"},
                                            {"content-type", "application/grpc"},
                                            {"te", "trailers"}};
    (void)session;
    (void)frame;
    (void)flags;
    (void)user;
    if (name_size == 10 && memcmp(name, ":authority", 10) == 0)
        return 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (strlen(wanted[i][0]) == name_size && memcmp(name, wanted[i][0], name_size) == 0 &&
            strlen(wanted[i][1]) == value_size && memcmp(value, wanted[i][1], value_size) == 0)
            return 0;
    abort();
}

static inline int h2_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                             void *user)
{
    (void)session;
    (void)flags;
    struct h2_stream *stream = h2_stream_of(user, id);
    stream->in = realloc(stream->in, stream->in_size + size);
    if (stream->in == NULL)
        abort();
    memcpy(stream->in + stream->in_size, data, size);
    stream->in_size += size;
    return 0;
}

static inline int h2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct h2_connection *connection = user;
    struct h2_server *server = connection->server;
    if (frame->hd.type == NGHTTP2_PING)
        h2_add(server, &server->pings);
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (frame->rst_stream.error_code == NGHTTP2_CANCEL)
            h2_add(server, &server->cancels);
        h2_add(server, &server->resets);
    }
    struct h2_stream *stream = frame->hd.stream_id > 0 ? h2_stream_of(connection, frame->hd.stream_id) : NULL;
    if (frame->hd.type == NGHTTP2_HEADERS && server->headers != NULL)
        server->headers(connection, stream);
    if (stream != NULL && stream->out == NULL && frame->hd.type == NGHTTP2_DATA &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        h2_run_all(connection, stream);
    }
    return 0;
}

static inline int h2_on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)session;
    (void)error;
    struct h2_connection *connection = user;
    struct h2_stream *stream = h2_stream_of(connection, id);
    if (stream == NULL)
        return 0;
    TAILQ_REMOVE(&connection->streams, stream, link);
    connection->waiting -= (int)(stream->count - stream->replies);
    free(stream->in);
    free(stream->out);
    free(stream);
    return 0;
}

static inline ssize_t h2_on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags, void *user)
{
    (void)session;
    (void)flags;
    struct h2_connection *connection = user;
    const struct h2_server *server = connection->server;
    size_t some = server->trickle ? 1 : size;
    if (server->cut >= 0 && connection->sent + (int)some > server->cut)
        some = (size_t)(server->cut - connection->sent);
    if (some > 0 && !server_send(connection->fd, data, some))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    connection->sent += (int)some;
    return server->cut >= 0 && connection->sent >= server->cut ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t)some;
}

static inline void h2_open_session(struct h2_connection *connection)
{
    const struct h2_server *server = connection->server;
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort();
    nghttp2_session_callbacks_set_send_callback(callbacks, h2_on_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, h2_on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_on_close);
    if (nghttp2_session_server_new(&connection->session, callbacks, connection) != 0)
        abort();
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[2];
    size_t count = 0;
    if (server->max_streams > 0)
        settings[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server->max_streams};
    if (server->window > 0 || server->shut)
        settings[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                                     server->shut ? 0 : server->window};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, count);
    if (server->window > 0)
        nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, (int32_t)server->window);
}

/* ------------------------------------------------------------------------------------------------ connections */

static inline void h2_on_wake(struct h2_connection *connection)
{
    eventfd_t count;
    eventfd_read(connection->wake, &count);
    if (!h2_gate_is_open(connection->server))
        return;
    connection->deaf = false;
    connection->ending = connection->abrupt;
    if (connection->server->shut) {
        const nghttp2_settings_entry open = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535};
        nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, &open, 1);
    }
    struct h2_stream *stream, *next;
    for (stream = TAILQ_FIRST(&connection->streams); stream != NULL; stream = next) {
        next = TAILQ_NEXT(stream, link);
        for (uint32_t i = 0; i < stream->count; i++)
            if (stream->held[i])
                h2_run(connection, stream, i);
    }
}

/* False: the connection has ended. */
static inline bool h2_turn(struct h2_connection *connection)
{
    struct pollfd fds[2] = {{.fd = connection->wake, .events = POLLIN},
                            {.fd = connection->deaf ? -1 : connection->fd, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0)
        abort();
    if (fds[0].revents != 0)
        h2_on_wake(connection);
    if (fds[1].revents == 0)
        return true;
    uint8_t buffer[65536];
    ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        h2_add(connection->server, &connection->server->ends);
        return false;
    }
    return nghttp2_session_mem_recv(connection->session, buffer, (size_t)got) >= 0;
}

static inline void *h2_serve(void *arg)
{
    struct h2_connection *connection = arg;
    struct h2_server *server = connection->server;
    if (server->greet != NULL && !server->greet(connection)) {
        shutdown(connection->fd, SHUT_RDWR);
        return NULL;
    }
    h2_open_session(connection);
    bool stopping = false;
    while (!stopping && nghttp2_session_send(connection->session) == 0 && !connection->ending && h2_turn(connection)) {
        pthread_mutex_lock(&server->lock);
        stopping = server->stopping;
        pthread_mutex_unlock(&server->lock);
    }
    struct h2_stream *stream;
    while ((stream = TAILQ_FIRST(&connection->streams)) != NULL)
        h2_on_close(connection->session, stream->id, 0, connection);
    nghttp2_session_del(connection->session);
    pthread_mutex_lock(&server->lock);
    if (connection->abrupt) {
        close(connection->fd);
        connection->fd = -1;
    } else {
        shutdown(connection->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static inline void *h2_accept(void *arg)
{
    struct h2_server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL), on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pthread_mutex_lock(&server->lock);
        if (fd < 0 || server->stopping || server->accepts == H2_CONNECTIONS) {
            pthread_mutex_unlock(&server->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        struct h2_connection *connection = &server->connections[server->accepts];
        *connection = (struct h2_connection){
            .server = server, .fd = fd, .wake = eventfd(0, EFD_CLOEXEC), .number = server->accepts};
        TAILQ_INIT(&connection->streams);
        if (connection->wake < 0 || pthread_create(&connection->thread, NULL, h2_serve, connection) != 0)
            abort();
        server->accepts++;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
    }
}

static inline struct h2_server *h2_new(enum h2_verdict (*script)(struct h2_connection *, struct h2_stream *,
                                                                 const struct larder_request *))
{
    struct h2_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        abort();
    server->script = script;
    server->cut = -1;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    return server;
}

static inline struct h2_server *h2_start(struct h2_server *server)
{
    server->fd = server_listen(128, &server->port);
    if (pthread_create(&server->thread, NULL, h2_accept, server) != 0)
        abort();
    return server;
}

static inline void h2_stop(struct h2_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (int i = 0; i < server->accepts; i++) {
        pthread_mutex_lock(&server->lock);
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_mutex_unlock(&server->lock);
        eventfd_write(server->connections[i].wake, 1);
        pthread_join(server->connections[i].thread, NULL);
        if (server->connections[i].fd >= 0)
            close(server->connections[i].fd);
        close(server->connections[i].wake);
    }
    close(server->fd);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

#endif
