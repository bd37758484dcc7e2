/* The socket's side of a connection: events, time, what waits to be written, beginning and end. */
#ifndef TRANSPORT_COMMON_CONNECTION_H
#define TRANSPORT_COMMON_CONNECTION_H

#include <event2/event_struct.h>

#include "output.h"
#include "worker.h"

/* Lies at the beginning of the protocol's connection. */
struct tp_connection {
    LIST_ENTRY(tp_connection) link;  /* all of the worker */
    LIST_ENTRY(tp_connection) ready; /* when `scheduled` */
    struct tp_worker *worker;
    struct event read_event, write_event;
    int fd;
    bool scheduled, reading, writing;
    bool more;         /* there may be bytes to read that no event will tell of */
    bool hung_up;      /* the client has closed its side: after the last byte */
    bool lingering;    /* all is said: reads and drops until the client closes, so that the last answer is not lost */
    uint64_t deadline; /* LARDER_NEVER: none */
    uint64_t active;   /* when bytes last moved */
    uint64_t read_on;  /* when the client last took bytes that wait for it, or they began to wait */
    struct tp_output output;
};

/* Takes over the socket, also when it fails. */
void tp_connection_open(struct tp_worker *worker, int fd);

/* Drops the connection at once, and frees it. */
void tp_connection_close(struct tp_connection *connection);

/*
 * recv(). Events are edge-triggered: a socket that may not be empty is read again when all others have had their turn.
 * Whoever reads in another way says what was got, and what was asked for.
 */
ssize_t tp_connection_recv(struct tp_connection *connection, void *data, size_t size);
void tp_connection_received(struct tp_connection *connection, ssize_t got, size_t asked);

/* Writes what waits, as far as the socket takes it. False: the connection is broken. */
bool tp_connection_write(struct tp_connection *connection);

/*
 * To be called at the end of every settling: waits for the socket, for bytes when `read` is set and for room when output
 * is pending, and until `deadline` at the latest; a client that does not take its bytes is given the idle timeout.
 */
void tp_connection_wait(struct tp_connection *connection, bool read, uint64_t deadline);

/*
 * All is said and written. Closing at once, with bytes unread, would make the kernel reset and the client lose the answer;
 * so the writing side is closed, and the rest follows when the client closes, or soon. The protocol sees it in closed()
 * only.
 */
void tp_connection_linger(struct tp_connection *connection);

#endif
