/* A thread with an event loop (libevent's, as a loop only), and the way to hand it work from other threads. */
#ifndef TRANSPORT_COMMON_LOOP_H
#define TRANSPORT_COMMON_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct tp_loop;

/* The struct of which the pointer is the member. */
#define TP_OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Lies inside its owner's struct. Every object that belongs to a loop is touched on the loop's thread only. */
struct tp_task {
    void (*run)(struct tp_task *task);
    struct tp_task *next; /* the loop's */
};

/* Starts the thread. NULL when it cannot; errno tells why. */
struct tp_loop *tp_loop_open(void);

/* Runs what was posted, stops and joins the thread, frees the base. All events must be gone. NULL is fine. */
void tp_loop_close(struct tp_loop *loop);

/* EVENT_BASE_FLAG_NOLOCK, no changelist: only for the loop's own thread. */
struct event_base *tp_loop_base(struct tp_loop *loop);

/* Runs the task on the loop's thread, soon; tasks of one thread keep their order. Any thread; never blocks or allocates. */
void tp_loop_post(struct tp_loop *loop, struct tp_task *task);

/* Whether the caller is the loop's thread. */
bool tp_loop_inside(const struct tp_loop *loop);

#endif
