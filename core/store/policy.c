#include "core/store/policy.h"

/* Whether readers have anything to tell this module. */
static bool wants_hits(const struct larder_eviction *module)
{
    return module->hit_max <= LDR_HIT_MAX;
}

/* A nonsensical size must not overflow the sums it goes into. */
uint64_t ldr_policy_extra_bytes(const struct ldr_policy *policy)
{
    if (policy->state == NULL || policy->module->extra_bytes == NULL)
        return 0;
    uint64_t bytes = policy->module->extra_bytes(policy->state);
    return bytes < UINT64_MAX / 4 ? bytes : UINT64_MAX / 4;
}

bool ldr_policy_open(struct ldr_policy *policy, const struct larder_eviction *module,
                     const struct larder_param_value *params, const struct ldr_policy_size *size)
{
    *policy = (struct ldr_policy){.module = module, .max_slots = size->max_slots, .limit = size->limit};
    if (wants_hits(module)) {
        policy->hits = ldr_hits_open(module->hit_max, size->max_slots);
        if (policy->hits == NULL)
            return false;
    }
    const struct larder_eviction_env env = {
        .size = sizeof env,
        .max_slots = size->max_slots,
        .expected = size->expected,
        .capacity = size->limit != 0 ? size->limit : size->bytes,
        .hits = policy->hits != NULL && module->hit_max != 0 ? policy->hits->bytes : NULL,
        .params = params,
    };
    policy->state = module->open(&env);
    if (policy->state == NULL) {
        ldr_hits_close(policy->hits);
        return false;
    }
    policy->fresh_bytes = ldr_policy_extra_bytes(policy);
    return true;
}

void ldr_policy_give_up(struct ldr_policy *policy)
{
    if (policy->state != NULL)
        policy->module->close(policy->state);
    policy->state = NULL;
}

void ldr_policy_fault(struct ldr_policy *policy)
{
    policy->faults++;
    ldr_policy_give_up(policy);
}

void ldr_policy_close(struct ldr_policy *policy)
{
    ldr_policy_give_up(policy);
    ldr_hits_close(policy->hits);
    policy->hits = NULL;
}

uint64_t ldr_policy_array_bytes(const struct larder_eviction *module, uint32_t max_slots)
{
    uint64_t bytes = (uint64_t)module->slot_bytes * max_slots;
    return wants_hits(module) ? bytes + ldr_hits_bytes(module->hit_max, max_slots) : bytes;
}

uint64_t ldr_policy_bytes(const struct ldr_policy *policy)
{
    return ldr_policy_array_bytes(policy->module, policy->max_slots) + ldr_policy_extra_bytes(policy);
}

/* The next resident slot, in the order of slots; there is one. */
static uint32_t sweep(struct ldr_policy *policy, const struct ldr_slots *slots)
{
    for (;;) {
        if (policy->sweep >= slots->used)
            policy->sweep = 0;
        uint32_t slot = policy->sweep++;
        if (ldr_slots_resident(slots, slot))
            return slot;
    }
}

uint32_t ldr_policy_coldest(struct ldr_policy *policy, const struct ldr_slots *slots)
{
    if (policy->state == NULL)
        return LARDER_NO_SLOT;
    uint32_t slot = policy->module->evict(policy->state);
    if (ldr_slots_resident(slots, slot))
        return slot;
    ldr_policy_fault(policy);
    return LARDER_NO_SLOT;
}

uint32_t ldr_policy_evict_next(struct ldr_policy *policy, const struct ldr_slots *slots)
{
    if (slots->count == 0)
        return LARDER_NO_SLOT;
    uint32_t slot = ldr_policy_coldest(policy, slots);
    return slot != LARDER_NO_SLOT ? slot : sweep(policy, slots);
}

uint32_t ldr_policy_evict(struct ldr_policy *policy, const struct ldr_slots *slots)
{
    ldr_policy_hand_on(policy, slots);
    return ldr_policy_evict_next(policy, slots);
}

/* The slots of so many hits are asked for ahead of the one that is told. */
#define AHEAD 8u

/* An entry may have gone since, and its slot with it: a module must not hear of a slot that it does not know. */
static void tell_hits(struct ldr_policy *policy, const struct ldr_slots *slots)
{
    uint32_t hits[LDR_HITS_RING], count = ldr_hits_take(policy->hits, slots->count, slots->used, hits);
    for (uint32_t i = 0; i < count && policy->state != NULL; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(&slots->refs[hits[i + AHEAD]]);
        if (ldr_slots_resident(slots, hits[i]))
            policy->module->hit(policy->state, hits[i]);
    }
}

void ldr_policy_hand_on(struct ldr_policy *policy, const struct ldr_slots *slots)
{
    if (policy->hits != NULL && ldr_hits_due(policy->hits, slots->count))
        tell_hits(policy, slots);
}

void ldr_policy_insert(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object)
{
    if (policy->state == NULL)
        return;
    if (policy->hits != NULL)
        ldr_hits_reset(policy->hits, slot);
    const struct larder_object newcomer = ldr_policy_told(policy, object);
    policy->module->insert(policy->state, slot, &newcomer);
}

void ldr_policy_remove(struct ldr_policy *policy, uint32_t slot)
{
    if (policy->state != NULL)
        policy->module->remove(policy->state, slot);
}

void ldr_policy_hit(struct ldr_policy *policy, uint32_t slot)
{
    if (policy->state == NULL)
        return;
    if (policy->module->hit_max == 0)
        policy->module->hit(policy->state, slot);
    else if (policy->hits != NULL)
        (void)ldr_hits_add(policy->hits, slot);
}
