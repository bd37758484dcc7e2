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
