/*
 * The inside of a client, for those that add a protocol to it.
 *
 *   tp_client  owns its peers
 *     tp_peer    an address, and one lane for each loop that carries connections to it
 *       tp_lane    what is done on one loop: calls that wait, to which the protocol adds its connections
 *         tp_call    one request and its completion
 *
 * A lane and all below it are touched on its loop's thread only. Whatever happens there ends in tp_lane_leave(), which has
 * the protocol give waiting calls to connections and only then runs completions: a completion may call again, and finds
 * everything in order.
 */
#ifndef TRANSPORT_COMMON_LANE_H
#define TRANSPORT_COMMON_LANE_H

#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "client.h"
#include "dial.h"

struct tp_lane;

struct tp_call {
    struct tp_task task;  /* on its way to a lane of another thread */
    struct tp_call *next; /* in the lane's pool */
    const struct tp_client_protocol *protocol;
    struct tp_lane *lane;
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
    TAILQ_ENTRY(tp_call) place;         /* among those that wait, or in a list of the protocol */
    TAILQ_ENTRY(tp_call) finished_link; /* among those whose completion is to be called */
    unsigned holders;                   /* of these two lists */
    bool waiting;                       /* it is not given to a connection yet */
    bool answered;                      /* `reply` is set */
    uint64_t number;                    /* counts the lane's calls */
    struct event timer;                 /* its deadline */
    struct larder_reply reply;
    void *body;         /* what `reply` points into, freed after the completion; NULL: nothing */
    bool lent;          /* `reply` points into the call itself, which is kept until it is released */
    atomic_bool let_go; /* then: by one of lane and reply; the second one ends it */
};
TAILQ_HEAD(tp_calls, tp_call);

/* What a protocol adds. Its structs begin with those of this file. */
struct tp_client_protocol {
    size_t client_size, lane_size, call_size; /* of its own structs */
    size_t call_cleared;                      /* of those of call_size: what is zeroed for every call */
    /* Sets up what it adds to a lane, which is zeroed. Any thread; nothing is connected yet. */
    void (*open)(struct tp_lane *lane);
    /* Gives calls that wait to connections, and makes connections. */
    void (*dispatch)(struct tp_lane *lane);
    /* The call's deadline has passed while a connection had it; its completion is queued. */
    void (*expired)(struct tp_call *call);
    /* Ends all connections, and stops all timers. */
    void (*close)(struct tp_lane *lane);
    /* Frees what the protocol has allocated for a call. Any thread. May be left out. */
    void (*forget)(struct tp_call *call);
    /* The lane that should take a call made on the loop of this one; NULL: this one. May be left out. */
    struct tp_lane *(*other)(struct tp_lane *lane);
};

struct tp_lane {
    struct tp_peer *peer;
    struct tp_loop *loop;
    unsigned number; /* of this lane among the peer's */
    struct tp_task close_task;
    struct tp_calls waiting, finished;
    size_t waiting_count;
    uint64_t calls;      /* ever taken */
    atomic_uint carried; /* calls that are not answered; read by other lanes, written on the loop's thread */
    atomic_uint coming;  /* calls that other lanes have sent on their way here */
    struct tp_call *pool;
    unsigned pooled;
    bool leaving; /* completions are being run further up the stack */
    bool closed;
    struct tp_dialler dialler;
};

struct tp_peer {
    struct tp_client *client;
    TAILQ_ENTRY(tp_peer) link; /* among the open peers; guarded by the client's lock */
    struct tp_address address;
    atomic_uint turn;    /* spreads calls from outside over the lanes */
    atomic_uint holders; /* the lanes that are open, and calls on their way from one to another */
    unsigned lane_count;
    struct tp_lane *lanes[];
};
TAILQ_HEAD(tp_peers, tp_peer);

struct tp_client {
    const struct tp_client_protocol *protocol;
    struct tp_client_options options;
    const struct larder_runtime *runtime;
    unsigned lane_count;  /* of every peer: one for each loop, unless the protocol wants fewer */
    pthread_mutex_t lock; /* guards the following; no other lock is taken and nothing is called under it */
    pthread_cond_t gone;  /* a peer was freed */
    struct tp_peers peers;
    size_t peer_count; /* open or still closing */
};

/* client.c */

/* Of protocol->client_size bytes. NULL: out of memory, host->fail() was called. */
struct tp_client *tp_client_open(const struct tp_client_options *options, const struct tp_client_protocol *protocol);

/* lane.c */

/* Ends whatever happened on the loop's thread. */
void tp_lane_leave(struct tp_lane *lane);
/* The calls that the lane has, or will have. Any thread: it may have changed already. */
unsigned tp_lane_calls(const struct tp_lane *lane);
/* Takes the first of the calls that wait, which are not none. */
struct tp_call *tp_lane_next(struct tp_lane *lane);
/* Fails the calls that wait, up to this number, with LARDER_REPLY_NOT_SENT; `reason` without the peer. */
void tp_lane_fail_waiting(struct tp_lane *lane, uint64_t number, enum larder_status status, const char *reason);

/* call.c */

/* Queues the completion of a call whose reply is set. */
void tp_call_finish(struct tp_call *call);
/* Sets the reply of a call that failed and queues its completion. */
void tp_call_fail(struct tp_call *call, enum larder_status status, uint32_t flags, const char *text);
/* The reply, which is set, points into the call: it is kept until the reply is released, on whatever thread. */
void tp_call_lend(struct tp_call *call);
/* One of the lists lets go of the call. */
void tp_call_release(struct tp_call *call);

#endif
