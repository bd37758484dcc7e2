/*
 * One state of an eviction module, and the guard in front of it. What a module answers is checked against the slots: a
 * victim must be resident, and "nothing is resident" must be true. A module that answers nonsense has lost track of its
 * slots, so no later answer can be trusted either: its state is given up and counted, and victims are taken in the order
 * of their slots until the state is opened anew (another policy or budget, or slots numbered anew). Under the shard's lock.
 */
#ifndef LDR_STORE_POLICY_H
#define LDR_STORE_POLICY_H

#include "core/store/hits.h"
#include "core/store/slots.h"

struct ldr_policy {
    const struct larder_eviction *module;
    void *state;           /* NULL: given up */
    struct ldr_hits *hits; /* NULL: hits do not matter */
    uint32_t max_slots;
    uint32_t limit;       /* of entries, each of which then counts 1; 0: none, charges are bytes */
    uint32_t sweep;       /* where the search in the order of slots goes on */
    uint64_t fresh_bytes; /* extra_bytes right after open */
    uint64_t faults;
};

/* What a state is opened for. */
struct ldr_policy_size {
    uint32_t max_slots;
    uint32_t expected; /* entries when full; 0: unknown */
    uint32_t limit;    /* of entries, which is the capacity then; 0: none */
    uint64_t bytes;    /* the capacity where there is no limit */
};

/* False when out of memory, with nothing leaked. */
bool ldr_policy_open(struct ldr_policy *policy, const struct larder_eviction *module,
                     const struct larder_param_value *params, const struct ldr_policy_size *size);

/* Closes the state and leaves the hits: what is called afterwards finds the state given up. */
void ldr_policy_give_up(struct ldr_policy *policy);

/* The same for a module that has answered nonsense, which is counted. */
void ldr_policy_fault(struct ldr_policy *policy);

/* Everything; no reader may see the hits any more. */
void ldr_policy_close(struct ldr_policy *policy);

/*
 * What a state with arrays of max_slots costs, hit bytes or marks included, without extra_bytes. All of it, whether it has been
 * touched or not: nobody knows what the module's allocator does.
 */
uint64_t ldr_policy_array_bytes(const struct larder_eviction *module, uint32_t max_slots);

/*
 * The same for this state, with its extra_bytes of now. A state that was given up costs its arrays all the same: they are
 * held ready for the one that comes after it, so that no entry has to go for it.
 */
uint64_t ldr_policy_bytes(const struct ldr_policy *policy);

/* What the module says it keeps besides its slots, now. */
uint64_t ldr_policy_extra_bytes(const struct ldr_policy *policy);

/*
 * Takes the coldest slot out of the policy, while there is one. LARDER_NO_SLOT: the state was given up, now (which is
 * counted) or before.
 */
uint32_t ldr_policy_coldest(struct ldr_policy *policy, const struct ldr_slots *slots);

/*
 * Takes a victim out of the policy and returns its slot, which is still resident. LARDER_NO_SLOT when nothing is. Hands on
 * hits first.
 */
uint32_t ldr_policy_evict(struct ldr_policy *policy, const struct ldr_slots *slots);

/* The same without the hits: what was taken out before and is resident still must not be told of as used. */
uint32_t ldr_policy_evict_next(struct ldr_policy *policy, const struct ldr_slots *slots);

/* Hands on the hits that readers have recorded. */
void ldr_policy_hand_on(struct ldr_policy *policy, const struct ldr_slots *slots);

/* The callbacks of the module; nothing happens when its state was given up. */
void ldr_policy_insert(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object);
void ldr_policy_remove(struct ldr_policy *policy, uint32_t slot);
void ldr_policy_hit(struct ldr_policy *policy, uint32_t slot);

/* In the unit of the capacity. */
static inline struct larder_object ldr_policy_told(const struct ldr_policy *policy, const struct larder_object *object)
{
    return (struct larder_object){.digest = object->digest, .charge = policy->limit != 0 ? 1 : object->charge};
}

static inline void ldr_policy_prepare(struct ldr_policy *policy, const struct larder_object *object)
{
    const struct larder_object newcomer = ldr_policy_told(policy, object);
    if (policy->module->prepare != NULL && policy->state != NULL)
        policy->module->prepare(policy->state, &newcomer);
}

static inline void ldr_policy_update(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object)
{
    const struct larder_object rewritten = ldr_policy_told(policy, object);
    if (policy->module->update != NULL && policy->state != NULL)
        policy->module->update(policy->state, slot, &rewritten);
}

#endif
