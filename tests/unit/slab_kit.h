/*
 * A heap with a slab, and a model of what lies in it. The test drives it as a store does: take, collect, need, compact.
 */
#ifndef TESTS_UNIT_SLAB_KIT_H
#define TESTS_UNIT_SLAB_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>

#include "core/base/epoch.h"
#include "core/store/slab_state.h"

#define NO_ITEM UINT32_MAX

struct item {
    _Atomic uint32_t ref; /* 0: not there */
    uint32_t size;        /* of the entry */
    uint64_t id;          /* from which its bytes are made */
};

struct world {
    struct ldr_budget budget;
    struct ldr_heap *heap;
    struct ldr_place place;
    struct ldr_slab *slab;
    struct item *items; /* an entry's slot is the number of its item */
    uint32_t capacity, hand;
    uint64_t live, live_bytes; /* entries; bytes of their cells */
    uint64_t next_id, random;
    uint64_t evicted, moved, moved_bytes, graces, compactions;
};

static inline uint64_t draw(struct world *world)
{
    world->random += UINT64_C(0x9e3779b97f4a7c15);
    return ldr_mix(world->random);
}

static inline struct world *open_world(uint64_t limit, uint64_t quota, uint32_t capacity)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    atomic_init(&world->budget.limit, limit);
    struct ldr_heap_options options = {.reach = limit, .quota = quota, .huge = true};
    world->heap = ldr_heap_open(&options, &world->budget);
    assert_non_null(world->heap);
    world->place = ldr_heap_place(world->heap);
    world->slab = ldr_slab_open(world->heap);
    assert_non_null(world->slab);
    world->items = calloc(capacity, sizeof *world->items);
    assert_non_null(world->items);
    world->capacity = capacity;
    return world;
}

static inline struct ldr_entry *entry_of(const struct world *world, uint32_t number)
{
    return ldr_entry_at(world->place, atomic_load_explicit(&world->items[number].ref, memory_order_relaxed));
}

/* ---- contents */

/* The smallest entry that has an id for a key. */
#define LEAST_ENTRY (LDR_ENTRY_HEADER + sizeof(uint64_t))

static inline void write_entry(struct ldr_entry *entry, uint32_t number, uint64_t id, size_t size)
{
    size_t value = size - LEAST_ENTRY;
    unsigned char *bytes = malloc(value + 1);
    assert_non_null(bytes);
    memset(bytes, (int)(id % 251), value);
    struct ldr_put put = {.key = ldr_slice(&id, sizeof id), .value = ldr_slice(bytes, value), .expires = UINT64_MAX};
    assert_int_equal(ldr_entry_bytes_of(&put, ldr_entry_layout(&put)), size);
    ldr_entry_write(entry, &put, ldr_entry_layout(&put), number);
    assert_int_equal(atomic_exchange(&entry->pins, 0), LDR_ENTRY_NEW);
    free(bytes);
}

/* Whether an entry is whole. *id is its key. */
static inline bool entry_is_whole(const struct ldr_entry *entry, uint64_t *id)
{
    struct larder_slice key = ldr_entry_key(entry), value = ldr_entry_value(entry);
    if (key.size != sizeof *id)
        return false;
    memcpy(id, key.data, sizeof *id);
    const unsigned char *bytes = value.data;
    for (size_t i = 0; i < value.size; i++)
        if (bytes[i] != *id % 251)
            return false;
    return true;
}

static inline void check_item(const struct world *world, uint32_t number)
{
    const struct item *item = &world->items[number];
    uint64_t id;
    assert_true(entry_is_whole(entry_of(world, number), &id));
    assert_int_equal(id, item->id);
    assert_int_equal(ldr_entry_size(entry_of(world, number)), item->size);
    assert_int_equal(atomic_load(&entry_of(world, number)->slot), number);
}

static inline void check_contents(const struct world *world)
{
    for (uint32_t i = 0; i < world->capacity; i++)
        if (atomic_load(&world->items[i].ref) != 0)
            check_item(world, i);
}

/* ---- accounts */

struct sums {
    uint64_t grains, leaving, units[LDR_CELL_STATES];
};

static inline void add_ring(const struct ldr_slab *slab, uint32_t head, uint32_t class, struct sums *sums)
{
    uint32_t number = head, free = 0, retired = 0, spans = 0;
    while (number != 0) {
        const struct ldr_span *span = ldr_heap_span(slab->heap, number);
        assert_int_equal(ldr_span_gives(span), class != LDR_CLASS_LARGE);
        assert_false(ldr_span_is_empty(span));
        assert_true(class == LDR_CLASS_LARGE || span->class == class);
        assert_int_equal(ldr_heap_span(slab->heap, span->next)->previous, number);
        sums->grains += span->grains;
        sums->leaving += ldr_span_is_leaving(span) ? span->grains : 0;
        for (unsigned state = 0; state < LDR_CELL_STATES; state++)
            sums->units[state] += (uint64_t)span->count[state] * ldr_span_units(slab->heap, span);
        spans++;
        free += span->count[LDR_CELL_FREE];
        retired += span->count[LDR_CELL_RETIRED];
        number = span->next == head ? 0 : span->next;
    }
    if (class == LDR_CLASS_LARGE)
        return;
    assert_int_equal(slab->classes[class].spans, spans);
    assert_int_equal(slab->classes[class].free, free);
    assert_true(slab->classes[class].retired >= retired); /* full spans have some, too */
}

/* All counters of a slab against its spans. */
static inline struct sums check_slab(const struct ldr_slab *slab)
{
    struct sums sums = {0};
    for (uint32_t i = 0; i < slab->heap->sizes.classes; i++)
        add_ring(slab, slab->classes[i].partial, i, &sums);
    add_ring(slab, slab->others, LDR_CLASS_LARGE, &sums);
    assert_int_equal(slab->grains, sums.grains);
    assert_int_equal(slab->leaving, sums.leaving);
    for (unsigned state = 0; state < LDR_CELL_STATES; state++)
        assert_int_equal(slab->units[state], sums.units[state]);
    return sums;
}

/* The budget is what spans hold and what is kept, to the byte, and never over its limit. */
static inline void check_budget(const struct world *world)
{
    struct ldr_slab_bytes bytes = ldr_slab_bytes(world->slab);
    uint64_t kept = atomic_load(&world->heap->kept_bytes), used = ldr_budget_used(&world->budget);
    assert_int_equal(used, bytes.spans - bytes.pinned + kept);
    assert_true(bytes.spans >= bytes.free + bytes.retired + bytes.pinned + world->live_bytes);
    assert_true(used <= ldr_budget_limit(&world->budget));
}

/* ---- what a store does */

static inline void drop(struct world *world, uint32_t number)
{
    struct item *item = &world->items[number];
    ldr_ref ref = atomic_load_explicit(&item->ref, memory_order_relaxed);
    world->live--;
    world->live_bytes -= ldr_slab_cell_of(world->heap, ref);
    atomic_store_explicit(&item->ref, 0, memory_order_relaxed);
    ldr_slab_retire(world->slab, ref);
}

/* The item whose turn it is, in a fixed order; NO_ITEM: nothing is there. */
static inline uint32_t oldest(struct world *world)
{
    for (uint32_t i = 0; i < world->capacity; i++) {
        world->hand = world->hand + 1 < world->capacity ? world->hand + 1 : 0;
        if (atomic_load_explicit(&world->items[world->hand].ref, memory_order_relaxed) != 0)
            return world->hand;
    }
    return NO_ITEM;
}

static inline bool evict(struct world *world)
{
    uint32_t victim = world->live == 0 ? NO_ITEM : oldest(world);
    if (victim == NO_ITEM)
        return false;
    drop(world, victim);
    world->evicted++;
    return true;
}

static inline bool is_live(void *arg, ldr_ref ref)
{
    const struct world *world = arg;
    uint32_t number = atomic_load_explicit(&ldr_entry_at(world->place, ref)->slot, memory_order_relaxed);
    return number < world->capacity && atomic_load_explicit(&world->items[number].ref, memory_order_relaxed) == ref;
}

static inline void moved(void *arg, ldr_ref from, ldr_ref to)
{
    struct world *world = arg;
    uint32_t number = atomic_load_explicit(&ldr_entry_at(world->place, to)->slot, memory_order_relaxed);
    struct item *item = &world->items[number];
    assert_int_equal(atomic_load_explicit(&item->ref, memory_order_relaxed), from);
    atomic_store_explicit(&item->ref, to, memory_order_release);
    world->live_bytes += ldr_slab_cell_of(world->heap, to) - ldr_slab_cell_of(world->heap, from);
    world->moved++;
    world->moved_bytes += item->size;
}

static inline bool compact(struct world *world, size_t bytes)
{
    const struct ldr_mover mover = {is_live, moved, world};
    return ldr_slab_compact(world->slab, bytes, &mover);
}

/* Does what the slab says it needs. False: there is nothing left to evict. */
static inline bool make_room(struct world *world, size_t size)
{
    if (ldr_slab_collect(world->slab))
        return true;
    switch (ldr_slab_need(world->slab, size)) {
    case LDR_NEED_GRACE:
        world->graces++;
        if (!ldr_epoch_advance(LDR_EPOCH_STORE, true))
            sched_yield(); /* a reader is inside */
        return true;
    case LDR_NEED_COMPACT: world->compactions++; return compact(world, 4096) || evict(world);
    default: return evict(world);
    }
}

/* Stores an entry as item `number`, evicting as need be. */
static inline bool put(struct world *world, uint32_t number, size_t size)
{
    struct item *item = &world->items[number];
    if (atomic_load_explicit(&item->ref, memory_order_relaxed) != 0)
        drop(world, number);
    ldr_ref ref;
    while ((ref = ldr_slab_take(world->slab, size)) == 0)
        if (!make_room(world, size))
            return false;
    item->id = world->next_id++;
    item->size = (uint32_t)size;
    write_entry(ldr_entry_at(world->place, ref), number, item->id, size);
    atomic_store_explicit(&item->ref, ref, memory_order_release);
    world->live++;
    world->live_bytes += ldr_slab_cell_of(world->heap, ref);
    return true;
}

/* Lets everything that is retired come free. */
static inline void settle(struct world *world)
{
    do {
        ldr_epoch_advance(LDR_EPOCH_STORE, true);
        ldr_epoch_advance(LDR_EPOCH_STORE, true);
    } while (ldr_slab_collect(world->slab) || ldr_slab_bytes(world->slab).retired > 0);
}

/* The budget has everything back. */
static inline void close_world(struct world *world)
{
    check_slab(world->slab);
    ldr_slab_close(world->slab);
    ldr_heap_close(world->heap);
    assert_int_equal(ldr_budget_used(&world->budget), 0);
    free(world->items);
    free(world);
}

#endif
