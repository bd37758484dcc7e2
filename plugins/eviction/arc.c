/*
 * ARC: N. Megiddo and D. S. Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003, Figure 4. Entries
 * seen once lately (T1) and those seen more often (T2) stand in an LRU list each, and what leaves either is remembered as a
 * ghost (B1, B2). A ghost that is asked for says which list should have been longer, and the target for T1 moves.
 *
 * Everything by charge: where the paper moves the target by one entry, it moves by the charge of the newcomer. Ghosts make
 * room in prepare(), so that all bounds of the paper hold when the newcomer is in. Without a newcomer victims are chosen by
 * the target alone.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

enum { ONCE, OFTEN }; /* T1 and B1, T2 and B2 */

struct entry {
    uint64_t digest;
    uint32_t charge;
    uint32_t where; /* ONCE or OFTEN */
};

struct arc {
    struct larder_link *links;
    struct entry *entries; /* by slot */
    struct larder_list lists[2];
    struct larder_ghosts ghosts[2];
    uint64_t charges[2];
    uint64_t capacity;
    double target;     /* for the charge of T1: p in the paper */
    uint32_t newcomer; /* the charge of a newcomer on its way that is no ghost; 0: there is none */
    bool from_often;   /* there is one that is a ghost of B2 */
    uint64_t max_ghosts;
};

static void arc_close(void *state)
{
    struct arc *arc = state;
    larder_ghosts_free(&arc->ghosts[ONCE]);
    larder_ghosts_free(&arc->ghosts[OFTEN]);
    free(arc->links);
    free(arc->entries);
    free(arc);
}

static void *arc_open(const struct larder_eviction_env *env)
{
    struct arc *arc = calloc(1, sizeof *arc);
    if (arc == NULL)
        return NULL;
    arc->links = calloc(env->max_slots, sizeof *arc->links);
    arc->entries = calloc(env->max_slots, sizeof *arc->entries);
    arc->capacity = env->capacity;
    arc->max_ghosts = env->max_slots;
    larder_ghosts_init(&arc->ghosts[ONCE], env->max_slots, env->capacity);
    larder_ghosts_init(&arc->ghosts[OFTEN], env->max_slots, env->capacity);
    if (arc->links == NULL || arc->entries == NULL) {
        arc_close(arc);
        return NULL;
    }
    return arc;
}

/* Cases II and III: asking for a ghost moves the target towards its list, further when the other list has more ghosts. */
static void move_target(struct arc *arc, int where, double own, double other, double charge)
{
    double step = (other > own ? other / own : 1) * charge, capacity = (double)arc->capacity;
    arc->target += where == ONCE ? step : -step;
    arc->target = arc->target < 0 ? 0 : arc->target > capacity ? capacity : arc->target;
}

/* Case IV: with the newcomer T1 and B1 hold no more than the capacity, and all four no more than twice that. */
static void forget_for(struct arc *arc, uint32_t charge)
{
    struct larder_ghosts *once = &arc->ghosts[ONCE], *often = &arc->ghosts[OFTEN];
    while (once->count != 0 && arc->charges[ONCE] + once->charge + charge > arc->capacity)
        larder_ghosts_forget(once);
    uint64_t recent = arc->charges[ONCE] + once->charge + charge;
    recent = recent < arc->capacity ? recent : arc->capacity; /* T1 gives the rest */
    while (often->count != 0 && recent + arc->charges[OFTEN] + often->charge > 2 * arc->capacity)
        larder_ghosts_forget(often);
}

static void arc_prepare(void *state, const struct larder_object *object)
{
    struct arc *arc = state;
    if (larder_ghosts_is_claimed(&arc->ghosts[ONCE], object->digest))
        return; /* prepared already: the target moves once for a newcomer */
    double once = (double)arc->ghosts[ONCE].charge, often = (double)arc->ghosts[OFTEN].charge;
    bool in_once = larder_ghosts_claim(&arc->ghosts[ONCE], object->digest);
    bool in_often = larder_ghosts_claim(&arc->ghosts[OFTEN], object->digest);
    arc->from_often = in_often;
    arc->newcomer = in_once || in_often ? 0 : object->charge;
    if (in_once)
        move_target(arc, ONCE, once, often, object->charge);
    else if (in_often)
        move_target(arc, OFTEN, often, once, object->charge);
    else
        forget_for(arc, object->charge);
}

static void put_in(struct arc *arc, uint32_t slot, uint32_t where)
{
    arc->entries[slot].where = where;
    larder_list_push(&arc->lists[where], arc->links, slot);
    arc->charges[where] += arc->entries[slot].charge;
}

static void arc_remove(void *state, uint32_t slot)
{
    struct arc *arc = state;
    const struct entry *entry = &arc->entries[slot];
    larder_list_remove(&arc->lists[entry->where], arc->links, slot);
    arc->charges[entry->where] -= entry->charge;
}

static void arc_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct arc *arc = state;
    bool in_once = larder_ghosts_redeem(&arc->ghosts[ONCE], object->digest);
    bool in_often = larder_ghosts_redeem(&arc->ghosts[OFTEN], object->digest);
    arc->entries[slot] = (struct entry){.digest = object->digest, .charge = object->charge};
    put_in(arc, slot, in_once || in_often ? OFTEN : ONCE);
    arc->newcomer = 0;
    arc->from_often = false;
}

static void remember(struct arc *arc, const struct entry *entry)
{
    struct larder_ghosts *once = &arc->ghosts[ONCE], *often = &arc->ghosts[OFTEN];
    larder_ghosts_push(&arc->ghosts[entry->where], entry->digest, entry->charge);
    while ((uint64_t)once->count + often->count > arc->max_ghosts)
        larder_ghosts_forget(once->count > often->count ? once : often);
}

/* REPLACE of the paper, and the end of case IV (A): when T1 has no ghosts to give, its oldest leaves none either. */
static uint32_t arc_evict(void *state)
{
    struct arc *arc = state;
    double once = (double)arc->charges[ONCE];
    bool overfull = arc->newcomer != 0 && arc->charges[ONCE] + arc->newcomer > arc->capacity;
    bool from_once = once > arc->target || (arc->from_often && once >= arc->target);
    uint32_t where = arc->lists[ONCE].count != 0 && (from_once || arc->lists[OFTEN].count == 0) ? ONCE : OFTEN;
    if (arc->lists[where].count == 0)
        return LARDER_NO_SLOT;
    uint32_t slot = arc->lists[where].oldest - 1;
    arc_remove(arc, slot);
    if (where == OFTEN || !overfull)
        remember(arc, &arc->entries[slot]);
    return slot;
}

static void arc_hit(void *state, uint32_t slot)
{
    struct arc *arc = state;
    if (arc->entries[slot].where == OFTEN) {
        larder_list_touch(&arc->lists[OFTEN], arc->links, slot);
        return;
    }
    arc_remove(arc, slot);
    put_in(arc, slot, OFTEN);
}

static void arc_update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct arc *arc = state;
    struct entry *entry = &arc->entries[slot];
    arc->charges[entry->where] += (uint64_t)object->charge - entry->charge;
    entry->charge = object->charge;
}

static uint64_t arc_extra_bytes(const void *state)
{
    const struct arc *arc = state;
    return larder_ghosts_bytes(&arc->ghosts[ONCE]) + larder_ghosts_bytes(&arc->ghosts[OFTEN]);
}

LARDER_EVICTION("arc", "two lists, for entries seen once and more often, which share the capacity as ghosts tell", NULL,
                .hit_max = 0, .slot_bytes = sizeof(struct larder_link) + sizeof(struct entry), .open = arc_open,
                .close = arc_close, .evict = arc_evict, .insert = arc_insert, .remove = arc_remove, .hit = arc_hit,
                .prepare = arc_prepare, .update = arc_update, .extra_bytes = arc_extra_bytes);
