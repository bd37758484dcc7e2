#include "sim_cache.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD 16 /* requests between fetching what is known of a key and using it */

/* Of core/store/hits.c: slots from which on a shard marks them, and hits that it tells together at most. */
#define MARKS_FROM 2048
#define TOGETHER   128

LARDER_PRINTF(2, 3) static bool fail(struct sim_cache *cache, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cache->error, sizeof cache->error, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------------ opening */

static bool open_state(struct sim_cache *cache, uint32_t expected)
{
    bool counted = cache->module->hit_max > 0 && cache->module->hit_max != LARDER_HITS_NONE;
    cache->hits = calloc(cache->max_slots, 1);
    cache->residents = calloc(cache->max_slots, sizeof *cache->residents);
    if (cache->hits == NULL || cache->residents == NULL)
        return fail(cache, "out of memory");
    const struct larder_eviction_env env = {
        .size = sizeof env,
        .max_slots = cache->max_slots,
        .expected = expected,
        .capacity = cache->capacity,
        .hits = counted ? cache->hits : NULL,
        .params = cache->params,
    };
    cache->state = cache->module->open(&env);
    return cache->state != NULL || fail(cache, "open() returned no state: it is out of memory");
}

static void close_state(struct sim_cache *cache)
{
    if (cache->state != NULL)
        cache->module->close(cache->state);
    free(cache->hits);
    free(cache->residents);
}

bool sim_cache_open(struct sim_cache *cache, const struct larder_eviction *module,
                    const struct larder_param_value *params, uint64_t capacity, uint32_t slots, uint32_t expected,
                    bool shard)
{
    *cache = (struct sim_cache){.module = module, .params = params, .capacity = capacity, .max_slots = slots};
    cache->marks = shard && module->hit_max == 0 && slots >= MARKS_FROM;
    return open_state(cache, expected);
}

void sim_cache_close(struct sim_cache *cache)
{
    close_state(cache);
    free(cache->slots);
}

static bool make_room_for_keys(struct sim_cache *cache, uint32_t keys)
{
    uint64_t wanted = keys + (uint64_t)keys / 2;
    uint32_t room = wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
    uint32_t *slots = reallocarray(cache->slots, room, sizeof *slots);
    if (slots == NULL)
        return fail(cache, "out of memory");
    memset(slots + cache->keys, 0, (room - cache->keys) * sizeof *slots);
    cache->slots = slots;
    cache->keys = room;
    return true;
}

/* ------------------------------------------------------------------------------------------------ slots */

/* For ghosts; a bijection (the end of MurmurHash3, by A. Appleby), so no two keys have the same. */
static uint64_t digest_of(uint32_t key)
{
    uint64_t digest = key + UINT64_C(0x9e3779b97f4a7c15);
    digest = (digest ^ (digest >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    digest = (digest ^ (digest >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return digest ^ (digest >> 33);
}

static bool slot_is_free(const struct sim_cache *cache)
{
    return cache->freed != 0 || cache->used < cache->max_slots;
}

static void insert(struct sim_cache *cache, const struct larder_object *object, uint32_t key)
{
    uint32_t slot = cache->freed != 0 ? cache->freed - 1 : cache->used++;
    struct sim_resident *resident = &cache->residents[slot];
    if (cache->freed != 0)
        cache->freed = resident->charge;
    *resident = (struct sim_resident){key + 1, object->charge};
    cache->slots[key] = slot + 1;
    cache->hits[slot] = 0;
    cache->news++;
    cache->charged += object->charge;
    cache->count++;
    cache->module->insert(cache->state, slot, object);
}

/* The policy has let it go. */
static void free_slot(struct sim_cache *cache, uint32_t slot)
{
    struct sim_resident *resident = &cache->residents[slot];
    cache->slots[resident->key - 1] = 0;
    cache->charged -= resident->charge;
    cache->count--;
    *resident = (struct sim_resident){0, cache->freed};
    cache->freed = slot + 1;
}

/* There are residents. */
static bool evict(struct sim_cache *cache, uint32_t *slot)
{
    *slot = cache->module->evict(cache->state);
    if (*slot < cache->used && cache->residents[*slot].key != 0)
        return true;
    if (*slot == LARDER_NO_SLOT)
        return fail(cache, "request %" PRIu64 ": evict() returned LARDER_NO_SLOT while %" PRIu32 " slots are resident",
                    cache->requests, cache->count);
    return fail(cache, "request %" PRIu64 ": evict() returned slot %" PRIu32 ", which is not resident", cache->requests,
                *slot);
}

/* Until no more than so much is charged, to no more than so many. */
static bool evict_until(struct sim_cache *cache, uint64_t charged, uint32_t count)
{
    uint32_t slot;
    while (cache->charged > charged || cache->count > count) {
        if (!evict(cache, &slot))
            return false;
        free_slot(cache, slot);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ a larger state */

static bool move_all(struct sim_cache *from, struct sim_cache *to)
{
    uint32_t slot;
    while (from->count > 0) {
        if (!evict(from, &slot)) {
            memcpy(to->error, from->error, sizeof to->error);
            return false;
        }
        const struct sim_resident resident = from->residents[slot];
        const struct larder_object object = {digest_of(resident.key - 1), resident.charge};
        free_slot(from, slot);
        insert(to, &object, resident.key - 1);
    }
    return true;
}

static bool grow(struct sim_cache *cache)
{
    struct sim_cache larger = *cache;
    larger.max_slots = cache->max_slots < SIM_SIZE_MAX / 2 ? 2 * cache->max_slots : SIM_SIZE_MAX;
    larger.charged = larger.used = larger.freed = larger.count = 0;
    larger.state = NULL;
    bool good = open_state(&larger, larger.max_slots) && move_all(cache, &larger);
    close_state(cache);
    *cache = larger;
    return good;
}

/* ------------------------------------------------------------------------------------------------ hits */

/* What waits is told. A generation ends when half as many hits were told as there are entries, or an eighth as many came. */
static void end_waiting(struct sim_cache *cache)
{
    cache->told += cache->waiting;
    cache->waiting = 0;
    if (cache->told > cache->count / 2 || cache->news > cache->count / 8) {
        memset(cache->hits, 0, cache->used);
        cache->told = cache->news = 0;
    }
}

/* At once, as nothing else would come between: only whether it is told is as in a shard. */
static void tell(struct sim_cache *cache, uint32_t slot)
{
    if (cache->marks) {
        if (cache->hits[slot] != 0)
            return;
        cache->hits[slot] = 1;
        if (++cache->waiting == TOGETHER)
            end_waiting(cache);
    }
    cache->module->hit(cache->state, slot);
}

/* ------------------------------------------------------------------------------------------------ requests */

static bool miss(struct sim_cache *cache, const struct sim_request *request)
{
    const struct larder_object object = {digest_of(request->key), request->charge > 0 ? request->charge : 1};
    cache->misses++;
    if (cache->marks)
        end_waiting(cache);
    if (object.charge > cache->capacity)
        return true;
    if (!slot_is_free(cache) && cache->capacity - cache->charged >= object.charge && !grow(cache))
        return false;
    if (cache->module->prepare != NULL)
        cache->module->prepare(cache->state, &object);
    if (!evict_until(cache, cache->capacity - object.charge, cache->max_slots - 1))
        return false;
    insert(cache, &object, request->key);
    return true;
}

static void take_out(struct sim_cache *cache, uint32_t slot)
{
    cache->module->remove(cache->state, slot);
    free_slot(cache, slot);
}

/* The object has another size now. */
static bool update(struct sim_cache *cache, uint32_t slot, const struct sim_request *request)
{
    const struct larder_object object = {digest_of(request->key), request->charge};
    struct sim_resident *resident = &cache->residents[slot];
    if (object.charge > cache->capacity) {
        take_out(cache, slot);
        return true;
    }
    cache->charged += (uint64_t)object.charge - resident->charge;
    resident->charge = object.charge;
    if (cache->module->update != NULL)
        cache->module->update(cache->state, slot, &object);
    return evict_until(cache, cache->capacity, cache->max_slots);
}

static bool run_one(struct sim_cache *cache, const struct sim_request *request)
{
    uint32_t slot = cache->slots[request->key] - 1, hit_max = cache->module->hit_max;
    if (__builtin_expect(request->remove, false)) {
        if (slot != LARDER_NO_SLOT)
            take_out(cache, slot);
        return true;
    }
    cache->requests++;
    if (slot == LARDER_NO_SLOT)
        return miss(cache, request);
    if (hit_max == 0)
        tell(cache, slot);
    else if (cache->hits[slot] < hit_max && hit_max != LARDER_HITS_NONE)
        cache->hits[slot]++;
    return request->charge == 0 || request->charge == cache->residents[slot].charge || update(cache, slot, request);
}

bool sim_cache_run(struct sim_cache *cache, const struct sim_request *requests, size_t count, uint32_t keys)
{
    if (keys > cache->keys && !make_room_for_keys(cache, keys))
        return false;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&cache->slots[requests[i + AHEAD < count ? i + AHEAD : i].key]);
        if (!run_one(cache, &requests[i]))
            return false;
    }
    return true;
}
