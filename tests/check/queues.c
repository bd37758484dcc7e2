/*
 * A policy of two queues with ghosts, and the mistakes one may make in it: FAULT says which. Newcomers stand in a queue;
 * what is used there, or comes again while it is remembered, is kept in a second one, until that has its share.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "larder/plugin/eviction.h"

enum fault {
    FAULT_NONE,
    FAULT_REMOVES_NOTHING,
    FAULT_EVICTS_TWICE,
    FAULT_STOPS_EARLY,
    FAULT_INVENTS_A_SLOT,
    FAULT_OFF_BY_ONE,
    FAULT_BEYOND_MAX_SLOTS,
    FAULT_LEAKS_IN_CLOSE,
    FAULT_LEAKS_IN_OPEN,
    FAULT_TRUSTS_OPEN,
    FAULT_TRUSTS_INSERT,
    FAULT_SHARES_A_STATE,
    FAULT_SHARES_A_SCRATCH,
    FAULT_GROWS,
    FAULT_HOARDS,
    FAULT_HIT_COUNTS_AGAIN,
    FAULT_HIT_LOSES_A_CHARGE,
    FAULT_UPDATES_HALF,
    FAULT_REMOVE_KEEPS_CHARGE,
    FAULT_EVICT_KEEPS_CHARGE,
    FAULT_LOSES_ON_UPDATE,
    FAULT_BY_ORDER,
    FAULT_NEEDS_PREPARE,
    FAULT_LEAKS_IN_PREPARE,
    FAULT_WRONG_TYPE,
    FAULT_FAILS_AT_MAXIMUM,
    FAULT_DIVIDES_BY_MINIMUM,
    FAULT_NO_LAST_SLOT,
    FAULT_WRITES_BEHIND,
    FAULT_MAPS_AND_LEAKS,
    FAULT_MAPS_ARRAYS_AND_LEAKS,
    FAULT_SLEEPS_IN_OPEN,
    FAULT_LOOPS_IN_OPEN,
    FAULT_CRASHES_WHEN_EMPTY,
    FAULT_LOOPS_WHEN_EMPTY,
    FAULT_ABORTS_WHEN_EMPTY,
    FAULT_EXITS_IN_CLOSE,
    FAULT_KEEPS_ENV,
    FAULT_SIGNED_CHARGES,
    FAULT_REFUSES_KNOWN,
    FAULT_EXTRA_UNDERFLOWS,
    FAULT_HIDES_BYTES,
    FAULT_LOSES_WHEN_FULL,
    FAULT_LOSES_LATE,
    FAULT_SHARES_A_SIZE,
};

#define IS(fault) (FAULT == FAULT_##fault)

enum { FRESH, KEPT };

struct entry {
    uint64_t digest;
    uint32_t charge, where;
};

struct policy {
    struct larder_link *links;
    struct entry *entries;
    struct larder_list lists[2];
    uint64_t charges[2], share;
    uint64_t *ghosts; /* where their digest says, so that a later one takes the place of an earlier one */
    uint32_t max_slots;
    uint64_t announced;
    bool known; /* the announced one is a ghost */
    const struct larder_eviction_env *env;
    void *node;   /* of FAULT_NEEDS_PREPARE and FAULT_LEAKS_IN_PREPARE */
    void **hoard; /* of FAULT_GROWS and FAULT_HOARDS: a list through the first word of each */
    uint64_t hoarded, evicted;
    uint64_t removed; /* the last digest */
    uint64_t inserted;
};

static uint64_t shared_charges[2];
static uint32_t shared_slots, shared_states; /* of the state that was opened first, of those that are open */
static volatile uint32_t scratch;

static uint64_t *charges_of(struct policy *policy)
{
    return IS(SHARES_A_STATE) ? shared_charges : policy->charges;
}

static void close_policy(void *state)
{
    struct policy *policy = state;
    if (IS(EXITS_IN_CLOSE))
        exit(0);
    shared_states -= IS(SHARES_A_SIZE);
    if (IS(MAPS_ARRAYS_AND_LEAKS))
        free(policy);
    if (IS(MAPS_AND_LEAKS) || IS(MAPS_ARRAYS_AND_LEAKS))
        return;
    while (policy->hoard != NULL) {
        void **next = *policy->hoard;
        free(policy->hoard);
        policy->hoard = next;
    }
    if (!IS(LEAKS_IN_PREPARE))
        free(policy->node);
    free(policy->links);
    if (!IS(LEAKS_IN_CLOSE))
        free(policy->entries);
    free(policy->ghosts);
    free(policy);
}

static uint64_t share_of(const struct larder_eviction_env *env)
{
    if (IS(WRONG_TYPE))
        return env->capacity * strlen(env->params[0].string) / 100;
    if (IS(DIVIDES_BY_MINIMUM))
        return env->capacity / (uint64_t)env->params[0].integer;
    return env->capacity / 100 * (uint64_t)env->params[0].integer;
}

/* From where no check can count it, for some. */
static void *array(size_t count, size_t size)
{
    if (!IS(MAPS_AND_LEAKS) && !IS(MAPS_ARRAYS_AND_LEAKS))
        return calloc(count, size);
    void *place = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return place != MAP_FAILED ? place : NULL;
}

static void *open_policy(const struct larder_eviction_env *env)
{
    struct policy *policy = IS(MAPS_AND_LEAKS) ? array(1, sizeof *policy) : calloc(1, sizeof *policy);
    uint32_t slots = IS(NO_LAST_SLOT) && env->max_slots < 2 ? env->max_slots - 1 : env->max_slots;
    if (policy == NULL)
        return NULL;
    for (volatile bool ready = false; IS(LOOPS_IN_OPEN) && !ready;)
        continue;
    while (IS(SLEEPS_IN_OPEN))
        pause();
    if (IS(FAILS_AT_MAXIMUM) && env->params[0].integer == 100) {
        free(policy);
        return NULL;
    }
    if (IS(SHARES_A_SIZE) && shared_states++ == 0)
        shared_slots = env->max_slots;
    policy->env = env;
    policy->max_slots = env->max_slots;
    policy->share = share_of(env);
    policy->links = array(slots, sizeof *policy->links);
    policy->entries = array(slots, sizeof *policy->entries);
    policy->ghosts = array(env->max_slots, sizeof *policy->ghosts);
    if (IS(TRUSTS_OPEN))
        policy->entries[0].where = FRESH;
    if (policy->links == NULL || policy->entries == NULL || policy->ghosts == NULL) {
        if (!IS(LEAKS_IN_OPEN))
            close_policy(policy);
        return NULL;
    }
    return policy;
}

static void put_in(struct policy *policy, uint32_t slot, uint32_t where)
{
    policy->entries[slot].where = where;
    larder_list_push(&policy->lists[where], policy->links, slot);
    charges_of(policy)[where] += policy->entries[slot].charge;
}

static void take_out(struct policy *policy, uint32_t slot, bool with_charge)
{
    const struct entry *entry = &policy->entries[slot];
    larder_list_remove(&policy->lists[entry->where], policy->links, slot);
    if (with_charge)
        charges_of(policy)[entry->where] -= entry->charge;
}

static bool is_ghost(const struct policy *policy, uint64_t digest)
{
    return policy->ghosts[digest % policy->max_slots] == digest;
}

static void prepare(void *state, const struct larder_object *object)
{
    struct policy *policy = state;
    policy->announced = object->digest;
    policy->known = is_ghost(policy, object->digest);
    if (IS(NEEDS_PREPARE) || IS(LEAKS_IN_PREPARE)) {
        if (IS(NEEDS_PREPARE))
            free(policy->node);
        policy->node = calloc(1, 16);
    }
}

static void insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct policy *policy = state;
    bool known = policy->known && (IS(BY_ORDER) || policy->announced == object->digest);
    if ((IS(SIGNED_CHARGES) && (int32_t)object->charge < 0) || (IS(REFUSES_KNOWN) && object->digest == policy->removed))
        return;
    if (IS(NEEDS_PREPARE))
        *(volatile char *)policy->node = 1;
    if (IS(NEEDS_PREPARE) || IS(LEAKS_IN_PREPARE)) {
        free(policy->node);
        policy->node = NULL;
    }
    if (IS(TRUSTS_INSERT)) {
        char *copy = malloc(16);
        *(volatile char *)copy = 1;
        free(copy);
    }
    if (IS(WRITES_BEHIND) && policy->max_slots > 1)
        policy->entries[policy->max_slots].where = FRESH;
    if (IS(KEEPS_ENV) && slot >= policy->env->max_slots)
        return;
    if ((IS(LOSES_LATE) && ++policy->inserted == 50000) || (IS(SHARES_A_SIZE) && slot >= shared_slots))
        return;
    if (IS(LOSES_WHEN_FULL) && policy->lists[FRESH].count + policy->lists[KEPT].count == policy->max_slots - 1)
        return;
    policy->entries[slot] = (struct entry){.digest = object->digest, .charge = object->charge};
    if (IS(SHARES_A_SCRATCH) && policy->max_slots == 64) {
        scratch = slot;
        sched_yield();
        slot = scratch;
    }
    put_in(policy, slot, known ? KEPT : FRESH);
    policy->known = false;
}

static void remember(struct policy *policy, uint64_t digest)
{
    policy->ghosts[digest % policy->max_slots] = digest;
    policy->evicted++;
    if (IS(GROWS) || IS(HOARDS)) {
        void **more = malloc(32);
        if (more == NULL)
            return;
        *more = policy->hoard;
        policy->hoard = more;
        policy->hoarded += 32;
    }
}

static uint32_t evict(void *state)
{
    struct policy *policy = state;
    uint32_t from = charges_of(policy)[KEPT] > policy->share ? KEPT : FRESH;
    if (policy->lists[from].count == 0 && !IS(STOPS_EARLY))
        from = KEPT - from;
    if (policy->lists[from].count == 0) {
        if (IS(CRASHES_WHEN_EMPTY))
            policy->lists[from].oldest = *(volatile uint32_t *)policy->hoard;
        if (IS(ABORTS_WHEN_EMPTY))
            abort();
        for (volatile bool empty = true; IS(LOOPS_WHEN_EMPTY) && policy->evicted == 0 && empty;)
            continue;
        return IS(INVENTS_A_SLOT) ? 0 : LARDER_NO_SLOT;
    }
    uint32_t slot = policy->lists[from].oldest - 1;
    if (IS(EVICTS_TWICE) && policy->evicted++ % 2 == 0)
        return slot;
    take_out(policy, slot, !IS(EVICT_KEEPS_CHARGE));
    remember(policy, policy->entries[slot].digest);
    if (IS(BEYOND_MAX_SLOTS))
        return policy->max_slots;
    return IS(OFF_BY_ONE) ? slot + 1 : slot;
}

static void remove_slot(void *state, uint32_t slot)
{
    struct policy *policy = state;
    if (IS(REMOVES_NOTHING))
        return;
    policy->removed = policy->entries[slot].digest;
    take_out(policy, slot, !IS(REMOVE_KEEPS_CHARGE));
}

static void hit(void *state, uint32_t slot)
{
    struct policy *policy = state;
    bool kept = policy->entries[slot].where == KEPT;
    take_out(policy, slot, !(IS(HIT_COUNTS_AGAIN) && kept));
    put_in(policy, slot, KEPT);
    if (IS(HIT_LOSES_A_CHARGE) && kept)
        policy->charges[KEPT] -= policy->entries[slot].charge;
}

static void update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct policy *policy = state;
    struct entry *entry = &policy->entries[slot];
    if (!IS(UPDATES_HALF))
        charges_of(policy)[entry->where] += (uint64_t)object->charge - entry->charge;
    entry->charge = object->charge;
    if (IS(LOSES_ON_UPDATE) && object->charge > 90)
        take_out(policy, slot, true);
}

static uint64_t extra_bytes(const void *state)
{
    const struct policy *policy = state;
    if (IS(EXTRA_UNDERFLOWS))
        return ((uint64_t)policy->lists[FRESH].count - 1) * sizeof *policy->ghosts;
    return policy->max_slots * sizeof *policy->ghosts + (IS(GROWS) ? policy->hoarded : 0);
}

static const struct larder_param params[] = {
    {.name = "share",
     .type = LARDER_PARAM_INT,
     .default_text = "50",
     .minimum = IS(DIVIDES_BY_MINIMUM) ? 0 : 1,
     .maximum = 100,
     .help = "percent of the capacity for entries that are kept"},
    {.name = "mode", .type = LARDER_PARAM_STRING, .default_text = "a", .choices = "a|b", .help = "nothing"},
    {0},
};

LARDER_EVICTION(NAME, "two queues and ghosts", params, .hit_max = 0,
                .slot_bytes = IS(HIDES_BYTES) ? 0 : sizeof(struct larder_link) + sizeof(struct entry),
                .open = open_policy, .close = close_policy, .evict = evict, .insert = insert, .remove = remove_slot,
                .hit = hit, .prepare = prepare, .update = update, .extra_bytes = extra_bytes);
