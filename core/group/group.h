/*
 * A named cache: its store, its loader, its limits and its counters, and the operations on its keys.
 *
 * An operation decides whether this node answers or the key's owner is asked, and completes exactly once, by the
 * request's deadline.
 */
#ifndef LDR_GROUP_GROUP_H
#define LDR_GROUP_GROUP_H

#include <pthread.h>

#include "core/base/count.h"
#include "core/base/epoch.h"
#include "core/base/histogram.h"
#include "core/base/lanes.h"
#include "core/group/context.h"
#include "core/store/store.h"
#include "larder/larder.h"

struct ldr_flight;
struct ldr_near;

struct ldr_group_options {
    struct larder_slice name;
    bool transit; /* a gateway's: no store, everything goes to the cluster */
    uint64_t max_bytes, max_value;
    uint64_t max_entries;    /* 0: no limit */
    int64_t ttl_ms;          /* > 0 or LARDER_TTL_NONE */
    int64_t negative_ttl_ms; /* 0: "not found" is not remembered */
    uint64_t load_timeout_ms;
    uint64_t near_bytes; /* 0: no near copies */
    int64_t near_ttl_ms;
    int64_t stale_while_revalidate_ms, stale_if_error_ms; /* 0: not at all */
    uint64_t
        refresh_permille; /* of a load's time: the scale of the time by which ripe values are loaded anew; 0: they are not */
    uint64_t max_loads;
    const struct larder_eviction *eviction;
    const struct larder_param_value *eviction_params;
    bool exact_hits;
    const struct larder_loader *loader; /* NULL: none */
    const struct larder_param_value *loader_params;
};

struct ldr_group_counters {
    _Atomic uint64_t peer_hits, peer_misses, loads, loads_deduplicated, load_errors, refreshes, sets, deletes;
};

/* What every get counts, in lanes; and the number of the next get that is looked at, see hot.h. */
enum ldr_get_counter {
    LDR_GETS,
    LDR_HITS,
    LDR_MISSES,
    LDR_NEGATIVE_HITS,
    LDR_STALE_HITS,
    LDR_NEAR_HITS,
    LDR_NEXT_SAMPLE
};

/* Keys share so many marks; see near.c. */
#define LDR_NEAR_MARKS 64

/* Keys share so many places for when to try again; see stale.h. */
#define LDR_RETRY_SLOTS 256

struct ldr_group {
    struct ldr_context *context;
    _Atomic size_t references;
    char name[LARDER_GROUP_MAX + 1];
    uint64_t id;             /* the registry's: no other group of it has or had it */
    struct ldr_store *store; /* NULL: a gateway's */
    struct ldr_lanes *lanes;
    uint64_t spread_seed;
    uint64_t name_hash; /* see ldr_hot_key() */

    /* Changed while running; each is read once an operation. */
    _Atomic uint64_t max_value;
    _Atomic int64_t ttl_ms;
    _Atomic int64_t negative_ttl_ms;
    _Atomic uint64_t load_timeout_ms;
    _Atomic int64_t near_ttl_ms;
    _Atomic(struct ldr_near *) near; /* NULL: none; see ldr_near_replace() */
    _Atomic uint64_t near_marks[LDR_NEAR_MARKS];
    _Atomic int64_t stale_while_revalidate_ms, stale_if_error_ms;
    _Atomic uint64_t refresh_permille;
    _Atomic uint64_t max_loads;

    _Atomic uint64_t waiting, loading;          /* see limits.h */
    _Atomic uint64_t retry_at[LDR_RETRY_SLOTS]; /* 0: the last load of such a key went well */

    const struct larder_loader *loader; /* NULL: none, or a callback */
    void *loader_state;                 /* NULL: shut */
    pthread_rwlock_t loader_lock;       /* held for reading while loader_state is used, for writing to shut it */
    _Atomic(larder_load_fn) load;       /* of the embedding API; NULL: none. `load_arg` is set before it */
    void *load_arg;

    struct ldr_group_counters counters;
    struct ldr_histogram get_latency, set_latency, load_latency, peer_latency;

    struct ldr_retired retired; /* the registry's */
};

/* One reference, the caller's. NULL with the reason in larder_last_error(). */
struct ldr_group *ldr_group_open(struct ldr_context *context, const struct ldr_group_options *options);
struct ldr_group *ldr_group_reference(struct ldr_group *group);
void ldr_group_release(struct ldr_group *group); /* the last one closes the store; NULL is fine */

/*
 * Closes the loader of a group that was dropped: loads under way complete, none begins any more. It waits for the loader,
 * so never from a completion. Must come before the last release.
 */
void ldr_group_shut(struct ldr_group *group);

/* Removes all entries; what is being loaded meanwhile is not stored. */
void ldr_group_clear(struct ldr_group *group);

/* Whether misses can be loaded here. */
bool ldr_group_loads(const struct ldr_group *group);

/* Counters and gauges of now, without touching an entry. */
void ldr_group_read_stats(struct ldr_group *group, struct larder_statistics *stats);

/* The operations; see struct larder_request. The caller holds a reference until they return. */
void ldr_group_get(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);
void ldr_group_set(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);
void ldr_group_delete(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);
void ldr_group_touch(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);

/*
 * The time for looks of one call: LDR_NOW when entries are not likely to need it, as reading the clock costs as much as half
 * of a look.
 */
uint64_t ldr_group_look_time(const struct ldr_group *group, size_t count);

/*
 * The beginning of a get, for callers that want the answer on their own thread: a look into the store. What it has is the
 * answer, and counted as a get. What it does not have may be loaded, or at a peer: then nothing was counted, and the get
 * begins with ldr_group_get(). Keys of a good size only; inside a section, as all use of a group without a reference.
 */
enum ldr_look {
    LDR_LOOK_FURTHER,  /* ask by ldr_group_get() */
    LDR_LOOK_VALUE,    /* here it is */
    LDR_LOOK_NOT_FOUND /* known, or there is nobody to ask */
};

/* LDR_LOOK_VALUE also when it is larger than the buffer: see copy->found. */
enum ldr_look ldr_group_look_copy(struct ldr_group *group, struct ldr_copy *copy);

/* LDR_LOOK_VALUE: *entry is pinned. */
enum ldr_look ldr_group_look(struct ldr_group *group, struct larder_slice key, uint64_t now, struct ldr_entry **entry);

/* At most LDR_LOOK_MANY at a time. looks[i] and entries[i] as above. */
#define LDR_LOOK_MANY 32
void ldr_group_look_many(struct ldr_group *group, const struct larder_slice *keys, size_t count, uint64_t now,
                         enum ldr_look *looks, struct ldr_entry **entries);

/* ------------------------------------------------------------------------------------------------ between the files of this room */

/* How long what is written now may live: the request's ttl, else the group's; less for an owner that is away. */
int64_t ldr_group_ttl(const struct ldr_group *group, int64_t ttl_ms, bool stand_in);

struct ldr_lifetime {
    struct larder_slice key;
    int64_t ttl_ms; /* > 0, LARDER_TTL_DEFAULT or LARDER_TTL_NONE */
    bool stand_in;
    /* Nobody asked for just this key to live just so long: it may go a little sooner, and not with all others. */
    bool spread;
};

/*
 * When what is written now expires: after its ttl, or with `spread` up to 5 % of it earlier, each key at its own time, so
 * that keys that are written together are not loaded again together.
 */
uint64_t ldr_group_expires(const struct ldr_group *group, const struct ldr_lifetime *lifetime);

/*
 * Where the request is to be answered: a peer, or (peer NULL) here. Requests from peers are always answered here: in the
 * place of another when this node and the sender see the same ring and it says so.
 */
struct ldr_route ldr_group_route(struct ldr_group *group, const struct larder_request *request);

/* Whether this node is one of those that hold the key, each of which may act for the owner. */
bool ldr_group_holds(struct ldr_group *group, struct larder_slice name, struct larder_slice key);

/*
 * Loads the flight's key from the origin and finishes the flight: looks in the store once more first, stores what came
 * unless a write was faster, remembers "not found".
 */
void ldr_group_load(struct ldr_flight *flight);

/*
 * A get of the key was counted in the lane, and it was its turn (see ldr_hot_due()): looks at it. The key is NULL where
 * the get is counted at another node. `batch`: the number of gets of which the key was drawn by chance.
 */
void ldr_group_sample(struct ldr_group *group, struct ldr_lane *lane, const struct larder_slice *key, uint64_t batch);

/* The same for a request, if it is its turn. One of another member counts there. */
void ldr_group_sample_get(struct ldr_group *group, const struct larder_request *request);
/* The parts of it: what is stored, else what the origin gives; and the origin alone. */
void ldr_group_load_now(struct ldr_flight *flight);
void ldr_group_load_from_origin(struct ldr_flight *flight);

/* A reply that holds the entry; takes the entry's pin. `now` may be LDR_NOW: the clock is read when it has to be. */
struct larder_reply ldr_group_entry_reply(const struct ldr_group *group, struct ldr_entry *entry,
                                          enum larder_source source, uint64_t now);

#endif
