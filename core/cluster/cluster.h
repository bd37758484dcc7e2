/*
 * The members of the cluster as this node sees them: who owns a key, and how to ask a peer. It knows the transport's
 * table and no sockets. The member list is published as an immutable view; readers take no lock (see epoch.h).
 */
#ifndef LDR_CLUSTER_CLUSTER_H
#define LDR_CLUSTER_CLUSTER_H

#include "core/base/log.h"
#include "core/cluster/ring.h"
#include "larder/plugin/transport.h"

#define LDR_REPLICAS_MAX 7

struct ldr_cluster;
struct ldr_peer; /* another member: its transport handle, breaker and counters; counted references */

struct ldr_cluster_options {
    const struct larder_runtime *runtime; /* must outlive the cluster, like all that follow */
    struct ldr_log *log;
    const char *self; /* this member's name; copied */
    bool gateway;     /* this node is no member and owns nothing */
    struct ldr_ring_settings ring;
    const struct larder_transport *transport; /* for calls to peers */
    void *transport_state;
    const char *transport_name; /* whose addresses of the members are used; copied */
    uint64_t peer_timeout_ms;   /* one attempt of a request that loads nothing */
    unsigned retries;           /* further attempts of what is safe to repeat */
    uint64_t backoff_ms;        /* before the first retry; doubles, with jitter of half */
    unsigned suspend_after;     /* failed calls in a row that suspend a peer */
    uint64_t suspend_ms;        /* how long, unless a probe succeeds before */
    uint64_t probe_ms;          /* interval of pings to each peer */
    unsigned replicas;          /* members that hold a key, 1 to LDR_REPLICAS_MAX */
    bool strict;                /* `write_acks: all`: see standing.h and docs/cluster.md */
    uint64_t fence_peer_ms;     /* how long answers of all others stand for the lease */
    uint64_t orphan_wait_ms;    /* after which a list is acted under that nobody can tie to the one before */
    uint64_t tombstone_ttl_ms;  /* how long deletes are remembered */
    uint64_t max_calls;         /* to one peer at a time; further ones are answered BUSY; 0: any number */
    uint64_t slow_limit_ms;     /* load timeout added to peer_timeout_ms for a GET that may load; see
                                   ldr_cluster_expect_loads() */
};

/* NULL with the reason in larder_last_error(). No member list yet: not ready. */
struct ldr_cluster *ldr_cluster_open(const struct ldr_cluster_options *options);

/*
 * Stops probes and retries; pending calls complete with UNAVAILABLE. Must be called before the transport is closed;
 * returns when no completion is running or will run any more, so not from within one, nor while a route is held that was
 * not given to ldr_cluster_call() yet. NULL is fine.
 */
void ldr_cluster_close(struct ldr_cluster *cluster);

/*
 * See struct larder_discovery_host.members. Peers that stay, under the same address, keep their handle and breaker. Waits
 * until nobody reads the former list, which takes as long as the longest epoch section: not from within one.
 */
enum larder_status ldr_cluster_set_members(struct ldr_cluster *cluster, uint64_t epoch,
                                           const struct larder_member *members, size_t count);

/* What the cluster has to tell; on any thread. Set once, before the first list. */
struct ldr_cluster_events {
    void *arg;
    /*
     * A new list is in use. It returns when nothing that was begun under an older one will be joined any more, and what has
     * outlived newer copies is gone. Under the cluster's list_lock.
     */
    void (*listed)(void *arg);
    /* Others may have acted without this node: what it stores must go, before it acts. */
    void (*outdated)(void *arg);
    /* There may be copies to hand over: a peer is new, came back or is behind, or this node may act now. */
    void (*wake)(void *arg);
};
void ldr_cluster_listen(struct ldr_cluster *cluster, const struct ldr_cluster_events *events);

/* From discovery; see struct larder_discovery_host. */
void ldr_cluster_lease(struct ldr_cluster *cluster, uint64_t until);
void ldr_cluster_founded(struct ldr_cluster *cluster);

/* Now and then: for what no message of others brings about. */
void ldr_cluster_tick(struct ldr_cluster *cluster);

bool ldr_cluster_strict(const struct ldr_cluster *cluster);

/* Whether the first member list is there. */
bool ldr_cluster_ready(const struct ldr_cluster *cluster);

/* How this node sees the ring; goes with every request and reply between peers. */
struct larder_ring_view ldr_cluster_ring(const struct ldr_cluster *cluster);

/* A group whose loads take up to `load_timeout_ms` was made: gets may take that long, too. Any thread. */
void ldr_cluster_expect_loads(struct ldr_cluster *cluster, uint64_t load_timeout_ms);

/* Where a key goes. */
struct ldr_route {
    struct ldr_peer *peer; /* a counted reference to be given to ldr_cluster_call(); NULL: this node answers itself */
    bool owner;            /* false: whoever answers only stands in for an owner that is suspended */
};

/*
 * The owner of the key, or while it is suspended the next member in ring order that is not: this node itself at the
 * latest (a gateway then gets the owner all the same). Takes no lock.
 */
struct ldr_route ldr_cluster_route(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key);

/* Gives a reference back that is not wanted for a call. NULL is fine. */
void ldr_peer_release(struct ldr_peer *peer);
void ldr_peer_hold(struct ldr_peer *peer);
bool ldr_peer_is_up(const struct ldr_peer *peer); /* not suspended */
/* A peer that is there answers something in this time, as it is pinged; and whether it has, in the last so many ms. */
uint64_t ldr_cluster_patience_ms(const struct ldr_cluster *cluster);
bool ldr_peer_is_there(struct ldr_peer *peer);
const char *ldr_peer_name(const struct ldr_peer *peer);

/* Where the copies of a key lie, by one list, and what is known of them. */
struct ldr_placement {
    uint64_t digest, epoch;
    uint64_t serial; /* of the list; 0: none yet */
    unsigned count;  /* members that hold the key, the owner first */
    unsigned self;   /* which of them this node is; count: none */
    bool same;       /* all of them held it, or had been given it, before this list: it was caught up and complete */
    bool was_mine;   /* `same` or not, this node held it then */
    struct ldr_peer *peers[LDR_REPLICAS_MAX]; /* counted references; NULL: this node */
};
void ldr_cluster_place(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key,
                       struct ldr_placement *placement);
void ldr_placement_release(struct ldr_placement *placement);

/* The list in use: this node's count of lists, from 1; 0: none yet. Whether its epochs are the same at all members. */
uint64_t ldr_cluster_serial(struct ldr_cluster *cluster);
bool ldr_cluster_registered(struct ldr_cluster *cluster);

/*
 * Whether this node may act under the list just now; checked when answering, never ahead. Strict: all members have said that
 * they have it, and the lease, or answers of all others, say that nobody has a later one. Else always.
 */
bool ldr_cluster_acts(struct ldr_cluster *cluster, uint64_t serial);

/* What a peer is wanted for. */
enum ldr_part { LDR_TO_WRITE, LDR_TO_GET, LDR_TO_STAND_IN };

/*
 * Strict: whether the peer has said that it may act under the list of this epoch, or, to stand in for an owner, that it has been
 * given everything under it; and has said so since, or for a get answered anything.
 */
bool ldr_cluster_peer_acts(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t epoch, uint64_t since,
                           enum ldr_part part);

/* Strict: whether all members have said that they may act under the list in use, and this node may, if it is one. */
bool ldr_cluster_is_sealed_by_all(struct ldr_cluster *cluster);

/*
 * Strict: the list was sealed less than twice peer_timeout ago, or came less than that ago and is not yet; who may answer will be
 * known in a moment: others may seal it when this node has.
 */
bool ldr_cluster_is_changing(struct ldr_cluster *cluster);

/* Whether all others have given this node what it is to hold, under this list. */
bool ldr_cluster_caught_up(struct ldr_cluster *cluster, uint64_t serial);
/* Whether somebody who is there has not done so yet; strict: or is not there. */
bool ldr_cluster_is_owed(struct ldr_cluster *cluster);
bool ldr_cluster_done_by(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t serial);

/* All other members, with references; how many there are, which may be more than `capacity`. */
size_t ldr_cluster_others(struct ldr_cluster *cluster, struct ldr_peer **peers, size_t capacity, uint64_t *serial);

/*
 * Those that may have a copy of a key, the likeliest first, with references; at most `wanted`. `moved`: of one that moved here: also
 * the next member on the ring, and none that has given this node everything.
 */
size_t ldr_cluster_holders(struct ldr_cluster *cluster, uint64_t digest, bool moved, struct ldr_peer **peers,
                           size_t wanted);

/*
 * The hand-off to a peer. wants_pass(): it does not have all that this node has for it, and is up; *boot tells its process,
 * *full that it may lack what it held before this list.
 * passed(): it has, since wants_pass(), unless behind() was called meanwhile. is_complete(): everybody has.
 */
bool ldr_cluster_wants_pass(struct ldr_cluster *cluster, struct ldr_peer *peer, uint64_t serial, uint64_t *boot,
                            bool *full);
void ldr_cluster_passed(struct ldr_cluster *cluster, struct ldr_peer *peer, uint64_t serial, uint64_t boot);
void ldr_cluster_behind(struct ldr_cluster *cluster, struct ldr_peer *peer);
void ldr_cluster_behind_quietly(struct ldr_cluster *cluster, struct ldr_peer *peer); /* without waking anybody */
void ldr_cluster_pass_again(struct ldr_cluster *cluster); /* what moved with this list may have come since */
bool ldr_cluster_is_complete(struct ldr_cluster *cluster, uint64_t serial);
bool ldr_cluster_may_pass(struct ldr_cluster *cluster, uint64_t serial); /* strict: once the list is sealed */

/*
 * Whether a copy here is older than what all others that held the key under some list since may have had: they are gone, and
 * with them what was newer. While `listed` is called.
 */
bool ldr_cluster_outlived(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key,
                          struct larder_version version);
bool ldr_cluster_has_past(const struct ldr_cluster *cluster);

/* The epoch of versions: the list's, or 0 where each node counts lists for itself. */
uint64_t ldr_cluster_version_epoch(struct ldr_cluster *cluster);

/* The peer's clock as it told it last, and how long ago that was, in ns. False: it has not. */
bool ldr_cluster_stamp(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t *stamp, uint64_t *age);

/* A peer's answer to a request said more than what was asked: its clock, and its list. */
void ldr_cluster_heard(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_reply *reply);

/* Answers a ping: *reply gets the cluster's part, with memory of its own. */
void ldr_cluster_greet(struct ldr_cluster *cluster, const struct larder_request *request, struct larder_reply *reply);

/*
 * A member that leaves, and has handed everything over: whether whoever might ask it knows that it leaves, and (strict) somebody
 * stays who can tie the next list to this one.
 */
bool ldr_cluster_may_go(struct ldr_cluster *cluster);

/* Whether no other member of the list in use stays: what only this one has goes with it. */
bool ldr_cluster_is_last(struct ldr_cluster *cluster);

/* Whether the list in use says that this node leaves. */
bool ldr_cluster_is_leaving(struct ldr_cluster *cluster);

/*
 * Calls a peer and completes with its reply, after at most 1 + retries attempts, as safe: GET, PING, unconditional
 * SET, DELETE and TOUCH, and anything that was not sent. Adds sender and ring view to the request. `request` stays valid
 * until the completion, which is called by the request's deadline. A failed call (UNAVAILABLE, or DEADLINE of an attempt's own
 * limit) counts against the peer; NOT_FOUND, BUSY, errors of the origin and a caller's deadline do not. Takes the reference.
 * BUSY with LARDER_REPLY_NOT_SENT: this node has as many calls to the peer under way as it may have.
 *
 * UNAVAILABLE means that the peer failed while the caller still has time: so also an attempt's own limit is told, and a peer
 * that is suspended during a backoff. LARDER_REPLY_NOT_SENT is set when no attempt can have reached the peer. A request
 * that came from a peer is never forwarded: it is answered INVALID and counted in `forwarded_refused`.
 */
void ldr_cluster_call(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_request *request,
                      larder_reply_fn done, void *arg);

/* The same with one attempt, and at most peer_timeout: for what the caller itself tries again, or can do without. */
void ldr_cluster_call_once(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_request *request,
                           larder_reply_fn done, void *arg);

/*
 * Calls every other member once (with the same attempts). `each` is called for each with the member's name, then `all`
 * once; with no other member `all` is called at once. `request` stays valid until `all`. The calls of `each` come one at a
 * time, on any threads, some of them before ldr_cluster_call_all() returns.
 */
struct ldr_fanout {
    void (*each)(struct ldr_fanout *fanout, const char *member,
                 struct larder_reply *reply); /* must release the reply */
    void (*all)(struct ldr_fanout *fanout);
};
void ldr_cluster_call_all(struct ldr_cluster *cluster, const struct larder_request *request, struct ldr_fanout *fanout);

/* The same for some members, given as the sum of their bits; for want of bits a set may have others in it, too. */
void ldr_cluster_call_some(struct ldr_cluster *cluster, uint64_t members, const struct larder_request *request,
                           struct ldr_fanout *fanout);
uint64_t ldr_cluster_member_bit(struct larder_slice name);

/* Whether the list has a member of that name: a gateway is none. */
bool ldr_cluster_is_member(const struct ldr_cluster *cluster, struct larder_slice name);

/* Whether this node is the owner of the key, the first on the ring: not one that acts for it. */
bool ldr_cluster_owns(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key);

/* The name of a key's owner, whether it is up or not; "" while there is no list. `name` has room for it and a NUL. */
void ldr_cluster_owner(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key, char *name);

/*
 * Looks at a request that came from a peer. LARDER_OK: serve it, also when its sender sees the ring differently (counted in
 * `ring_mismatches`). LARDER_REFUSED with larder_last_error() "ring settings differ: ..." when the settings differ. A ping
 * or request of a suspended peer re-admits nobody: only an answer of its own does.
 */
enum larder_status ldr_cluster_accept(struct ldr_cluster *cluster, const struct larder_request *request);

/* One member, for documents. Strings are valid during the callback. */
struct ldr_member_info {
    const char *name;
    const char *address; /* on the peer transport; "" when it has none */
    const char *zone;    /* "": none */
    uint64_t incarnation;
    bool leaving;
    uint32_t weight;
    double share;
    bool self;
    const char *state;  /* "self", "up", "suspended", "refused", "unknown" (never answered) */
    const char *reason; /* of the last failure; "" when up */
    bool agrees;        /* its last answer carried this node's ring checksum */
    uint64_t requests, failures;
};
void ldr_cluster_members(struct ldr_cluster *cluster, void (*each)(void *arg, const struct ldr_member_info *info),
                         void *arg);

struct ldr_cluster_stats {
    uint64_t peer_requests;     /* attempts sent to peers for requests, pings and exchanges not counted */
    uint64_t peer_exchanges;    /* messages about copies: replicated, offered, pushed, asked for */
    uint64_t peer_probes;       /* pings */
    uint64_t peer_failures;     /* attempts that failed, pings not counted */
    uint64_t peer_retries;      /* attempts after the first of a call */
    uint64_t peer_suspended;    /* gauge: suspended now */
    uint64_t ring_mismatches;   /* requests from peers that saw another ring */
    uint64_t forwarded_refused; /* requests from peers that were about to be forwarded again, and were not */
    uint64_t members;           /* gauge */
    uint64_t calls_refused;     /* calls answered BUSY here, as too many to the peer were under way */
};
void ldr_cluster_stats(struct ldr_cluster *cluster, struct ldr_cluster_stats *stats);

/* The settings as text, "hash=xxhash seed=0 virtual_nodes=256", for messages. Valid as long as the cluster. */
const char *ldr_cluster_settings_text(const struct ldr_cluster *cluster);

#endif
