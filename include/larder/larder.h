/*
 * Larder, embedded: a node in this process, groups in it, and the operations on their keys.
 *
 *     struct larder_node *node = larder_node_open(NULL);
 *     struct larder_group *users = larder_group_open(node, "users", &(struct larder_group_options){
 *         .max_bytes = 64 << 20, .eviction = "lru", .ttl_ms = 60000, .load = load_user});
 *     struct larder_value *value;
 *     if (larder_get(users, "tom", 3, 1000, &value) == LARDER_OK) {
 *         fwrite(larder_value_data(value), 1, larder_value_size(value), stdout);
 *         larder_value_release(value);
 *     }
 *     larder_group_close(users);
 *     larder_node_close(node);
 *
 * Keys are any 1 to 65,535 bytes, values any 0 to max_value bytes. Times are milliseconds. All functions may be called
 * from any thread unless said otherwise; several nodes may live in one process. Failures leave a message in
 * larder_last_error() of the calling thread.
 */
#ifndef LARDER_LARDER_H
#define LARDER_LARDER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "stats.h"
#include "status.h"
#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct larder_node;  /* a member of a cluster, or a cache alone */
struct larder_group; /* a handle on a named cache of a node */
struct larder_value; /* bytes that stay while they are held */

/* The version of the library, "0.1.0"; compare with LARDER_VERSION of the headers. */
LARDER_API const char *larder_version(void);

/* ------------------------------------------------------------------------------------------------ nodes */

/*
 * Opens a node: checks the configuration, opens its plugins and groups, joins its cluster, listens. With NULL, or
 * without `transports` and `cluster`, it opens no socket and starts no discovery. NULL on failure, with nothing left
 * behind. The configuration is copied.
 */
LARDER_API struct larder_node *larder_node_open(const struct larder_config *config);

/*
 * Closes the node: lets requests under way finish for at most `node.drain_timeout`, then stops. Requests still pending
 * then complete with LARDER_UNAVAILABLE. A loader callback that is running is waited for. Group handles stay valid
 * (their operations give LARDER_UNAVAILABLE) until closed; values that are held stay valid until released.
 * Not from a completion or a loader callback. NULL is fine.
 */
LARDER_API void larder_node_close(struct larder_node *node);

/*
 * Takes over what can be changed while running from a new configuration: log level, members of a static discovery,
 * budgets, ttls and policies of groups, new and removed groups. What cannot be changed and differs is logged and left.
 * A configuration that is refused (LARDER_INVALID) changes nothing. What fails beyond that, for want of memory or since a
 * loader does not open, is logged, leaves its group as it was, and does not keep the rest from being taken over; the status is
 * the first such failure's. LARDER_UNAVAILABLE when the node is closing.
 */
LARDER_API enum larder_status larder_node_reload(struct larder_node *node, const struct larder_config *config);

/*
 * The address a transport listens on ("127.0.0.1:8001"), by its index in the configuration, cut to `capacity` bytes, the
 * NUL at its end included. LARDER_INVALID when there is no such transport.
 */
LARDER_API enum larder_status larder_node_address(struct larder_node *node, size_t transport, char *buffer,
                                                  size_t capacity);

/*
 * LARDER_OK once the node answers for keys: all its transports listen and its first member list is there. LARDER_UNAVAILABLE
 * with the reason before.
 */
LARDER_API enum larder_status larder_node_ready(struct larder_node *node);

/*
 * Has a member leave its cluster: it is announced, its keys are handed over to the others, and it serves meanwhile. Returns
 * at once; closing a member does the same first, for as long as `leave_timeout` allows. LARDER_UNSUPPORTED where members do
 * not come and go. Any thread.
 */
LARDER_API enum larder_status larder_node_leave(struct larder_node *node);

/*
 * `left` is called once, on a thread of the node that it must not block, a second after the others have all keys, in which
 * clients that follow may see that, or when `leave_timeout` has passed since larder_node_leave(), which clients may ask for, too. It must not close the node, but have it closed.
 */
LARDER_API void larder_node_on_left(struct larder_node *node, void (*left)(void *arg), void *arg);

/* ------------------------------------------------------------------------------------------------ groups */

struct larder_loaded; /* where a loader callback puts the value it found */

/*
 * Fetches one key from the origin. Runs on a worker thread of the node, one call for a key at a time however many wait;
 * it may block, but nobody waits longer than their own deadline. Return LARDER_OK after larder_loaded_set(),
 * LARDER_NOT_FOUND (remembered for negative_ttl_ms), or LARDER_LOAD_FAILED. `timeout_ms` is how long somebody waits.
 */
typedef enum larder_status (*larder_load_fn)(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                                             struct larder_loaded *loaded);

/*
 * Gives the value of a load; ttl_ms 0: the group's, -1: never expires. What was loaded lives 95 to 100 % of its ttl, each key
 * its own part, so that keys loaded together are not loaded again together. Copies. LARDER_NO_MEMORY, LARDER_TOO_LARGE.
 */
LARDER_API enum larder_status larder_loaded_set(struct larder_loaded *loaded, const void *value, size_t value_size,
                                                int64_t ttl_ms);

/* All members may be left 0. */
struct larder_group_options {
    uint64_t max_bytes;       /* the budget, all bookkeeping included; 0: 64 MiB */
    uint64_t max_value;       /* most bytes of one value; 0: 16 MiB */
    const char *eviction;     /* a policy's name; NULL: "lru" */
    int64_t ttl_ms;           /* default time to live, of which entries live 95 to 100 %; 0: they do not expire */
    int64_t negative_ttl_ms;  /* how long "not found" of the origin is remembered; 0: not at all */
    uint64_t load_timeout_ms; /* how long a load may take; 0: 5000 */
    larder_load_fn load;      /* NULL: what is not there is not found */
    void *load_arg;           /* handed to load(); must live until the node is closed */
    int exact_hits;           /* not 0: the policy hears of every hit, in order, for which gets wait for each other */
    uint64_t max_entries; /* most entries, each alike to the policy, whatever its size; max_bytes too; 0: no limit */
    /*
     * For how long after its time a loaded value is still given, while it is loaded anew, or when that fails; 0: not at all.
     * larder_value_ttl_ms() of such a value is 0.
     */
    int64_t stale_while_revalidate_ms;
    int64_t stale_if_error_ms;
    /*
     * Values that are asked for often are loaded anew before they expire: the sooner, the longer a load takes and the larger
     * this factor is. 0: 1; below 0: not at all.
     */
    double refresh_ahead;
    uint64_t max_loads; /* loads under way at a time, waiting ones among them; further ones are LARDER_BUSY; 0: 4096 */
};

/*
 * Opens a handle on a group: creates the group, or, with options NULL, takes one that is there. Options that set only a
 * loader give it to a group that is there and has none; any others are LARDER_EXISTS then. In a cluster every member
 * opens its groups itself. NULL on failure.
 */
LARDER_API struct larder_group *larder_group_open(struct larder_node *node, const char *name,
                                                  const struct larder_group_options *options);

/* Closes the handle; the group stays in the node. Values held stay valid. NULL is fine. */
LARDER_API void larder_group_close(struct larder_group *group);

/* Drops the group of this node with all its entries; other handles on it then give LARDER_NO_GROUP. */
LARDER_API enum larder_status larder_group_drop(struct larder_node *node, const char *name);

/* Removes all entries of the group at this node. */
LARDER_API enum larder_status larder_group_clear(struct larder_group *group);

LARDER_API enum larder_status larder_group_stats(struct larder_group *group, struct larder_statistics *stats);

/*
 * Changes the policy of the running group; `eviction` is a name, or a flow mapping with parameters
 * ("{plugin: lru}"). No entry is lost, the order is carried over; what the old policy remembered besides (counts, keys that
 * are gone) is not. Meanwhile gets do not wait, but for those of `exact_hits`; sets wait for a few ms at most, while the
 * entries of their shard are moved. On failure the old policy stays.
 */
LARDER_API enum larder_status larder_group_set_eviction(struct larder_group *group, const char *eviction);

/*
 * Changes the budget of the running group, in the same way; entries over a smaller one, the coldest, are evicted before it
 * returns. Values that are held are outside the budget, but the memory around them may keep the group over a smaller one until
 * they are released.
 */
LARDER_API enum larder_status larder_group_set_max_bytes(struct larder_group *group, uint64_t max_bytes);

/*
 * Likewise the most entries it may have; 0: no limit but the budget. At least one for each of the group's shards, of which
 * there are as many as its first budget and limit were worth (bytes over 2 MiB, entries over 256, at most 4,096):
 * LARDER_NO_ROOM.
 */
LARDER_API enum larder_status larder_group_set_max_entries(struct larder_group *group, uint64_t max_entries);

/* ------------------------------------------------------------------------------------------------ keys */

/*
 * In all calls `timeout_ms` is how long the call may take at most; 0: the node's `request_timeout`. When it is over the
 * call gives LARDER_DEADLINE; a load goes on for others.
 */

/*
 * Gets a value, from this node, its owner, or the loader. LARDER_OK: *value is held and must be released.
 * LARDER_NOT_FOUND and failures: *value is NULL.
 */
LARDER_API enum larder_status larder_get(struct larder_group *group, const void *key, size_t key_size,
                                         uint64_t timeout_ms, struct larder_value **value);

/*
 * The same into the caller's buffer. *size is the value's size, also when it is larger than `capacity`, in which case
 * nothing is copied and the status is LARDER_TOO_LARGE.
 */
LARDER_API enum larder_status larder_get_copy(struct larder_group *group, const void *key, size_t key_size,
                                              uint64_t timeout_ms, void *buffer, size_t capacity, size_t *size);

/* Stores a value. ttl_ms > 0: exactly so long; 0: the group's; -1: never expires. */
LARDER_API enum larder_status larder_set(struct larder_group *group, const void *key, size_t key_size,
                                         const void *value, size_t value_size, int64_t ttl_ms, uint64_t timeout_ms);

/* LARDER_NOT_FOUND when it was not there. */
LARDER_API enum larder_status larder_delete(struct larder_group *group, const void *key, size_t key_size,
                                            uint64_t timeout_ms);

/* Gives a key a new time to live, counted from now. ttl_ms as for larder_set(). */
LARDER_API enum larder_status larder_touch(struct larder_group *group, const void *key, size_t key_size, int64_t ttl_ms,
                                           uint64_t timeout_ms);

/* One key of a batch, and what became of it. */
struct larder_item {
    const void *key;
    size_t key_size;
    enum larder_status status;  /* out */
    struct larder_value *value; /* out: held when status is LARDER_OK, else NULL */
};

/*
 * Gets many keys at once, all with the same timeout. LARDER_OK when every item has its answer, found or not;
 * otherwise the first failure. Every item's status is set in any case.
 */
LARDER_API enum larder_status larder_get_many(struct larder_group *group, struct larder_item *items, size_t count,
                                              uint64_t timeout_ms);

/* One write of a batch. */
struct larder_write {
    const void *key;
    size_t key_size;
    const void *value;
    size_t value_size;
    int64_t ttl_ms;            /* as for larder_set() */
    enum larder_status status; /* out */
};

LARDER_API enum larder_status larder_set_many(struct larder_group *group, struct larder_write *writes, size_t count,
                                              uint64_t timeout_ms);

/*
 * Gets a value without waiting: `done` is called exactly once, on this thread before the call returns or on a thread of
 * the node; it must not block. On LARDER_OK the value is held by the callee and must be released. The key is copied.
 */
LARDER_API void larder_get_async(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms,
                                 void (*done)(void *arg, enum larder_status status, struct larder_value *value),
                                 void *arg);

/*
 * Bytes of a held value. Valid until it is released, whatever is evicted, replaced or closed meanwhile. The pointer to
 * those of an empty value may be NULL.
 */
LARDER_API const void *larder_value_data(const struct larder_value *value);
LARDER_API size_t larder_value_size(const struct larder_value *value);
/* What remained when it was given; 0: it was past its time already, see stale_if_error_ms; -1: never expires. */
LARDER_API int64_t larder_value_ttl_ms(const struct larder_value *value);
LARDER_API void larder_value_release(struct larder_value *value); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
