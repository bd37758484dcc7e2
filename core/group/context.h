/* What all groups of one node share, and the small things every operation needs: versions, times to live, answers. */
#ifndef LDR_GROUP_CONTEXT_H
#define LDR_GROUP_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/log.h"
#include "core/base/tally.h"
#include "core/cluster/cluster.h"
#include "larder/plugin/loader.h"

struct ldr_flights;
struct ldr_hot;
struct ldr_holders;
struct ldr_handoff;
struct ldr_seen;
struct ldr_strict_ask;
struct ldr_near_telling;

/* Requests of strict groups that wait for their next try; see strict_ask.h. */
struct ldr_strict_wait {
    pthread_mutex_t lock;
    struct ldr_strict_ask *first;
    bool aborted;
};

/* Strict: writes that wait for near copies to end; see near_owner.c. */
struct ldr_near_wait {
    pthread_mutex_t lock;
    struct ldr_near_telling *first;
    bool aborted;
};

/* Owned by the node; all members up to `waiting` are fixed while groups live. */
struct ldr_context {
    const struct larder_runtime *runtime;
    struct ldr_log *log;
    const struct larder_host *host; /* for loader modules */
    struct ldr_cluster *cluster;    /* NULL: this node is alone */
    struct ldr_flights *flights;
    struct ldr_hot *hot;         /* NULL: hot keys are not looked for */
    struct ldr_holders *holders; /* NULL: no near copies are known of */
    struct ldr_handoff *handoff; /* NULL: this node is alone, or a gateway */
    unsigned replicas;           /* 1 without a cluster */
    unsigned sends_most;         /* requests to peers for one of a client */
    struct ldr_seen *seen;       /* strict: numbers of writes; else NULL */
    uint64_t request_timeout_ms, peer_timeout_ms, tombstone_ttl_ms;
    uint64_t kept_past;       /* strict, in ns: how long entries stay at least that are past their time; else 0 */
    uint64_t fallback_ttl_ms; /* most time to live of what is stored for an owner that cannot be reached */
    /* The lowest 8 bits of clocks drawn in a cluster: versions of two members that write a key in the same moment nearly always differ. */
    uint8_t clock_mark;
    struct ldr_strict_wait strict;
    struct ldr_near_wait near;
    struct ldr_tally waiting; /* callers that wait for a flight, or for a peer that was told to write */
    _Atomic uint64_t max_waiting, busy_refused; /* see limits.h */
    _Atomic uint64_t clock;                     /* the last hybrid logical clock handed out, or seen at others */
    _Atomic uint64_t replicating, handoff_received;
};

/* A version newer than every one this node has handed out. Any thread. */
struct larder_version ldr_context_version(struct ldr_context *context);

/* Versions handed out from now on are newer than this one, under the same list. */
void ldr_context_observe(struct ldr_context *context, struct larder_version version);

/* The point of time at which an entry written now expires; `ttl_ms` > 0 or LARDER_TTL_NONE. */
uint64_t ldr_context_expires(const struct ldr_context *context, int64_t ttl_ms);

/* The other way round: what remains, at least 1, or LARDER_TTL_NONE. */
int64_t ldr_context_remaining(uint64_t expires, uint64_t now);

/*
 * Gives an answer: adds how this node sees the ring and calls the completion, which owns the reply from then on.
 */
void ldr_answer(const struct ldr_context *context, struct larder_reply *reply, larder_reply_fn done, void *arg);

/* An answer of a status alone. The message, which may be NULL, is only read during the call. */
void ldr_answer_status(const struct ldr_context *context, enum larder_status status, const char *message,
                       larder_reply_fn done, void *arg);

#endif
