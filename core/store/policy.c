#include "core/store/policy.h"

#include <stdlib.h>

/* The most that hit_max may be for hits to be counted in bytes. */
#define HIT_MAX 15u

/* For the state itself and the headers of its blocks, of which a module does not tell. */
#define STATE_BYTES UINT64_C(128)

static bool counts_bytes(const struct larder_eviction *module)
{
    return module->hit_max >= 1 && module->hit_max <= HIT_MAX;
}

/* A nonsensical size must not overflow the sums it goes into. */
static uint64_t extra_bytes(const struct ldr_policy *policy)
{
    if (policy->state == NULL || policy->module->extra_bytes == NULL)
        return 0;
    uint64_t bytes = policy->module->extra_bytes(policy->state);
    return bytes < UINT64_MAX / 4 ? bytes : UINT64_MAX / 4;
}

bool ldr_policy_open(struct ldr_policy *policy, const struct larder_eviction *module,
                     const struct larder_param_value *params, uint32_t max_slots, uint32_t expected, uint64_t capacity)
{
    *policy = (struct ldr_policy){.module = module, .max_slots = max_slots};
    if (counts_bytes(module)) {
        policy->hits = calloc(max_slots, 1);
        if (policy->hits == NULL)
            return false;
    }
    const struct larder_eviction_env env = {
        .size = sizeof env,
        .max_slots = max_slots,
        .expected = expected,
        .capacity = capacity,
        .hits = policy->hits,
        .params = params,
    };
    policy->state = module->open(&env);
    if (policy->state == NULL) {
        free(policy->hits);
        return false;
    }
    policy->fresh_bytes = extra_bytes(policy);
    return true;
}

void ldr_policy_close(struct ldr_policy *policy)
{
    if (policy->state != NULL)
        policy->module->close(policy->state);
    policy->state = NULL;
    free(policy->hits);
    policy->hits = NULL;
}

uint64_t ldr_policy_slot_bytes(const struct larder_eviction *module)
{
    return (uint64_t)module->slot_bytes + (counts_bytes(module) ? 1 : 0);
}

uint64_t ldr_policy_array_bytes(const struct larder_eviction *module, uint32_t max_slots, uint32_t used)
{
    uint64_t whole = ldr_policy_slot_bytes(module) * max_slots;
    if (whole >= LDR_MAPPED_FROM) {
        uint64_t touched = ldr_whole_pages(ldr_policy_slot_bytes(module) * used);
        if (touched < whole)
            whole = touched;
    }
    return STATE_BYTES + whole;
}

uint64_t ldr_policy_bytes(const struct ldr_policy *policy, uint32_t used)
{
    return ldr_policy_array_bytes(policy->module, policy->max_slots, used) + extra_bytes(policy);
}

/* The next resident slot but `keep`, in the order of slots; there is one. */
static uint32_t sweep(struct ldr_policy *policy, const struct ldr_table *table, const struct ldr_keep *keep)
{
    for (;;) {
        if (policy->sweep >= table->used)
            policy->sweep = 0;
        uint32_t slot = policy->sweep++;
        if (table->slots[slot].entry != NULL && slot != keep->slot)
            return slot;
    }
}

static bool is_resident(const struct ldr_table *table, const struct ldr_keep *keep, uint32_t slot)
{
    return slot < table->used && table->slots[slot].entry != NULL && !(keep->held && slot == keep->slot);
}

uint32_t ldr_policy_coldest(struct ldr_policy *policy, const struct ldr_table *table, const struct ldr_keep *keep,
                            uint64_t *faults)
{
    if (policy->state == NULL)
        return LARDER_NO_SLOT;
    uint32_t slot = policy->module->evict(policy->state);
    if (is_resident(table, keep, slot))
        return slot;
    ++*faults;
    ldr_policy_close(policy);
    return LARDER_NO_SLOT;
}

uint32_t ldr_policy_evict(struct ldr_policy *policy, const struct ldr_table *table, struct ldr_keep *keep,
                          uint64_t *faults)
{
    if (table->count == (keep->slot == LARDER_NO_SLOT ? 0u : 1u))
        return LARDER_NO_SLOT;
    uint32_t slot = ldr_policy_coldest(policy, table, keep, faults);
    if (slot != LARDER_NO_SLOT && slot == keep->slot) {
        keep->held = true;
        slot = ldr_policy_coldest(policy, table, keep, faults);
    }
    return slot != LARDER_NO_SLOT ? slot : sweep(policy, table, keep);
}

void ldr_policy_prepare(struct ldr_policy *policy, const struct larder_object *object)
{
    if (policy->state != NULL && policy->module->prepare != NULL)
        policy->module->prepare(policy->state, object);
}

void ldr_policy_insert(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object)
{
    if (policy->state == NULL)
        return;
    if (policy->hits != NULL)
        larder_hits_set(policy->hits, slot, 0);
    policy->module->insert(policy->state, slot, object);
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
    if (policy->module->hit_max == 0) {
        policy->module->hit(policy->state, slot);
    } else if (policy->hits != NULL) {
        uint8_t count = larder_hits_get(policy->hits, slot);
        if (count < policy->module->hit_max)
            larder_hits_set(policy->hits, slot, (uint8_t)(count + 1));
    }
}

void ldr_policy_update(struct ldr_policy *policy, uint32_t slot, const struct larder_object *object)
{
    if (policy->state != NULL && policy->module->update != NULL)
        policy->module->update(policy->state, slot, object);
}
