/*
 * The store's own structs and what its files share. These structs, about 1.5 KiB a shard, are of fixed size and outside the
 * budget, which counts everything that comes and goes with entries. A key belongs to one shard by its hash. Readers look into a shard's
 * index inside a section of LDR_EPOCH_STORE; whoever changes a shard holds its lock. A thread holds one shard's lock at a
 * time, and the heap's is taken inside it; nobody inside a section waits for a lock.
 */
#ifndef LDR_STORE_STATE_H
#define LDR_STORE_STATE_H

#include <pthread.h>

#include "core/base/epoch.h"
#include "core/base/spin.h"
#include "core/store/budget.h"
#include "core/store/due.h"
#include "core/store/hash.h"
#include "core/store/index.h"
#include "core/store/policy.h"
#include "core/store/slab.h"

/* The least that an entry costs: a cell for the header and one byte of a key, a reference, its part of a line. */
#define LDR_SMALLEST (24u + 4u + 8u)

/* What the first small entry takes at least: a span, its part of the maps, and what is kept back beside it. */
#define LDR_FIRST_ENTRY 320u

/* Entries a line holds on average, at least; and entries for which an extra line is there, so that none is ever missing. */
#define LDR_LINE_LOAD  6u
#define LDR_EXTRA_LOAD 12u

/* What a store can be given anew while it runs. One block, with the parameters behind it. */
struct ldr_setup {
    const struct larder_eviction *module;
    const struct larder_param_value *params; /* NULL: none */
    uint64_t max_bytes;
    uint64_t max_entries; /* 0: no limit */
};

/* The most bytes of a value, whatever the options say. */
#define LDR_VALUE_MAX (UINT64_C(0xffffffff) - LARDER_KEY_MAX - 64)

/* Fewer lines of a shard are not worth giving back. */
#define LDR_TRIM_FROM 8u

/*
 * What is done once in so many writes: taking back what was retired, as asking the epoch costs as much as a small write,
 * and asking the policy what it keeps.
 */
#define LDR_WRITES_AT_ONCE 16u

/*
 * Bytes that a shard keeps to spare: a part of its spans, and in a small one a larger part, as what was evicted comes back
 * only after as many writes as it takes for a grace period to pass. Less than the least is not worth keeping.
 */
#define LDR_SPARE_PART       100u
#define LDR_SPARE_PART_SMALL 32u
#define LDR_SPARE_CELLS      32u
#define LDR_SPARE_LEAST      1024u

/* An entry that stays while others go, as long as there are others: a put is about to take its place. */
struct ldr_guard {
    uint32_t slot; /* LARDER_NO_SLOT: there is none, or it went */
    ldr_ref ref;
    bool went, unexpired; /* it went, for the put itself: that is no eviction, unless the put fails */
};

/* How far a shard reaches in what is touched as it grows. */
struct ldr_extent {
    uint32_t slots, due, lines, grains;
};

struct ldr_shard {
    /* What readers look at: changes when a bucket is split or merged, or with the policy. */
    _Alignas(64) struct ldr_index index;
    struct ldr_hits *_Atomic hits; /* published with release; NULL: nobody wants to hear of hits */

    /* Everything below is the writers', under the lock, but for next_due. */
    _Alignas(64) struct ldr_spin lock;
    struct ldr_index_writer writer;
    struct ldr_slots slots;
    struct ldr_due due;
    struct ldr_policy policy;
    struct ldr_policy *next;    /* what `policy` is about to become, with as many slots; NULL: no change is under way */
    struct ldr_hits *left_hits; /* of states that are closed, in which readers may still count; not in the budget */
    struct ldr_slab *slab;
    unsigned char *ranges; /* of the arrays of `slots` and `due`, for the next time they are laid out */
    bool second_half;      /* which half of them is in use */
    uint32_t writes;
    uint32_t tries;          /* in a row, to move the epoch, in vain */
    struct ldr_guard *guard; /* of whoever holds the lock; NULL: none */
    uint64_t owed;           /* bytes of the budget for all but the spans */
    struct ldr_extent told;  /* what that was reckoned from */
    uint64_t value_bytes;
    uint64_t latest; /* the latest time that a caller told */
    uint64_t evictions, evictions_unexpired, expirations;
    struct larder_version floor; /* the newest version that was evicted while the store held */
    uint32_t layout;             /* how often its slots were numbered anew */
    uint64_t dropped_hits;       /* of states of the policy that are closed */
    _Atomic uint64_t next_due;   /* when the first entry expires, for those who only want to know whether to come in */
};

struct ldr_store {
    /* Read by everyone, never changed. */
    struct ldr_shard *shards;
    struct ldr_place place;
    uint64_t seed, max_value;
    uint32_t shard_bits;
    uint64_t (*clock)(void *arg);
    void *clock_arg;
    struct ldr_heap *heap;
    unsigned char *ranges; /* reserved: lines of the index, extra lines, arrays of slots */
    size_t ranges_size, lines_size, slots_at, slots_size;
    uint32_t slots_max, lines_max, extra_max; /* of a shard */
    uint64_t reach;                           /* the largest budget it can be given */
    _Atomic bool paged;  /* arrays are counted in whole pages; a small store has a few pages that are not full */
    uint64_t base;       /* of the budget, spent before the first shard: a huge page of lines that is not full */
    uint64_t heap_fresh; /* what the heap kept besides spans when the store was opened */
    _Atomic bool exact_hits;
    _Atomic uint64_t kept; /* see ldr_store_hold() */
    _Atomic bool floors;

    _Alignas(64) struct ldr_budget budget;
    _Atomic uint32_t rows, extra_rows; /* of lines, and of extra lines, that are in the budget */
    _Atomic uint64_t limit_told;   /* of the budget; while what a smaller one leaves no room for goes, the larger one */
    _Atomic uint64_t entries_told; /* likewise the limit of entries; 0: there is none */
    _Atomic uint64_t raised;       /* changes so far, each counted when those have been raised and nothing holds yet */
    _Atomic uint64_t room;         /* the largest cell that fits when everything is evicted */
    _Atomic uint64_t heap_owed;    /* bytes of the budget for what the heap keeps besides spans */
    _Atomic uint64_t owed;         /* by all shards: the rest of what is held is spans */
    _Atomic uint64_t freed;        /* bytes of policies' arrays, since the allocator was last asked to give them back */
    pthread_mutex_t setup_lock;    /* one changes the setup at a time; taken before a shard's lock */
    /* Read under a shard's lock: freed when it was replaced and every lock has been taken since. */
    struct ldr_setup *_Atomic setup;
    const struct ldr_setup
        *next_setup;            /* what the shards' `next` were opened for. Read under a shard's lock, likewise */
    struct ldr_fit *fit;        /* NULL: as at first. Under the setup's lock, and used under shards' locks */
    pthread_mutex_t trim_lock;  /* one trims at a time; taken before a shard's lock */
    pthread_mutex_t claim_lock; /* one at a time has other shards give room; taken before a shard's lock */
};

static inline bool ldr_store_paged(const struct ldr_store *store)
{
    return atomic_load_explicit(&store->paged, memory_order_relaxed);
}

static inline bool ldr_shard_guards(const struct ldr_shard *shard, uint32_t slot)
{
    return shard->guard != NULL && shard->guard->slot == slot;
}

static inline uint32_t ldr_store_shards(const struct ldr_store *store)
{
    return UINT32_C(1) << store->shard_bits;
}

static inline struct ldr_shard *ldr_store_shard(const struct ldr_store *store, uint64_t hash)
{
    return &store->shards[ldr_hash_shard(hash, store->shard_bits)];
}

static inline bool ldr_version_same(struct larder_version a, struct larder_version b)
{
    return a.epoch == b.epoch && a.clock == b.clock;
}

static inline bool ldr_version_after(struct larder_version a, struct larder_version b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.clock > b.clock;
}

/* Relaxed: who does not see it yet is as one who came before. */
static inline bool ldr_store_has_floors(const struct ldr_store *store)
{
    return atomic_load_explicit(&store->floors, memory_order_relaxed);
}

/* Relaxed, likewise. */
static inline uint64_t ldr_store_room(const struct ldr_store *store)
{
    return atomic_load_explicit(&store->room, memory_order_relaxed);
}

/* How long entries stay that are past their time; relaxed, likewise. */
static inline uint64_t ldr_store_kept(const struct ldr_store *store)
{
    return atomic_load_explicit(&store->kept, memory_order_relaxed);
}

/* What ended then or before goes now. */
static inline uint64_t ldr_gone_by(uint64_t now, uint64_t kept)
{
    return now > kept ? now - kept : 0;
}

static inline bool ldr_entry_expired(const struct ldr_entry *entry, uint64_t now)
{
    return (entry->flags & LDR_ENTRY_EXPIRES) != 0 && ldr_entry_expires(entry) <= now;
}

/* The entry when it answers for its key to a writer: neither a remembered "not found" nor stale. */
static inline const struct ldr_entry *ldr_entry_present(const struct ldr_entry *entry, uint64_t now)
{
    bool present = entry != NULL && (entry->flags & LDR_ENTRY_NEGATIVE) == 0 && !ldr_entry_expired(entry, now);
    return present ? entry : NULL;
}

/* ---- shard.c: one shard, under its lock */

/* Takes the lock. */
static inline void ldr_shard_enter(struct ldr_shard *shard, uint64_t now);

/*
 * Asks for what a writer looks at, all of which another processor may have written last. Without the lock. Inline in any case,
 * as GCC leaves out calls of functions that do nothing but ask for memory.
 */
__attribute__((always_inline)) static inline void ldr_shard_prefetch(const struct ldr_shard *shard);

/* The same with a guard, until ldr_shard_leave(); without when the entry has gone from its place since. NULL: none. */
void ldr_shard_enter_guarded(struct ldr_shard *shard, uint64_t now, struct ldr_guard *guard);

/* The same if the lock is free. */
bool ldr_shard_try(struct ldr_shard *shard, uint64_t now);

static inline void ldr_shard_leave(struct ldr_shard *shard);

/* An entry as the writers meet it. */
struct ldr_found_entry {
    struct ldr_entry *entry; /* NULL: not there */
    ldr_ref ref;
};

/* The entry of a key, which may be past its time while the store keeps such ones; else it is removed. */
static inline void ldr_shard_find(struct ldr_store *store, struct ldr_shard *shard, struct larder_slice key,
                                  uint64_t hash, uint64_t now, struct ldr_found_entry *found);

/* Removes an entry that has a time, if that has passed for as long as such ones are kept. True: it did. */
bool ldr_shard_expire(struct ldr_store *store, struct ldr_shard *shard, ldr_ref ref, uint64_t now);

/* Takes an entry out of everything, the policy included. */
void ldr_shard_discard(struct ldr_store *store, struct ldr_shard *shard, ldr_ref ref);

/* The same for one that the policy has given up already, and whose hash is known. */
void ldr_shard_drop(struct ldr_store *store, struct ldr_shard *shard, ldr_ref ref, uint64_t hash);

/* Gives a resident entry its time of expiry in the heap of those that will. */
void ldr_shard_set_due(struct ldr_shard *shard, const struct ldr_entry *entry);

/* After something was taken out: takes back memory, and makes smaller what has become too large. */
void ldr_shard_tidy(struct ldr_store *store, struct ldr_shard *shard);

/* Whether the shard may hold more or less besides its spans than when it was last told. */
bool ldr_shard_grew(const struct ldr_store *store, const struct ldr_shard *shard);

/* Tells the budget what the shard holds besides its spans, which may then be over its limit. */
void ldr_shard_account(struct ldr_store *store, struct ldr_shard *shard);

/* What a policy is told of an entry. */
struct larder_object ldr_shard_object(const struct ldr_store *store, const struct ldr_entry *entry, uint64_t hash);

/* ---- room.c: making room in one shard */

/*
 * A cell for an entry of `size` bytes, evicting in this shard until there is one. 0: other shards have to give
 * (ldr_room_claim()), as nothing is left here to evict, or, unless `alone`, they have clearly more than this one; or, then
 * *unreachable is set, the process has no addresses for it.
 */
ldr_ref ldr_room_cell(struct ldr_store *store, struct ldr_shard *shard, size_t size, bool alone, bool *unreachable);

/* Takes back what was retired, waiting for readers a little while. */
void ldr_room_reclaim(struct ldr_shard *shard);

/* Makes true after any change what always holds: no more is held than the budget, if this shard can help it. */
void ldr_room_settle(struct ldr_store *store, struct ldr_shard *shard);

/* Evicts one entry. False: there is none. */
bool ldr_room_evict(struct ldr_store *store, struct ldr_shard *shard);

enum ldr_step {
    LDR_STEP_NONE,  /* there is nothing left to give */
    LDR_STEP_WAITS, /* what was given is to come free: see ldr_room_wait() */
    LDR_STEP_MADE
};

/* Evicts or moves, as the slab says. */
enum ldr_step ldr_room_step(struct ldr_store *store, struct ldr_shard *shard, enum ldr_need need);

/* What each shard has of the spans when all have the same. */
uint64_t ldr_room_fair_share(const struct ldr_store *store);

/* ---- room_fit.c: making room in all shards */

/*
 * Takes from all shards until what is held and claimed fits the budget. No lock may be held. False: everything was evicted,
 * and it still does not fit.
 */
bool ldr_room_fit(struct ldr_store *store, uint64_t now);

/* The shard and the entry that others give room for: they give last. */
struct ldr_claimant {
    struct ldr_shard *shard;
    struct ldr_guard *guard;
};

/*
 * Makes room for a cell of so many bytes, for which this shard alone had none, and keeps it from others: what was claimed
 * must be given to ldr_budget_unclaim(), under the lock under which the cell is then taken. 0: it cannot be had.
 */
uint64_t ldr_room_claim(struct ldr_store *store, const struct ldr_claimant *claimant, uint64_t bytes, uint64_t now);

/*
 * Waits a little for readers to leave; to be called until what is waited for has come. `waits` counts, from 0. Under a
 * shard's lock it may take as long as a reader is stopped inside its section.
 */
void ldr_room_wait(unsigned *waits);

/* ---- rebuild.c: the state of the policy and the numbers of slots anew */

/*
 * Opens a state for one shard, with so many slots or as many as it may have: few more than it needs, as its arrays count
 * whole; when they run out, larger ones take their place. 0: an empty shard's. Where the number of entries is limited, it
 * has as many at once, if they cost little beside the budget. LARDER_NO_ROOM when not even one entry fits,
 * LARDER_NO_MEMORY; told in larder_last_error().
 */
enum larder_status ldr_rebuild_open(const struct ldr_store *store, const struct ldr_shard *shard,
                                    const struct ldr_setup *setup, uint64_t slots, struct ldr_policy *policy);

/* Sets the largest cell that fits when everything is evicted, from the budget and what is held when there is no entry. */
void ldr_store_set_room(struct ldr_store *store, uint64_t least);

/*
 * Moves all entries of a shard to a new state, coldest first, under new numbers. Closes the old one, but for the hits that
 * readers may still see. Evicts those for which there is no slot.
 */
void ldr_rebuild_shard(struct ldr_store *store, struct ldr_shard *shard, const struct ldr_policy *policy);

/* Frees the hits of closed states that no reader can see any more. False: readers may still see some. */
bool ldr_rebuild_collect(struct ldr_shard *shard);

/* Has the allocator give back what closed states left, when it is worth it. No shard's lock may be held: it takes long. */
void ldr_rebuild_trim(struct ldr_store *store);

/* Gives a shard that has nothing left to evict a fresh state, which keeps less than one with a history. */
void ldr_rebuild_renew(struct ldr_store *store, struct ldr_shard *shard);

/* Gives a shard more slots, unless it has as many as it may have or there is no memory. */
void ldr_rebuild_grow(struct ldr_store *store, struct ldr_shard *shard);

/* What will be held when there is no entry, with what the policies of all shards are about to become. */
uint64_t ldr_rebuild_least(struct ldr_store *store);

/* Numbers the slots of a shard anew when most of them are free. */
void ldr_rebuild_compact(struct ldr_store *store, struct ldr_shard *shard);

/* ---- change.c */

/* Sets what follows from a budget: the limit, what is kept back, and how arrays count. */
void ldr_store_limit(struct ldr_store *store, const struct ldr_setup *setup);

/* Whether each shard may have an entry. False: told in larder_last_error(). */
bool ldr_store_limit_good(const struct ldr_store *store, uint64_t max_entries);

/* ---- setup.c */

/* A copy, with the parameters. NULL: out of memory. */
struct ldr_setup *ldr_setup_new(const struct ldr_setup *from);

/* ---- ranges.c: the reserved range */

/* Lays out the lines and arrays of all shards for a reach. False: no address space. */
bool ldr_ranges_open(struct ldr_store *store, uint64_t reach);
void ldr_ranges_close(struct ldr_store *store);

/* The arrays of a shard in the half that is not in use, empty; then that half is in use. */
void ldr_ranges_turn(struct ldr_store *store, struct ldr_shard *shard, struct ldr_slots *slots, struct ldr_due *due);

/* Gives back the pages of the half that is no longer in use. */
void ldr_ranges_drop_other(struct ldr_store *store, struct ldr_shard *shard);

/*
 * Counts the rows of lines, one of each shard, as far as any shard has touched them: a page has lines of many shards, and is
 * there when one of them is.
 */
void ldr_ranges_account(struct ldr_store *store, const struct ldr_shard *shard);

/* What a shard has touched besides lines. */
uint64_t ldr_ranges_bytes(const struct ldr_store *store, const struct ldr_shard *shard);

/* Gives back what the heap of times of a shard has left over, under its lock. */
void ldr_ranges_trim_due(const struct ldr_store *store, struct ldr_shard *shard);

/* Whether most lines of a shard are not needed any more. */
static inline bool ldr_ranges_sparse(const struct ldr_shard *shard)
{
    return shard->writer.high > LDR_TRIM_FROM && shard->slots.count / LDR_LINE_REFS < shard->writer.high / 4;
}

/*
 * Gives back the pages of lines that no shard needs any more, unless another thread is at it. No shard's lock may be held.
 */
void ldr_ranges_trim(struct ldr_store *store);

/* The same where the budget lacks room, and a thread that is at it is waited for. */
void ldr_ranges_fit(struct ldr_store *store);

/* ---- inline */

/* The caller's clock may be read by one thread before another, and told after it. */
static inline void ldr_shard_tell(struct ldr_shard *shard, uint64_t now)
{
    if (now != LDR_NOW && now > shard->latest)
        shard->latest = now;
}

__attribute__((always_inline)) static inline void ldr_shard_prefetch(const struct ldr_shard *shard)
{
    const char *end = (const char *)&shard->floor;
    for (const char *line = (const char *)&shard->lock; line < end; line += sizeof(struct ldr_line))
        __builtin_prefetch(line, 1);
}

static inline void ldr_shard_enter(struct ldr_shard *shard, uint64_t now)
{
    ldr_spin_lock(&shard->lock);
    ldr_shard_tell(shard, now);
}

static inline void ldr_shard_leave(struct ldr_shard *shard)
{
    shard->guard = NULL;
    ldr_spin_unlock(&shard->lock);
}

static inline void ldr_shard_find(struct ldr_store *store, struct ldr_shard *shard, struct larder_slice key,
                                  uint64_t hash, uint64_t now, struct ldr_found_entry *found)
{
    found->ref = 0;
    found->entry = ldr_index_find(&shard->index, store->place, key, hash, &found->ref);
    if (found->entry != NULL && (found->entry->flags & LDR_ENTRY_EXPIRES) != 0 &&
        ldr_shard_expire(store, shard, found->ref, now))
        found->entry = NULL;
}

#endif
