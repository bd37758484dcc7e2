/* All eviction policies, and a small cache around one in the order of the contract: prepare, evict until it fits, insert. */
#ifndef EVICTION_KIT_H
#define EVICTION_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "larder/plugin/eviction.h"

extern const struct larder_eviction larder_plugin_table__eviction_lru, larder_plugin_table__eviction_fifo,
    larder_plugin_table__eviction_clock, larder_plugin_table__eviction_2q, larder_plugin_table__eviction_lfu,
    larder_plugin_table__eviction_sieve, larder_plugin_table__eviction_s3fifo, larder_plugin_table__eviction_arc,
    larder_plugin_table__eviction_wtinylfu;

static const struct larder_eviction *const policies[] = {
    &larder_plugin_table__eviction_lru,    &larder_plugin_table__eviction_fifo, &larder_plugin_table__eviction_clock,
    &larder_plugin_table__eviction_2q,     &larder_plugin_table__eviction_lfu,  &larder_plugin_table__eviction_sieve,
    &larder_plugin_table__eviction_s3fifo, &larder_plugin_table__eviction_arc,  &larder_plugin_table__eviction_wtinylfu,
};
enum { POLICIES = sizeof policies / sizeof *policies, PARAMS_MAX = 8 };

/* A state whose parameters are the defaults; NULL when out of memory. */
static inline void *kit_open(const struct larder_eviction *policy, struct larder_eviction_env env)
{
    struct larder_param_value values[PARAMS_MAX] = {0};
    const struct larder_param *rows = policy->head.params;
    for (size_t i = 0; rows != NULL && rows[i].name != NULL; i++) {
        assert_in_range(i, 0, PARAMS_MAX - 1);
        values[i].name = rows[i].name;
        values[i].number = strtod(rows[i].default_text, NULL);
        values[i].integer = (int64_t)values[i].number;
    }
    env.size = sizeof env;
    env.params = values;
    if (policy->hit_max == 0 || policy->hit_max == LARDER_HITS_NONE)
        env.hits = NULL;
    return policy->open(&env);
}

/* ---- a cache whose keys are small numbers, or letters in a text */

enum { BOX_SLOTS = 256, BOX_KEYS = 4096 };

struct box {
    const struct larder_eviction *policy;
    void *state;
    uint64_t capacity, used;
    uint32_t slots, count;
    uint8_t hits[BOX_SLOTS];
    uint32_t key_in[BOX_SLOTS], free[BOX_SLOTS], frees; /* the slot that was freed last is used first */
    uint32_t slot_of[BOX_KEYS];                         /* plus 1; 0: not resident */
    uint32_t charge_of[BOX_KEYS];
    char gone[BOX_KEYS]; /* the letters that were evicted, in order, since this was emptied */
    size_t gone_count;
};

/* What a policy sees of a key. */
static inline struct larder_object box_object(uint32_t key, uint32_t charge)
{
    return (struct larder_object){.digest = (key + 1) * UINT64_C(0xd1342543de82ef95), .charge = charge};
}

/* False when out of memory. */
static inline bool box_try(struct box *box, const struct larder_eviction *policy, uint32_t slots, uint64_t capacity)
{
    assert_in_range(slots, 1, BOX_SLOTS);
    memset(box, 0, sizeof *box);
    box->policy = policy;
    box->capacity = capacity;
    box->slots = slots;
    for (uint32_t slot = slots; slot > 0; slot--)
        box->free[box->frees++] = slot - 1;
    box->state = kit_open(policy, (struct larder_eviction_env){
                                      .max_slots = slots, .expected = slots, .capacity = capacity, .hits = box->hits});
    return box->state != NULL;
}

static inline void box_open(struct box *box, const struct larder_eviction *policy, uint32_t slots, uint64_t capacity)
{
    assert_true(box_try(box, policy, slots, capacity));
}

static inline void box_close(struct box *box)
{
    box->policy->close(box->state);
}

/* The slot is no longer the policy's. */
static inline void box_forget(struct box *box, uint32_t slot)
{
    uint32_t key = box->key_in[slot];
    box->slot_of[key] = 0;
    box->used -= box->charge_of[key];
    box->count--;
    box->hits[slot] = 0;
    box->free[box->frees++] = slot;
}

/* The key that goes; it is one that was there. */
static inline uint32_t box_evict(struct box *box)
{
    uint32_t slot = box->policy->evict(box->state);
    assert_in_range(slot, 0, box->slots - 1);
    uint32_t key = box->key_in[slot];
    assert_int_equal(box->slot_of[key], slot + 1);
    box_forget(box, slot);
    if (box->gone_count < sizeof box->gone - 1)
        box->gone[box->gone_count++] = (char)key;
    return key;
}

static inline void box_prepare(struct box *box, uint32_t key, uint32_t charge)
{
    const struct larder_object object = box_object(key, charge);
    if (box->policy->prepare != NULL)
        box->policy->prepare(box->state, &object);
    while (box->used + charge > box->capacity || box->frees == 0)
        box_evict(box);
}

static inline void box_insert(struct box *box, uint32_t key, uint32_t charge)
{
    const struct larder_object object = box_object(key, charge);
    assert_true(box->frees > 0 && box->used + charge <= box->capacity && box->slot_of[key] == 0);
    uint32_t slot = box->free[--box->frees];
    box->key_in[slot] = key;
    box->slot_of[key] = slot + 1;
    box->charge_of[key] = charge;
    box->used += charge;
    box->count++;
    box->policy->insert(box->state, slot, &object);
}

static inline void box_hit(struct box *box, uint32_t key)
{
    uint32_t slot = box->slot_of[key] - 1, most = box->policy->hit_max;
    if (most == 0)
        box->policy->hit(box->state, slot);
    else if (most != LARDER_HITS_NONE && box->hits[slot] < most)
        box->hits[slot]++;
}

static inline void box_remove(struct box *box, uint32_t key)
{
    uint32_t slot = box->slot_of[key] - 1;
    box->policy->remove(box->state, slot);
    box_forget(box, slot);
}

/* As the host does it: what is rewritten is evicted for last, so room is made before its charge changes. */
static inline void box_update(struct box *box, uint32_t key, uint32_t charge)
{
    const struct larder_object object = box_object(key, charge);
    while (box->slot_of[key] != 0 && box->used - box->charge_of[key] + charge > box->capacity)
        box_evict(box);
    if (box->slot_of[key] == 0)
        return;
    box->used += (uint64_t)charge - box->charge_of[key];
    box->charge_of[key] = charge;
    if (box->policy->update != NULL)
        box->policy->update(box->state, box->slot_of[key] - 1, &object);
}

/* One request. True: a hit. */
static inline bool box_use(struct box *box, uint32_t key, uint32_t charge)
{
    if (box->slot_of[key] != 0) {
        box_hit(box, key);
        return true;
    }
    box_prepare(box, key, charge);
    box_insert(box, key, charge);
    return false;
}

/* One request a letter, each of charge 1. */
static inline void box_run(struct box *box, const char *letters)
{
    for (; *letters != '\0'; letters++)
        box_use(box, (unsigned char)*letters, 1);
}

/* What was evicted since this was asked last. */
#define assert_gone(box, letters)                                                                                      \
    do {                                                                                                               \
        (box)->gone[(box)->gone_count] = '\0';                                                                         \
        (box)->gone_count = 0;                                                                                         \
        assert_string_equal((box)->gone, letters);                                                                     \
    } while (0)

static inline void box_drain(struct box *box)
{
    while (box->count > 0)
        box_evict(box);
    assert_int_equal(box->policy->evict(box->state), LARDER_NO_SLOT);
}

/* Evicts everything, coldest first. */
#define assert_drains(box, letters)                                                                                    \
    do {                                                                                                               \
        (box)->gone_count = 0;                                                                                         \
        box_drain(box);                                                                                                \
        assert_gone(box, letters);                                                                                     \
    } while (0)

#endif
