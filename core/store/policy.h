/*
 * One state of an eviction module, and the guard in front of it. What a module answers is checked against the table: a
 * victim must be resident, and "nothing is resident" must be true. A module that answers nonsense has lost track of its
 * slots, so no later answer can be trusted either: its state is given up and counted, and victims are taken in the order
 * of their slots until the state is opened anew (another policy or budget, or a table made smaller).
 */
#ifndef LDR_STORE_POLICY_H
#define LDR_STORE_POLICY_H

#include "core/store/table.h"

struct ldr_policy {
    const struct larder_eviction *module;
    void *state;   /* NULL: given up */
    uint8_t *hits; /* a byte a slot when hit_max is 1 to 15 */
    uint32_t max_slots;
    uint32_t sweep;       /* where the search in the order of slots goes on */
    uint64_t fresh_bytes; /* extra_bytes right after open */
};

/*
 * An entry that must stay while others are evicted. When the policy chooses it all the same it is held out of the
 * policy (so that the next victim is another one) and put back afterwards.
 */
struct ldr_keep {
    uint32_t slot; /* LARDER_NO_SLOT: none */
    bool held;     /* resident in the table, not in the policy */
};

/* False when out of memory, with nothing leaked. */
bool ldr_policy_open(struct ldr_policy *policy, const struct larder_eviction *module,
                     const struct larder_param_value *params, uint32_t max_slots, uint32_t expected, uint64_t capacity);

/* Closes the state; what is called afterwards finds it given up. */
void ldr_policy_close(struct ldr_policy *policy);

/* What a slot costs, the hit byte included. */
uint64_t ldr_policy_slot_bytes(const struct larder_eviction *module);

/*
 * What a state with arrays of max_slots costs when slots below `used` have been touched. Arrays that the allocator maps
 * cost what is touched of them, smaller ones cost all of it. Without extra_bytes.
 */
uint64_t ldr_policy_array_bytes(const struct larder_eviction *module, uint32_t max_slots, uint32_t used);

/*
 * The same for this state, with its extra_bytes of now. A state that was given up costs its arrays all the same: they are
 * held ready for the one that comes after it, so that no entry has to go for it.
 */
uint64_t ldr_policy_bytes(const struct ldr_policy *policy, uint32_t used);

/*
 * Takes the coldest slot out of the policy, while there is one. LARDER_NO_SLOT: the state was given up, now or before; a
 * module caught with nonsense adds 1 to *faults.
 */
uint32_t ldr_policy_coldest(struct ldr_policy *policy, const struct ldr_table *table, const struct ldr_keep *keep,
                            uint64_t *faults);

/*
 * Takes a victim out of the policy and returns its slot, which is still in the table. LARDER_NO_SLOT when nothing but
 * `keep` is resident.
 */
uint32_t ldr_policy_evict(struct ldr_policy *policy, const struct ldr_table *table, struct ldr_keep *keep,
                          uint64_t *faults);

/* The callbacks of the module; nothing happens when its state was given up. */
void ldr_policy_prepare(struct ldr_policy *policy, const struct larder_object *object);
void ldr_policy_insert(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object);
void ldr_policy_remove(struct ldr_policy *policy, uint32_t slot);
void ldr_policy_hit(struct ldr_policy *policy, uint32_t slot);
void ldr_policy_update(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object);

#endif
