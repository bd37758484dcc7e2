/*
 * The cache of one process: entries by key, a byte budget, expiry, and an eviction module that chooses who goes. It knows
 * nothing of groups, nodes or threads that wait. All functions may be called from any thread.
 *
 * Points of time are nanoseconds of the caller's clock (struct larder_runtime's now()); the store reads no clock itself.
 */
#ifndef LDR_STORE_STORE_H
#define LDR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/eviction.h"
#include "larder/plugin/request.h"

struct ldr_store;

/*
 * An entry as a reader holds it: pinned, its bytes never change. A new value is a new entry. Only the time of expiry of a
 * resident entry may change (touch).
 *
 * What readers hold of entries that are gone from the store is theirs: it is not counted in bytes_used and not bounded by
 * max_bytes, but by how many entries readers hold at a time, each for as long as an answer takes to be sent.
 */
struct ldr_entry;

struct larder_slice ldr_entry_key(const struct ldr_entry *entry);
struct larder_slice ldr_entry_value(const struct ldr_entry *entry);
struct larder_version ldr_entry_version(const struct ldr_entry *entry);
uint64_t ldr_entry_expires(const struct ldr_entry *entry); /* LARDER_NEVER: never */
bool ldr_entry_negative(const struct ldr_entry *entry);    /* remembers that the origin has no such key */
bool ldr_entry_tombstone(const struct ldr_entry *entry);   /* remembers a delete; negative, too */
bool ldr_entry_trace(const struct ldr_entry *entry);       /* remembers that something did not fit; negative, too */

/*
 * How an entry ages that an origin can give anew. After its time of expiry it stays for the longer of the two windows, for
 * readers, who look at its age; for writers and their conditions it is not there any more. All 0: it goes with its time.
 */
struct ldr_aging {
    uint64_t revalidate_ms; /* after its time: may be answered while it is loaded anew */
    uint64_t error_ms;      /* after its time: may be answered when it cannot be loaded anew */
    uint64_t ahead_us;      /* the scale of the time by which it is loaded anew before it expires; 0: it is not */
};
struct ldr_aging ldr_entry_aging(const struct ldr_entry *entry);

/* Ripe is an entry with less than so many times `ahead_us` left. */
#define LDR_RIPE_TIMES 16

enum ldr_age {
    LDR_FRESH,
    LDR_RIPE,  /* not past its time, but it may be loaded anew ahead of it */
    LDR_STALE, /* past its time, and within its windows */
    LDR_PAST   /* gone, but for those that hold it */
};

/* `now` is a point of time, not LDR_NOW. */
enum ldr_age ldr_entry_age(const struct ldr_entry *entry, uint64_t now);

void ldr_entry_release(struct ldr_entry *entry); /* NULL is fine; also after ldr_store_close() */

struct ldr_store_options {
    uint64_t max_bytes;                      /* bounds everything the store holds, its own bookkeeping included */
    uint64_t max_entries;                    /* bounds the number of entries; 0: only the bytes are bounded */
    uint64_t max_value;                      /* most bytes of one value */
    const struct larder_eviction *eviction;  /* must outlive the store */
    const struct larder_param_value *params; /* of the eviction module; needed during the call only */
    uint64_t seed;                           /* random: keys the index's hash */
    /*
     * Every hit is told to the policy, in order, under the shard's lock. Without it a policy that wants to hear of hits
     * (hit_max 0) hears of most of them, a little later, and readers take no lock.
     */
    bool exact_hits;
    bool small_pages; /* do not ask the system for huge pages */
    uint32_t shards;  /* a power of two; 0: as the budget wants it */
    /* Asked by lookups with `now` LDR_NOW, when the entry they find has a time of expiry. */
    uint64_t (*clock)(void *arg);
    void *clock_arg;
};

/* In the place of a point of time: ask the clock of the options, if need be. */
#define LDR_NOW UINT64_MAX

/* NULL with the reason in larder_last_error(). */
struct ldr_store *ldr_store_open(const struct ldr_store_options *options);
void ldr_store_close(struct ldr_store *store); /* entries still pinned stay valid; NULL is fine */

/*
 * Looks up a key and counts the use. The entry is pinned: release it. It may be stale, if it was put with a window. NULL: not
 * there, or past (then removed and counted as an expiration).
 */
struct ldr_entry *ldr_store_get(struct ldr_store *store, struct larder_slice key, uint64_t now);

/* The same without counting a use: statistics, scans and the tests' eyes do not disturb the order. */
struct ldr_entry *ldr_store_peek(struct ldr_store *store, struct larder_slice key, uint64_t now);

enum ldr_found {
    LDR_ABSENT, /* not there, or past its time */
    LDR_FOUND,
    LDR_FOUND_NEGATIVE, /* the origin has no such key */
    LDR_FOUND_LARGER,   /* than the buffer: nothing was copied */
    LDR_FOUND_AGED      /* ripe or stale: nothing was copied */
};

/* A lookup that copies the value out, so that nothing has to be released. */
struct ldr_copy {
    struct larder_slice key;
    void *buffer;
    size_t capacity;
    size_t size;          /* out: of the value, also when it is larger than the buffer */
    enum ldr_found found; /* out */
};

/* Looks up a key, counts the use and copies the value. The fastest way to a small value. */
enum ldr_found ldr_store_copy(struct ldr_store *store, struct ldr_copy *copy, uint64_t now);

/* The same for many keys, whose cache misses overlap; best in batches of 8 to 32. */
void ldr_store_copy_many(struct ldr_store *store, struct ldr_copy *copies, size_t count, uint64_t now);

/* Of gets to come, each in its own store: has their cache misses overlap. A store may be NULL. */
void ldr_store_expect(struct ldr_store *const *stores, const struct larder_slice *keys, size_t count);

/* ldr_store_get() for many keys, likewise. entries[i] is NULL or pinned. */
void ldr_store_get_many(struct ldr_store *store, const struct larder_slice *keys, size_t count, uint64_t now,
                        struct ldr_entry **entries);

enum ldr_put_flags {
    LDR_PUT_IF_ABSENT = 1u << 0, /* a negative entry counts as absent */
    LDR_PUT_IF_PRESENT = 1u << 1,
    LDR_PUT_IF_VERSION = 1u << 2, /* only over an entry of version `expected`; a negative one counts as absent */
    LDR_PUT_NEWER = 1u << 3,      /* only over nothing or an entry (a negative one too) of an older version; else OK
                                     without effect */
    LDR_PUT_NEGATIVE = 1u << 4,   /* remember "not found"; the value is empty */
    LDR_PUT_TOMBSTONE = 1u << 5,  /* remember a delete, with LDR_PUT_NEGATIVE */
    LDR_PUT_COPY = 1u << 6,       /* with LDR_PUT_NEWER, where nothing is: only above the floor, see ldr_store_hold() */
    LDR_PUT_TRACE = 1u << 7       /* remember that something did not fit, with LDR_PUT_NEGATIVE */
};

struct ldr_put {
    struct larder_slice key, value;
    uint64_t expires;
    struct ldr_aging aging; /* without meaning when it never expires */
    struct larder_version version, expected;
    uint32_t flags;
};

/*
 * Stores a new entry in the place of the one there, evicting until it fits. *created (may be NULL) tells that no entry
 * (or only a negative or expired one) was there. LARDER_INVALID (key of 0 bytes), LARDER_TOO_LARGE, LARDER_NO_ROOM (over half
 * the budget and it can never fit, or not beside what readers hold), LARDER_PRECONDITION, LARDER_NO_MEMORY; then the old entry
 * is still there. A rewrite counts as a use.
 */
enum larder_status ldr_store_put(struct ldr_store *store, const struct ldr_put *put, uint64_t now, bool *created);

/*
 * Removes an entry. `flags` of ldr_put_flags: IF_VERSION. LARDER_NOT_FOUND also for an expired or negative entry, which is
 * removed all the same.
 */
enum larder_status ldr_store_remove(struct ldr_store *store, struct larder_slice key, uint32_t flags,
                                    struct larder_version expected, uint64_t now);

/* Gives an entry a new time of expiry; not a use. LARDER_NOT_FOUND also for a negative one. *version may be NULL. */
enum larder_status ldr_store_touch(struct ldr_store *store, struct larder_slice key, uint64_t expires, uint64_t now,
                                   struct larder_version *version);

/*
 * Removes at most `limit` entries whose time has passed, and for which they are kept; in O(removed). Returns when the next one
 * is due: `now` when the limit was reached, LARDER_NEVER when none will ever be.
 */
uint64_t ldr_store_expire(struct ldr_store *store, uint64_t now, size_t limit);

void ldr_store_clear(struct ldr_store *store);

/*
 * See larder_group_set_eviction() and larder_group_set_max_bytes(). All entries move to a new state of the policy, coldest
 * first, one shard after another; only those go that a smaller budget, or a policy that keeps more bytes, leaves no room
 * for. What the old state remembered besides the order (counts, ghosts) is forgotten. Readers do not wait, writers of a shard
 * do while its entries are moved. On failure (LARDER_NO_ROOM, LARDER_NO_MEMORY) nothing has changed in any shard.
 */
enum larder_status ldr_store_set_eviction(struct ldr_store *store, const struct larder_eviction *eviction,
                                          const struct larder_param_value *params);
enum larder_status ldr_store_set_max_bytes(struct ldr_store *store, uint64_t max_bytes);

/* The same in one step. `eviction` NULL: as it is, with its parameters; max_bytes 0: as it is. */
enum larder_status ldr_store_set(struct ldr_store *store, const struct larder_eviction *eviction,
                                 const struct larder_param_value *params, uint64_t max_bytes, uint64_t max_entries);

/* Changes the option of this name. Cannot fail. Lookups under way may still tell their hit in the old way. */
void ldr_store_set_exact_hits(struct ldr_store *store, bool exact_hits);

/* ---- copies of entries that belong to several nodes; see copies.c */

/*
 * What keeps older copies out that come from elsewhere. `past`: how long entries past their time stay, unfound, so that their
 * versions are known; in ns, 0 at first, LARDER_NEVER: for good. `floors`: of those that are evicted the newest version is kept as a
 * floor (a shard's each), above which alone a copy is new; false forgets the floors.
 */
void ldr_store_hold(struct ldr_store *store, uint64_t past, bool floors);
struct larder_version ldr_store_floor(struct ldr_store *store, struct larder_slice key);
void ldr_store_raise_floor(struct ldr_store *store, struct larder_slice key, struct larder_version floor);

/* Removes the entry of the key, whatever it says, if it has this version. */
bool ldr_store_drop(struct ldr_store *store, struct larder_slice key, struct larder_version version);

/*
 * All entries, some at a time, in no useful order: each that is there from the beginning to the end is met, perhaps twice.
 * Zeroed: at the beginning. Returns how many were pinned; fewer than `most` (which is at least 1): `at` is at the end.
 */
struct ldr_store_walk {
    uint32_t shard, slot, layout;
};
size_t ldr_store_walk(struct ldr_store *store, struct ldr_store_walk *at, struct ldr_entry **entries, size_t most);

struct ldr_store_stats {
    uint64_t entries, bytes_used, bytes_limit;
    uint64_t entries_limit; /* 0: none */
    uint64_t value_bytes;   /* keys and values alone */
    uint64_t evictions, evictions_unexpired, expirations;
    /*
     * How often the eviction module answered nonsense: a slot that is not resident, or none while entries are. Its state
     * is then given up, and entries are evicted in no useful order until it is opened anew.
     */
    uint64_t policy_faults;
    uint64_t dropped_hits;  /* hits that the policy did not hear of: the buffer was full and the shard busy */
    uint64_t retired_bytes; /* part of bytes_used: evicted or replaced, and perhaps still being read */
    uint32_t shards;
};

/* Touches no entry. */
void ldr_store_stats(struct ldr_store *store, struct ldr_store_stats *stats);

#endif
