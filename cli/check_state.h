/*
 * A state of an eviction module and the model of it: which slots are resident, and with what. Every call goes through
 * here, so that it is remembered, made as a host makes it, and what comes back is compared with the model. What differs
 * ends the check: none of these functions returns a failure, unless it says so.
 */
#ifndef CLI_CHECK_STATE_H
#define CLI_CHECK_STATE_H

#include "check_board.h"
#include "check_values.h"

struct check_spec {
    const struct larder_eviction *module;
    uint32_t max_slots, expected;
    uint64_t capacity;
    struct check_setting *setting; /* NULL: all parameters are the defaults */
    uint32_t keys;                 /* keys 0 to keys - 1 can be found again; others are used once */
    uint64_t salt;                 /* makes the digests of the keys others */
    uint8_t *hits;                 /* a byte a slot that is the caller's; NULL: the state has its own */
};

enum check_fate { CHECK_NEVER_USED, CHECK_RESIDENT, CHECK_EVICTED, CHECK_REMOVED };

struct check_entry {
    uint64_t key;
    uint32_t charge;
    enum check_fate fate;
};

struct check_state {
    struct check_spec spec;
    void *state;
    uint8_t *hits;
    void *hits_mapping;
    size_t hits_size;
    struct check_entry *entries; /* a slot */
    uint32_t *free_slots;        /* the one freed last is at the end, and used first */
    uint32_t *slot_of;           /* key: slot + 1; 0: not resident */
    uint32_t count;
    uint64_t used;    /* sum of charges */
    uint64_t victims; /* tells two states apart that did not evict the same slots in the same order */
    uint32_t last_victim;
};

/* False: open() returned NULL, which is left to the caller to judge. */
bool check_state_try_open(struct check_state *state, const struct check_spec *spec);
/* open() must succeed. */
void check_state_open(struct check_state *state, const struct check_spec *spec);
void check_state_close(struct check_state *state);

/* LARDER_NO_SLOT when the key is not resident. */
uint32_t check_state_find(const struct check_state *state, uint64_t key);

void check_state_prepare(struct check_state *state, uint64_t key, uint32_t charge);
/* Evicts until such a newcomer fits. */
void check_state_make_room(struct check_state *state, uint32_t charge);
/* It fits, and is not resident. Returns its slot. */
uint32_t check_state_insert(struct check_state *state, uint64_t key, uint32_t charge);
/* The whole way of a newcomer. */
uint32_t check_state_add(struct check_state *state, uint64_t key, uint32_t charge);
void check_state_hit(struct check_state *state, uint32_t slot);
void check_state_remove(struct check_state *state, uint32_t slot);
/* Rewrites it, and evicts until all fits. */
void check_state_update(struct check_state *state, uint32_t slot, uint32_t charge);
/* LARDER_NO_SLOT: nothing was resident. */
uint32_t check_state_evict(struct check_state *state);
/* Evicts all, each of them once, and then twice nothing. */
void check_state_drain(struct check_state *state);
/* 0 when the module does not tell. */
uint64_t check_state_extra_bytes(const struct check_state *state);

#endif
