#include "check_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_random.h"

#define ENV_SIZE 65536 /* what open() is given, with the texts of the parameters */

/* ------------------------------------------------------------------------------------------------ open, close */

static void *map(size_t size)
{
    void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        check_fail("the check itself is out of memory");
    return place;
}

static void *allocate(size_t count, size_t size)
{
    void *place = calloc(count > 0 ? count : 1, size);
    if (place == NULL)
        check_fail("the check itself is out of memory");
    return place;
}

/* The last hit byte is the last of a page, and the next page is none. */
static void make_hits(struct check_state *state)
{
    uint32_t hit_max = state->spec.module->hit_max, max_slots = state->spec.max_slots;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (max_slots + page - 1) / page * page;
    state->hits = state->spec.hits;
    if (hit_max == 0 || hit_max == LARDER_HITS_NONE || state->hits != NULL)
        return;
    state->hits_size = pages + page;
    state->hits_mapping = map(state->hits_size);
    mprotect((char *)state->hits_mapping + pages, page, PROT_NONE);
    state->hits = (uint8_t *)state->hits_mapping + pages - max_slots;
}

/* In memory that is gone when open() returns, not merely free to be used again. */
static const struct larder_param_value *values_for(const struct check_spec *spec, struct check_room room)
{
    const struct larder_plugin *head = &spec->module->head;
    struct larder_params *params = check_values_read(head, spec->setting);
    if (params == NULL)
        check_not_run("no values for its parameters: %s", larder_last_error());
    size_t count = 0;
    while (head->params != NULL && head->params[count].name != NULL)
        count++;
    const struct larder_param_value *values = check_values_copy(&room, larder_params_values(params), count);
    larder_params_free(params);
    if (values == NULL)
        check_fail("the values of the parameters do not fit into %d bytes, wanted less", ENV_SIZE);
    return values;
}

/* What a module was given is gone when open() returns, so that one that keeps a pointer to it does not go on. */
static void *call_open(struct check_state *state)
{
    const struct check_spec *spec = &state->spec;
    struct larder_eviction_env *env = map(ENV_SIZE);
    *env = (struct larder_eviction_env){.size = sizeof *env,
                                        .max_slots = spec->max_slots,
                                        .expected = spec->expected,
                                        .capacity = spec->capacity,
                                        .hits = state->hits};
    env->params = values_for(spec, (struct check_room){(char *)(env + 1), (char *)env + ENV_SIZE});
    struct check_lane *lane = check_lane();
    check_enter(lane, CHECK_OPEN, spec->max_slots, spec->capacity, 0);
    void *opened = spec->module->open(env);
    check_leave(lane);
    munmap(env, ENV_SIZE);
    return opened;
}

static void release(struct check_state *state)
{
    if (state->hits_mapping != NULL)
        munmap(state->hits_mapping, state->hits_size);
    free(state->entries);
    free(state->free_slots);
    free(state->slot_of);
}

bool check_state_try_open(struct check_state *state, const struct check_spec *spec)
{
    *state = (struct check_state){.spec = *spec, .last_victim = LARDER_NO_SLOT};
    make_hits(state);
    state->entries = allocate(spec->max_slots, sizeof *state->entries);
    state->free_slots = allocate(spec->max_slots, sizeof *state->free_slots);
    state->slot_of = allocate(spec->keys, sizeof *state->slot_of);
    for (uint32_t i = 0; i < spec->max_slots; i++)
        state->free_slots[i] = spec->max_slots - 1 - i;
    state->state = call_open(state);
    if (state->state == NULL)
        release(state);
    return state->state != NULL;
}

void check_state_open(struct check_state *state, const struct check_spec *spec)
{
    if (!check_state_try_open(state, spec))
        check_fail("open(max_slots %" PRIu32 ", expected %" PRIu32 ", capacity %" PRIu64
                   ") came back with NULL, wanted a state",
                   spec->max_slots, spec->expected, spec->capacity);
}

void check_state_close(struct check_state *state)
{
    struct check_lane *lane = check_lane();
    check_enter(lane, CHECK_CLOSE, 0, 0, 0);
    state->spec.module->close(state->state);
    check_leave(lane);
    release(state);
}

/* ------------------------------------------------------------------------------------------------ newcomers */

static struct larder_object object_of(const struct check_state *state, uint64_t key, uint32_t charge)
{
    return (struct larder_object){.digest = check_mix(key + state->spec.salt + 1), .charge = charge};
}

uint32_t check_state_find(const struct check_state *state, uint64_t key)
{
    return key < state->spec.keys && state->slot_of[key] != 0 ? state->slot_of[key] - 1 : LARDER_NO_SLOT;
}

void check_state_prepare(struct check_state *state, uint64_t key, uint32_t charge)
{
    const struct larder_object object = object_of(state, key, charge);
    struct check_lane *lane = check_lane();
    if (state->spec.module->prepare == NULL)
        return;
    check_enter(lane, CHECK_PREPARE, 0, object.digest, charge);
    state->spec.module->prepare(state->state, &object);
    check_leave(lane);
}

void check_state_make_room(struct check_state *state, uint32_t charge)
{
    while (state->count == state->spec.max_slots || (state->count > 0 && state->used + charge > state->spec.capacity))
        check_state_evict(state);
}

uint32_t check_state_insert(struct check_state *state, uint64_t key, uint32_t charge)
{
    uint32_t slot = state->free_slots[state->spec.max_slots - 1 - state->count];
    const struct larder_object object = object_of(state, key, charge);
    struct check_lane *lane = check_lane();
    if (state->hits != NULL)
        larder_hits_set(state->hits, slot, 0);
    check_enter(lane, CHECK_INSERT, slot, object.digest, charge);
    state->spec.module->insert(state->state, slot, &object);
    check_leave(lane);
    state->entries[slot] = (struct check_entry){key, charge, CHECK_RESIDENT};
    state->count++;
    state->used += charge;
    if (key < state->spec.keys)
        state->slot_of[key] = slot + 1;
    return slot;
}

uint32_t check_state_add(struct check_state *state, uint64_t key, uint32_t charge)
{
    check_state_prepare(state, key, charge);
    check_state_make_room(state, charge);
    return check_state_insert(state, key, charge);
}

/* ------------------------------------------------------------------------------------------------ residents */

void check_state_hit(struct check_state *state, uint32_t slot)
{
    const struct larder_eviction *module = state->spec.module;
    struct check_lane *lane = check_lane();
    if (state->hits != NULL) {
        uint8_t count = larder_hits_get(state->hits, slot);
        if (count < module->hit_max)
            __atomic_store_n(&state->hits[slot], (uint8_t)(count + 1), __ATOMIC_RELAXED);
    } else if (module->hit_max == 0) {
        check_enter(lane, CHECK_HIT, slot, 0, 0);
        module->hit(state->state, slot);
        check_leave(lane);
    }
}

static void forget(struct check_state *state, uint32_t slot, enum check_fate fate)
{
    struct check_entry *entry = &state->entries[slot];
    entry->fate = fate;
    state->count--;
    state->used -= entry->charge;
    state->free_slots[state->spec.max_slots - 1 - state->count] = slot;
    if (entry->key < state->spec.keys)
        state->slot_of[entry->key] = 0;
}

void check_state_remove(struct check_state *state, uint32_t slot)
{
    struct check_lane *lane = check_lane();
    check_enter(lane, CHECK_REMOVE, slot, 0, 0);
    state->spec.module->remove(state->state, slot);
    check_leave(lane);
    forget(state, slot, CHECK_REMOVED);
}

void check_state_update(struct check_state *state, uint32_t slot, uint32_t charge)
{
    struct check_entry *entry = &state->entries[slot];
    const struct larder_object object = object_of(state, entry->key, charge);
    struct check_lane *lane = check_lane();
    if (state->spec.module->update != NULL) {
        check_enter(lane, CHECK_UPDATE, slot, object.digest, charge);
        state->spec.module->update(state->state, slot, &object);
        check_leave(lane);
    }
    state->used += (uint64_t)charge - entry->charge;
    entry->charge = charge;
    while (state->used > state->spec.capacity)
        check_state_evict(state);
}

/* ------------------------------------------------------------------------------------------------ evict */

static void judge_victim(const struct check_state *state, uint32_t slot)
{
    static const char *const fates[] = {"which was never inserted", "", "which had been evicted",
                                        "which had been removed"};
    if (slot == LARDER_NO_SLOT && state->count > 0)
        check_fail("evict() came back with LARDER_NO_SLOT, wanted one of the %" PRIu32 " resident slots", state->count);
    if (slot != LARDER_NO_SLOT && slot >= state->spec.max_slots)
        check_fail("evict() came back with slot %" PRIu32 ", wanted one below max_slots, which is %" PRIu32, slot,
                   state->spec.max_slots);
    if (slot != LARDER_NO_SLOT && state->entries[slot].fate != CHECK_RESIDENT)
        check_fail("evict() came back with slot %" PRIu32 ", %s, wanted %s %" PRIu32 " resident slots", slot,
                   fates[state->entries[slot].fate], state->count > 0 ? "one of the" : "LARDER_NO_SLOT, for there are",
                   state->count);
}

uint32_t check_state_evict(struct check_state *state)
{
    struct check_lane *lane = check_lane();
    check_enter(lane, CHECK_EVICT, LARDER_NO_SLOT, 0, 0);
    uint32_t slot = state->spec.module->evict(state->state);
    check_leave(lane);
    judge_victim(state, slot);
    lane->calls[(lane->count - 1) % CHECK_HISTORY].slot = slot;
    state->last_victim = slot;
    state->victims = check_mix(state->victims + slot + 1);
    if (slot != LARDER_NO_SLOT)
        forget(state, slot, CHECK_EVICTED);
    return slot;
}

void check_state_drain(struct check_state *state)
{
    while (state->count > 0)
        check_state_evict(state);
    check_state_evict(state);
    check_state_evict(state);
}

uint64_t check_state_extra_bytes(const struct check_state *state)
{
    struct check_lane *lane = check_lane();
    if (state->spec.module->extra_bytes == NULL)
        return 0;
    check_enter(lane, CHECK_EXTRA_BYTES, 0, 0, 0);
    uint64_t bytes = state->spec.module->extra_bytes(state->state);
    check_leave(lane);
    return bytes;
}
