/* A random walk of a box through everything that its host may call. */
#ifndef EVICTION_WALK_H
#define EVICTION_WALK_H

#include "tests/unit/eviction_kit.h"

enum { WALK_CHARGE_MAX = 60 };

/* A resident key, from a random place on; BOX_KEYS when there is none. */
static inline uint32_t box_some(const struct box *box, uint32_t from)
{
    for (uint32_t i = 0; i < BOX_KEYS; i++)
        if (box->slot_of[(from + i) % BOX_KEYS] != 0)
            return (from + i) % BOX_KEYS;
    return BOX_KEYS;
}

/* The same walk for the same box. What comes back of it is checked by the box. */
static inline void box_walk(struct box *box, uint32_t steps)
{
    uint64_t random = 42;
    uint32_t most = box->capacity < WALK_CHARGE_MAX ? (uint32_t)box->capacity : WALK_CHARGE_MAX;
    for (uint32_t step = 0; step < steps; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint32_t dice = (uint32_t)(random >> 33) % 100, number = (uint32_t)(random >> 45);
        uint32_t key = number % (number % 3 == 0 ? 4 * box->slots : box->slots), charge = 1 + number / 7 % most;
        uint32_t some = dice >= 80 ? box_some(box, key) : BOX_KEYS;
        if (dice < 80 || some == BOX_KEYS) {
            box_use(box, key, charge);
        } else if (dice < 84) {
            box_remove(box, some);
        } else if (dice < 88) {
            box_update(box, some, charge);
        } else if (dice < 92) { /* unannounced */
            while (box->slot_of[key] == 0 && (box->used + charge > box->capacity || box->frees == 0))
                box_evict(box);
            if (box->slot_of[key] == 0)
                box_insert(box, key, charge);
        } else if (dice < 96) { /* does not come */
            if (box->slot_of[key] == 0)
                box_prepare(box, key, charge);
        } else {
            box_evict(box);
        }
    }
}

#endif
