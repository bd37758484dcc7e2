/* Gets that wait for the end of this turn of the loop. */
#ifndef TRANSPORT_HTTP_WINDOW_H
#define TRANSPORT_HTTP_WINDOW_H

#include <event2/event_struct.h>
#include <stddef.h>

struct http_exchange;
struct http_worker;

#define HTTP_WINDOW 16

struct http_window {
    struct http_exchange *exchanges[HTTP_WINDOW]; /* each counts as outstanding */
    size_t count;
    struct event turn_over;
};

/* Submits the exchange soon, with others. Its connection is settled then, whether it is answered or not. */
void http_window_add(struct http_exchange *exchange);

/* Before the worker serves. */
void http_window_open(struct http_worker *worker);

#endif
