/*
 * Another member, as long as anybody refers to it: views, routes, calls and its own pings. It belongs to the list
 * cluster->peers; the reaper closes its handle and frees it once the last reference is gone.
 */
#ifndef LDR_CLUSTER_PEER_H
#define LDR_CLUSTER_PEER_H

#include "core/cluster/gate.h"
#include "core/cluster/standing.h"
#include "core/cluster/state.h"

struct ldr_call;

#define LDR_REASON_MAX 320

/* Pings to one peer, one at a time. */
struct ldr_probe {
    struct larder_timer timer;
    struct larder_request request;
    bool waiting; /* the timer is running; under the peer's lock, as the next two */
    bool stopped; /* no further ping */
    bool urgent;  /* the next one comes at once */
    unsigned char header[LDR_HEADER_SIZE];
    struct ldr_buffer cluster; /* of the request under way, when a list goes with it */
    uint64_t asked;
    uint64_t at;            /* when the timer fires */
    unsigned disagreements; /* accepted pings in a row that told of another ring; only the ping under way touches it */
};

struct ldr_peer {
    struct ldr_cluster *cluster;
    struct ldr_peer *next; /* in cluster->peers */
    atomic_size_t references;
    char name[LARDER_MEMBER_NAME_MAX + 1];
    void *handle;         /* the transport's; NULL: no usable address, see `reason` */
    struct ldr_gate gate; /* around calls into the handle */
    _Atomic uint64_t requests, failures;
    _Atomic uint64_t calls; /* under way, between two attempts too */
    atomic_bool answered, agrees;
    struct ldr_standing standing; /* under cluster->standing_lock */

    pthread_mutex_t lock; /* all below */
    struct ldr_breaker breaker;
    char reason[LDR_REASON_MAX]; /* of the last failure */
    struct ldr_call *waiting;    /* calls between two attempts */
    bool closed;                 /* the cluster is closing: no retry, no ping */
    struct ldr_probe probe;
};

/* With one reference, for the view. NULL when out of memory; a bad address gives a peer that cannot be reached. */
struct ldr_peer *ldr_peer_open(struct ldr_cluster *cluster, const char *name, const char *address);

/* Closing, step one: no ping and no retry begins any more, and calls in the transport come back. */
void ldr_peer_close(struct ldr_peer *peer);

/* Step two, without references: closes the handle if that was not done, frees the peer. */
void ldr_peer_free(struct ldr_peer *peer);

/* Hands a request to the transport; `done` is called exactly once, with UNAVAILABLE when that is not possible. */
void ldr_peer_send(struct ldr_peer *peer, const struct larder_request *request, larder_reply_fn done, void *arg);

/* What a reply says about the peer. */
enum ldr_outcome {
    LDR_ANSWERED, /* an answer of its own, whatever it is */
    LDR_FAILED,   /* it could not be reached, broke off, or let an attempt's own limit pass */
    LDR_REFUSED,  /* it refuses this node */
    LDR_UNTOLD    /* nothing: the caller's own deadline passed, or the request was not sent for a reason of this side */
};

/*
 * Judges a reply, and has the breaker, the log and the calls that wait follow. `own_limit`: the deadline of the
 * attempt was not the caller's.
 */
enum ldr_outcome ldr_peer_judge(struct ldr_peer *peer, const struct larder_reply *reply, bool own_limit, bool ping);

/* Why a reply is no answer: its message, or the text of its status. */
struct larder_slice ldr_reply_reason(const struct larder_reply *reply);

/* Begins to ping. Once, for a peer of the published view. */
void ldr_probe_start(struct ldr_peer *peer);
/* With the peer's lock held: the breaker has opened, and the next ping comes no later than the suspension ends. */
void ldr_probe_hurry(struct ldr_peer *peer);
/* The next ping comes at once: there is something to tell. */
void ldr_probe_now(struct ldr_peer *peer);
/* No ping begins any more; one that is under way ends by itself. */
void ldr_probe_stop(struct ldr_peer *peer);

/* Ends the waiting of all calls that wait between two attempts: the peer is suspended, or the cluster closes. */
void ldr_call_give_up_waiting(struct ldr_peer *peer);

/* ms as nanoseconds, at most what the clock can hold. */
static inline uint64_t ldr_ns(uint64_t ms)
{
    return ms >= LARDER_NEVER / LARDER_NS_PER_MS ? LARDER_NEVER / 2 : ms * LARDER_NS_PER_MS;
}

#endif
