/*
 * The one form of every request and every reply.
 *
 * Every door (the embedding API, a transport, a peer) translates what it received into a `struct larder_request`, hands
 * it to the node, and translates the `struct larder_reply` it is given back. Neither struct knows of wires or sockets.
 */
#ifndef LARDER_PLUGIN_REQUEST_H
#define LARDER_PLUGIN_REQUEST_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_KEY_MAX   65535 /* bytes; a key has at least 1 */
#define LARDER_GROUP_MAX 255   /* bytes of a group's name; 1 to 255 of [A-Za-z0-9._-] */

/* The numbers travel between nodes: they are only ever appended. */
enum larder_operation {
    LARDER_OP_GET = 1,    /* group, key                -> value, version, ttl_ms */
    LARDER_OP_SET = 2,    /* group, key, value, ttl_ms -> version, created */
    LARDER_OP_DELETE = 3, /* group, key                -> OK or NOT_FOUND */
    LARDER_OP_TOUCH = 4,  /* group, key, ttl_ms        -> OK or NOT_FOUND, version */
    LARDER_OP_PING = 5,   /* between peers: answers with epoch and checksum of the ring */
    /* Administration. Documents in `value` are JSON in UTF-8, both ways. */
    LARDER_OP_GROUP_LIST = 10,  /*                           -> document */
    LARDER_OP_GROUP_GET = 11,   /* group                     -> document: its settings */
    LARDER_OP_GROUP_PUT = 12,   /* group, value: settings    -> created or changed, on every member */
    LARDER_OP_GROUP_DROP = 13,  /* group                     -> on every member */
    LARDER_OP_GROUP_CLEAR = 14, /* group                    -> on every member */
    LARDER_OP_GROUP_STATS = 15, /* group                    -> document; of the cluster with LARDER_REQUEST_CLUSTER */
    LARDER_OP_STATS = 16,       /*                           -> document: this node and all its groups */
    LARDER_OP_CLUSTER = 17,     /*                           -> document: members, shares, epoch */
    LARDER_OP_METRICS = 18,     /*                           -> text in Prometheus' exposition format 0.0.4 */
    LARDER_OP_HEALTH = 19,      /*                           -> OK while the process serves */
    LARDER_OP_READY = 20,       /*                           -> OK when the node answers for keys, else UNAVAILABLE */
    LARDER_OP_EXCHANGE = 21,    /* between peers: copies on their way; what it asks is told in `cluster` */
    LARDER_OP_LEAVE = 22,       /*                           -> OK once this node hands its keys over, to go then */
    LARDER_OP_TOP = 24,         /* group (empty: all), value: {"count": 20} -> document: the keys asked for most; of the
                                   cluster with LARDER_REQUEST_CLUSTER */
    LARDER_OP_FORGET = 25       /* between peers: group, key -> OK once the receiver's near copy is gone */
};

enum larder_request_flags {
    LARDER_REQUEST_PEER = 1u << 0,       /* came from a peer: never forwarded again */
    LARDER_REQUEST_IF_ABSENT = 1u << 1,  /* SET: only when the key is not there */
    LARDER_REQUEST_IF_PRESENT = 1u << 2, /* SET, DELETE: only when it is */
    LARDER_REQUEST_IF_VERSION = 1u << 3, /* SET, DELETE: only when it has `version` */
    LARDER_REQUEST_CLUSTER = 1u << 4,    /* GROUP_STATS, TOP: summed over all members */
    LARDER_REQUEST_NEAR = 1u << 5        /* GET between peers: the sender keeps the answer for at most `ttl_ms` */
};

/* All of them. What narrows a request must not be dropped: whoever meets another refuses it. */
#define LARDER_REQUEST_FLAGS                                                                                           \
    ((uint32_t)(LARDER_REQUEST_PEER | LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT |                           \
                LARDER_REQUEST_IF_VERSION | LARDER_REQUEST_CLUSTER | LARDER_REQUEST_NEAR))

/* Whether a number that came from a peer is an operation. */
static inline bool larder_operation_known(uint32_t operation)
{
    return (operation >= LARDER_OP_GET && operation <= LARDER_OP_PING) ||
           (operation >= LARDER_OP_GROUP_LIST && operation <= LARDER_OP_LEAVE) || operation == LARDER_OP_TOP ||
           operation == LARDER_OP_FORGET;
}

/* ttl_ms of a request. */
#define LARDER_TTL_DEFAULT INT64_C(0)             /* what the group says */
#define LARDER_TTL_NONE    INT64_C(-1)            /* never expires */
#define LARDER_TTL_MAX     INT64_C(3155760000000) /* a hundred years, in ms: the most that can be asked for */

/* Orders all writes of a key: newer epoch first, then newer clock. Both 0: no version. */
struct larder_version {
    uint64_t epoch; /* of the member list under which the owner wrote */
    /*
     * Hybrid logical clock: milliseconds since 1970, shifted left by 16, and below them a counter. In a cluster the counter has the
     * upper 8 of these bits, and the lowest 8 are a mark of the member that wrote.
     */
    uint64_t clock;
};

/* How the sender of a request between peers sees the ring; all zero when the request came from a client. */
struct larder_ring_view {
    uint64_t epoch;    /* of its member list */
    uint64_t checksum; /* of its ring: members, weights and settings */
    uint64_t settings; /* digest of hash, seed and virtual nodes: different settings refuse each other */
};

/*
 * Owner: whoever built it. The struct and all bytes it points at stay valid and unchanged until the completion has been
 * called, and are not looked at afterwards.
 */
struct larder_request {
    enum larder_operation operation;
    uint32_t flags; /* enum larder_request_flags */
    struct larder_slice group;
    struct larder_slice key;
    struct larder_slice value;
    int64_t ttl_ms;                /* > 0: milliseconds; or LARDER_TTL_DEFAULT, LARDER_TTL_NONE */
    struct larder_version version; /* with LARDER_REQUEST_IF_VERSION: the one expected */
    uint64_t deadline;             /* a point of the runtime's clock; LARDER_NEVER: the host's own limits apply */
    struct larder_slice sender;    /* with LARDER_REQUEST_PEER: the member's name */
    struct larder_ring_view ring;  /* with LARDER_REQUEST_PEER */
    struct larder_slice cluster;   /* between peers: what the cluster's protocol adds; transports carry it unread */
};

/* Where an answer came from. */
enum larder_source {
    LARDER_SOURCE_NONE = 0,
    LARDER_SOURCE_LOCAL = 1,
    LARDER_SOURCE_NEAR = 2,
    LARDER_SOURCE_PEER = 3,
    LARDER_SOURCE_REPLICA = 4,
    LARDER_SOURCE_LOADER = 5
};

/* "local", "near", "peer", "replica", "loader"; "none" for 0 and for numbers out of range. */
static inline const char *larder_source_name(enum larder_source source)
{
    switch (source) {
    case LARDER_SOURCE_LOCAL: return "local";
    case LARDER_SOURCE_NEAR: return "near";
    case LARDER_SOURCE_PEER: return "peer";
    case LARDER_SOURCE_REPLICA: return "replica";
    case LARDER_SOURCE_LOADER: return "loader";
    case LARDER_SOURCE_NONE: break;
    }
    return "none";
}

enum larder_reply_flags {
    LARDER_REPLY_CREATED = 1u << 0, /* SET: the key was not there; GROUP_PUT: the group is new */
    LARDER_REPLY_NOT_SENT =
        1u << 1,                 /* from a transport's call(): the peer cannot have seen the request; safe to repeat */
    LARDER_REPLY_OWNER = 1u << 2 /* GET with LARDER_REQUEST_NEAR: what the owner of the key itself has, or has not */
};

/* Those that travel between nodes. */
#define LARDER_REPLY_FLAGS ((uint32_t)(LARDER_REPLY_CREATED | LARDER_REPLY_OWNER))

/*
 * A reply belongs to the completion that receives it: it releases it exactly once, with the function in the reply, at
 * once or later, on any thread. Until then `value` stays valid, whatever is evicted or deleted meanwhile. `message` is
 * valid during the completion only.
 */
struct larder_reply {
    enum larder_status status;
    enum larder_source source;
    uint32_t flags; /* enum larder_reply_flags */
    struct larder_slice value;
    /*
     * GET: what remains, at least 1; LARDER_TTL_NONE: never expires; 0: stale, answered past its time. Of a NOT_FOUND: how long
     * it is remembered; 0: it is not.
     */
    int64_t ttl_ms;
    struct larder_version version;
    struct larder_ring_view ring; /* of the peer that answered, on replies to peers */
    struct larder_slice cluster;  /* between peers: see the request's; valid as long as `value` */
    struct larder_slice message;  /* why it failed, for people; empty: larder_status_text(status) */
    void (*release)(void *pin);   /* NULL: nothing to release */
    void *pin;
};

static inline void larder_reply_release(struct larder_reply *reply)
{
    if (reply->release != NULL)
        reply->release(reply->pin);
    reply->release = NULL;
}

/*
 * A completion: called exactly once for each request, inline or later, on any thread. It must not block. `reply` itself
 * is gone when the completion returns; copy the struct to keep the value pinned for longer.
 */
typedef void (*larder_reply_fn)(void *arg, struct larder_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
