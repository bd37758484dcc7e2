/*
 * Connecting without blocking. A dialler knows a place and what its name stands for; a dial is one attempt to get there.
 * Both lie inside their owners' structs and are touched on the loop's thread only.
 */
#ifndef TRANSPORT_COMMON_DIAL_H
#define TRANSPORT_COMMON_DIAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "address.h"
#include "loop.h"

#include "larder/plugin/runtime.h"

struct tp_dial;
TAILQ_HEAD(tp_dials, tp_dial);

struct tp_dialler {
    struct tp_loop *loop;
    const struct larder_runtime *runtime; /* its workers look up names */
    const struct tp_address *address;
    uint64_t timeout_ms;           /* of a dial, counted from when the name is known */
    struct tp_addresses addresses; /* count 0: to be looked up */
    bool looking_up;
    struct tp_dials waiting;         /* for the name */
    struct larder_task resolve_task; /* on a worker */
    struct tp_task resolved_task;    /* on its way back */
    struct tp_addresses found;       /* the worker's result */
    int error;                       /* of getaddrinfo() */
    void (*closed)(struct tp_dialler *dialler);
};

struct tp_dial {
    struct tp_dialler *dialler;
    /* `fd` is a socket with TCP_NODELAY that is the callee's now; or -1, and `reason` tells why in one line. */
    void (*done)(struct tp_dial *dial, int fd, const char *reason);
    TAILQ_ENTRY(tp_dial) link; /* among those that wait for the name */
    bool waits;
    int fd; /* -1: none yet */
    struct event event;
    size_t address;      /* the one that is tried */
    uint64_t connect_by; /* point of the runtime's clock */
    int error;           /* of the beginning, 0: none */
    const char *no_name; /* why the name cannot be looked up */
};

void tp_dialler_open(struct tp_dialler *dialler, struct tp_loop *loop, const struct larder_runtime *runtime,
                     const struct tp_address *address, uint64_t timeout_ms);

/* Calls closed() when no worker looks at the dialler any more: possibly before it returns. No dial is under way. */
void tp_dialler_close(struct tp_dialler *dialler, void (*closed)(struct tp_dialler *dialler));

/* Calls done() once, from the loop, and never before it returns. */
void tp_dial_start(struct tp_dial *dial, struct tp_dialler *dialler,
                   void (*done)(struct tp_dial *dial, int fd, const char *reason));

/* done() will not be called any more. Once it has been, this does nothing. */
void tp_dial_cancel(struct tp_dial *dial);

#endif
