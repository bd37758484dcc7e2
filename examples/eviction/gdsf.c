/*
 * GDSF, Greedy-Dual-Size-Frequency: L. Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency
 * Caching Policy", HP Laboratories report HPL-98-69 (R.1), 1998. Many small entries make more hits than one large one: an
 * entry is worth its uses divided by its charge, added to what the entry that went last was worth when it came or was used,
 * so that what was popular once grows old. What is worth least goes first.
 *
 * A binary heap over the slots, with the place of each slot in it, so that any of them can be moved in O(log n).
 */
#include <larder/plugin/eviction.h>

#include <stdlib.h>

struct entry {
    double worth;
    uint64_t used; /* when: of two that are worth the same, the one used longer ago goes first */
    uint32_t uses, charge;
    uint32_t place; /* in the heap */
};

struct gdsf {
    struct entry *entries; /* by slot */
    uint32_t *heap;        /* slots; none is worth less than its parent */
    uint32_t count;
    double age; /* what the one that went last was worth */
    uint64_t clock;
};

static void gdsf_close(void *state)
{
    struct gdsf *gdsf = state;
    free(gdsf->entries);
    free(gdsf->heap);
    free(gdsf);
}

static void *gdsf_open(const struct larder_eviction_env *env)
{
    struct gdsf *gdsf = calloc(1, sizeof *gdsf);
    if (gdsf == NULL)
        return NULL;
    gdsf->entries = calloc(env->max_slots, sizeof *gdsf->entries);
    gdsf->heap = calloc(env->max_slots, sizeof *gdsf->heap);
    if (gdsf->entries == NULL || gdsf->heap == NULL) {
        gdsf_close(gdsf);
        return NULL;
    }
    return gdsf;
}

static bool goes_before(const struct gdsf *gdsf, uint32_t slot, uint32_t other)
{
    const struct entry *a = &gdsf->entries[slot], *b = &gdsf->entries[other];
    return a->worth < b->worth || (a->worth <= b->worth && a->used < b->used);
}

static void place(struct gdsf *gdsf, uint32_t slot, uint32_t at)
{
    gdsf->heap[at] = slot;
    gdsf->entries[slot].place = at;
}

/* Finds the place of a slot from `at` on, where there is a hole: up, or else down. */
static void settle(struct gdsf *gdsf, uint32_t slot, uint32_t at)
{
    while (at > 0 && goes_before(gdsf, slot, gdsf->heap[(at - 1) / 2])) {
        place(gdsf, gdsf->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    for (uint64_t child; (child = 2 * (uint64_t)at + 1) < gdsf->count; at = (uint32_t)child) {
        if (child + 1 < gdsf->count && goes_before(gdsf, gdsf->heap[child + 1], gdsf->heap[child]))
            child++;
        if (!goes_before(gdsf, gdsf->heap[child], slot))
            break;
        place(gdsf, gdsf->heap[child], at);
    }
    place(gdsf, slot, at);
}

static double share(const struct entry *entry)
{
    return (double)entry->uses / entry->charge;
}

static void use(struct gdsf *gdsf, uint32_t slot)
{
    struct entry *entry = &gdsf->entries[slot];
    if (entry->uses != UINT32_MAX)
        entry->uses++;
    entry->worth = gdsf->age + share(entry);
    entry->used = gdsf->clock++;
    settle(gdsf, slot, entry->place);
}

static void gdsf_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct gdsf *gdsf = state;
    gdsf->entries[slot] = (struct entry){.charge = object->charge, .place = gdsf->count};
    gdsf->heap[gdsf->count++] = slot;
    use(gdsf, slot);
}

static void gdsf_hit(void *state, uint32_t slot)
{
    struct gdsf *gdsf = state;
    use(gdsf, slot);
}

static void gdsf_remove(void *state, uint32_t slot)
{
    struct gdsf *gdsf = state;
    uint32_t hole = gdsf->entries[slot].place, last = gdsf->heap[--gdsf->count];
    if (last != slot)
        settle(gdsf, last, hole);
}

static uint32_t gdsf_evict(void *state)
{
    struct gdsf *gdsf = state;
    if (gdsf->count == 0)
        return LARDER_NO_SLOT;
    uint32_t slot = gdsf->heap[0];
    gdsf->age = gdsf->entries[slot].worth;
    gdsf_remove(gdsf, slot);
    return slot;
}

/* Not a use: only the size has changed. */
static void gdsf_update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct gdsf *gdsf = state;
    struct entry *entry = &gdsf->entries[slot];
    entry->worth -= share(entry);
    entry->charge = object->charge;
    entry->worth += share(entry);
    settle(gdsf, slot, entry->place);
}

LARDER_EVICTION("gdsf", "what was used least for its size goes first, and the old before the new", NULL, .hit_max = 0,
                .slot_bytes = sizeof(struct entry) + sizeof(uint32_t), .open = gdsf_open, .close = gdsf_close,
                .evict = gdsf_evict, .insert = gdsf_insert, .remove = gdsf_remove, .hit = gdsf_hit,
                .update = gdsf_update);
