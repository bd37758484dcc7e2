/* The store's own struct and what its files share. But for ldr_store_enter(), all functions are called under the lock. */
#ifndef LDR_STORE_STATE_H
#define LDR_STORE_STATE_H

#include <pthread.h>

#include "core/store/policy.h"
#include "core/store/store.h"
#include "core/store/table.h"

/* What a store can be given anew while it runs. */
struct ldr_setup {
    const struct larder_eviction *module;
    struct larder_param_value *params; /* one block of the store's own; NULL: none */
    uint64_t max_bytes;
};

struct ldr_store {
    pthread_mutex_t lock; /* over everything below but max_value and seed, which never change */
    struct ldr_setup setup;
    struct ldr_table table;
    struct ldr_policy policy;
    uint64_t seed, max_value;
    uint64_t entry_bytes; /* what the resident entries cost, by ldr_allocated() */
    uint64_t value_bytes;
    uint64_t latest; /* the latest time that a caller told */
    uint64_t evictions, evictions_unexpired, expirations, policy_faults;
};

static inline bool ldr_version_same(struct larder_version a, struct larder_version b)
{
    return a.epoch == b.epoch && a.clock == b.clock;
}

/* store.c: every operation takes the lock and gives it back with these, so that the budget holds after each. */
void ldr_store_enter(struct ldr_store *store, uint64_t now);
void ldr_store_leave(struct ldr_store *store);

/* The slot of a key whose time has not passed; an entry whose time has is removed. LARDER_NO_SLOT: none. */
uint32_t ldr_store_find(struct ldr_store *store, struct larder_slice key, uint64_t hash, uint64_t now);

/* The entry of a slot when it answers for its key: NULL for none and for a remembered "not found". */
struct ldr_entry *ldr_store_positive(struct ldr_store *store, uint32_t slot);

/* account.c: what things cost, and what fits. */

/* Slots for a budget of which `base` is spent: as many as the smallest entries would need. 0: not even one fits. */
uint32_t ldr_account_slots(const struct ldr_setup *setup, uint64_t base);

/* The least budget of a setup with which one smallest entry fits beside `base`. */
uint64_t ldr_account_least(const struct ldr_setup *setup, uint64_t base);

/* The store's struct and the copy of the parameters. */
uint64_t ldr_account_base(const struct ldr_store *store, const struct ldr_setup *setup);

/* The least that an entry costs by ldr_allocated(). */
uint64_t ldr_account_smallest(void);

/* What a store holds with a policy whose state is fresh, a table that is just large enough, and these entries. */
uint64_t ldr_account_fresh(const struct ldr_store *store, const struct ldr_setup *setup,
                           const struct ldr_policy *policy, uint32_t count, uint64_t entry_bytes);

/* What the store holds now. */
uint64_t ldr_account_used(const struct ldr_store *store);

void ldr_account_add(struct ldr_store *store, const struct ldr_entry *entry);
void ldr_account_subtract(struct ldr_store *store, const struct ldr_entry *entry);

/* What a policy is told of an entry. */
struct larder_object ldr_account_object(const struct larder_eviction *module, const struct ldr_entry *entry,
                                        uint64_t hash);

/* room.c: making room. */

/*
 * Evicts until `need` bytes, and a free slot when `slot` is set, are there beside everything held. False when there is
 * nothing left to evict and it still does not fit, which takes a failed allocation.
 */
bool ldr_room_make(struct ldr_store *store, uint64_t need, bool slot, struct ldr_keep *keep);

/* Makes true after any change what always holds: no more is held than the budget, and `keep` is in the policy. */
void ldr_room_settle(struct ldr_store *store, struct ldr_keep *keep);

/* Evicts one entry other than `keep`. False: there is none. */
bool ldr_room_evict(struct ldr_store *store, struct ldr_keep *keep);

/* Makes the table smaller when most of it is free. */
void ldr_room_compact(struct ldr_store *store, struct ldr_keep *keep);

/* Takes an entry out of the table and the accounts and lets go of it; the policy has forgotten it already. */
void ldr_room_drop(struct ldr_store *store, uint32_t slot);

/* rebuild.c: a state of the policy and a table built anew. */

/* Opens a state for a setup. LARDER_NO_ROOM, LARDER_NO_MEMORY; told in larder_last_error(). */
enum larder_status ldr_rebuild_policy(const struct ldr_store *store, const struct ldr_setup *setup,
                                      struct ldr_policy *policy);

/*
 * Moves all entries to a new state and a new table, coldest first, evicting first what a smaller budget cannot hold. The
 * slots change: *keep follows. On success the store owns setup->params. On failure nothing has changed.
 */
enum larder_status ldr_rebuild(struct ldr_store *store, const struct ldr_setup *setup, struct ldr_keep *keep);

#endif
