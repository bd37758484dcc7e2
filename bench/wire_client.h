/*
 * Load on a server: connections to one port, each with the same number of requests in flight, on the calling thread. Small
 * and cheap, so that the server is what is busy: it sends requests from a mould and counts answers, and knows no more of
 * either protocol than this takes. It trusts the server; answers that are not what was asked for end the run.
 */
#ifndef BENCH_WIRE_CLIENT_H
#define BENCH_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_NO_MORE   UINT32_MAX
#define WIRE_DEPTH_MAX 64
#define WIRE_GROUP     "bench"

struct wire_connection;

/* What a protocol's half knows of its connection. */
struct wire_stream {
    uint32_t next_id;  /* HTTP/2: of the next request's stream */
    int64_t credit;    /* HTTP/2: bytes of requests that the server takes */
    uint64_t taken;    /* HTTP/2: bytes of answers since the last promise of more */
    uint64_t payload;  /* bytes of values, and of what surrounds them in a message */
    uint64_t answered; /* since the connection was made */
};

struct wire_load;

struct wire_protocol {
    size_t request_max; /* bytes of a request without its value */
    /* Writes what opens a connection, and returns how much; at most 256 bytes. */
    size_t (*hello)(struct wire_stream *stream, char *at);
    /* Writes a request for the key, and returns how much; 0: the server takes none now. */
    size_t (*request)(const struct wire_load *load, struct wire_stream *stream, uint32_t number, char *at);
    /*
     * Uses up whole pieces of what has arrived. Counts answers; what is to be sent back beside requests goes to `reply`
     * (256 bytes). False: this is not what was asked for.
     */
    bool (*arrived)(const struct wire_load *load, struct wire_connection *connection, const char *data, size_t size,
                    size_t *used);
};

extern const struct wire_protocol wire_http_get, wire_http_put, wire_grpc_get;

struct wire_load {
    const struct wire_protocol *protocol;
    uint16_t port; /* on 127.0.0.1 */
    unsigned connections, depth;
    size_t value_size;
    bool any_value;              /* the server answers every key alike */
    uint32_t (*next)(void *arg); /* number of the next key; WIRE_NO_MORE */
    /* Optional, HTTP only: the head of the answer for the key. */
    void (*answered)(void *arg, uint32_t number, const char *head, size_t size);
    void *arg;
};

/* For protocols: one answer has come. */
void wire_answered(struct wire_connection *connection, const char *head, size_t size);
/* For protocols: sends these bytes before any further request. */
void wire_reply(struct wire_connection *connection, const void *data, size_t size);
struct wire_stream *wire_stream_of(struct wire_connection *connection);
/* The key that was asked for first, of those in flight. */
uint32_t wire_oldest(const struct wire_connection *connection);

struct wire_client;

/* Connects. NULL: it said on stderr why not. */
struct wire_client *wire_client_open(const struct wire_load *load);
void wire_client_close(struct wire_client *client); /* NULL is fine */

/*
 * Keeps the requests in flight for so long, or until there are no more and all are answered; the number of answers goes to
 * `answered`. Requests that are under way at the end stay so. False: the server broke off; it said why on stderr.
 */
bool wire_client_run(struct wire_client *client, double seconds, uint64_t *answered);

#endif
