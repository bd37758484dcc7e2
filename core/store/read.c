/* Lookups: no lock, no allocation, no shared line written but for the hit. */
#include "core/store/state.h"

/* An entry's age; the clock is asked only for those that have a time. */
static inline enum ldr_age age_of(const struct ldr_store *store, const struct ldr_entry *entry, uint64_t now)
{
    if ((entry->flags & LDR_ENTRY_EXPIRES) == 0)
        return LDR_FRESH;
    if (now == LDR_NOW)
        now = store->clock != NULL ? store->clock(store->clock_arg) : 0;
    if ((entry->flags & LDR_ENTRY_AGING) == 0)
        return ldr_entry_expires(entry) <= now ? LDR_PAST : LDR_FRESH;
    return ldr_entry_age(entry, now);
}

/* An entry was found past its time: it goes now, unless the shard is busy. Outside the section. */
static void remove_past(struct ldr_store *store, struct ldr_shard *shard, struct larder_slice key, uint64_t hash,
                        uint64_t now)
{
    if (ldr_store_kept(store) != 0) /* it is met more than once: left to ldr_store_expire() */
        return;
    if (now == LDR_NOW)
        now = store->clock(store->clock_arg);
    if (!ldr_shard_try(shard, now))
        return;
    struct ldr_found_entry found;
    ldr_shard_find(store, shard, key, hash, now, &found);
    ldr_shard_leave(shard);
}

/* The policy hears of every hit, in order. */
static void exact_hit(struct ldr_store *store, struct ldr_shard *shard, struct larder_slice key, uint64_t hash)
{
    ldr_shard_enter(shard, 0);
    ldr_policy_hand_on(&shard->policy, &shard->slots);
    const struct ldr_entry *entry = ldr_index_find(&shard->index, store->place, key, hash, NULL);
    if (entry != NULL)
        ldr_policy_hit(&shard->policy, atomic_load_explicit(&entry->slot, memory_order_relaxed));
    ldr_shard_leave(shard);
}

/* The ring of hits is full: who finds it so empties it, unless the shard is busy. */
static void hand_on(struct ldr_shard *shard)
{
    if (!ldr_shard_try(shard, 0))
        return;
    ldr_policy_hand_on(&shard->policy, &shard->slots);
    ldr_shard_leave(shard);
}

/* Inside the section, which keeps the hits there. False: the ring is full. */
static inline bool count_hit(struct ldr_shard *shard, const struct ldr_entry *entry)
{
    struct ldr_hits *hits = atomic_load_explicit(&shard->hits, memory_order_acquire);
    return hits == NULL || ldr_hits_add(hits, atomic_load_explicit(&entry->slot, memory_order_relaxed));
}

/* What remains to be done about a lookup once the section is over. */
enum rest { NOTHING, TELL_POLICY, EXACT_HIT, EXPIRED };

static __attribute__((noinline)) void finish(struct ldr_store *store, struct ldr_shard *shard, struct larder_slice key,
                                             uint64_t hash, uint64_t now, enum rest rest)
{
    if (rest == EXPIRED)
        remove_past(store, shard, key, hash, now);
    else if (rest == EXACT_HIT)
        exact_hit(store, shard, key, hash);
    else
        hand_on(shard);
}

static inline enum rest use(const struct ldr_store *store, struct ldr_shard *shard, const struct ldr_entry *entry)
{
    if (__builtin_expect(atomic_load_explicit(&store->exact_hits, memory_order_relaxed), 0))
        return EXACT_HIT;
    return count_hit(shard, entry) ? NOTHING : TELL_POLICY;
}

static inline enum ldr_found copy_out(const struct ldr_entry *entry, struct ldr_copy *copy)
{
    copy->size = entry->value_size;
    if ((entry->flags & LDR_ENTRY_NEGATIVE) != 0)
        return LDR_FOUND_NEGATIVE;
    if (copy->size > copy->capacity)
        return LDR_FOUND_LARGER;
    memcpy(copy->buffer, ldr_entry_value_bytes(entry), copy->size);
    return LDR_FOUND;
}

/* Inside the section. Inline, so that a lookup is so short that the processor has several under way at a time. */
__attribute__((always_inline)) static inline enum rest copy_one(struct ldr_store *store, struct ldr_shard *shard,
                                                                struct ldr_copy *copy, const struct ldr_probe *probe,
                                                                unsigned ahead, uint64_t now)
{
    const struct ldr_entry *entry = ldr_index_find_at(&shard->index, probe, store->place, copy->key, ahead, NULL);
    copy->found = LDR_ABSENT;
    if (entry == NULL)
        return NOTHING;
    enum ldr_age age = age_of(store, entry, now);
    if (age == LDR_PAST)
        return EXPIRED;
    copy->found = age == LDR_FRESH ? copy_out(entry, copy) : LDR_FOUND_AGED;
    return age == LDR_FRESH ? use(store, shard, entry) : NOTHING;
}

__attribute__((flatten)) enum ldr_found ldr_store_copy(struct ldr_store *store, struct ldr_copy *copy, uint64_t now)
{
    uint64_t hash = ldr_store_hash(copy->key, store->seed);
    struct ldr_shard *shard = ldr_store_shard(store, hash);
    ldr_epoch_enter(LDR_EPOCH_STORE);
    struct ldr_probe probe = ldr_index_probe(&shard->index, hash);
    enum rest rest = copy_one(store, shard, copy, &probe, ldr_index_ahead(&shard->index), now);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    if (__builtin_expect(rest != NOTHING, 0))
        finish(store, shard, copy->key, hash, now, rest);
    return copy->found;
}

/* Inside the section. An entry that no reader can reach any more still has its pins looked at after this section. */
static inline enum rest pin_one(struct ldr_store *store, struct ldr_shard *shard, struct larder_slice key,
                                const struct ldr_probe *probe, uint64_t now, bool used, struct ldr_entry **pinned)
{
    struct ldr_entry *entry = ldr_index_find_at(&shard->index, probe, store->place, key, 0, NULL);
    *pinned = NULL;
    if (entry == NULL)
        return NOTHING;
    if (age_of(store, entry, now) == LDR_PAST)
        return EXPIRED;
    ldr_entry_pin(entry);
    *pinned = entry;
    return used ? use(store, shard, entry) : NOTHING;
}

static struct ldr_entry *look_up(struct ldr_store *store, struct larder_slice key, uint64_t now, bool used)
{
    struct ldr_entry *entry;
    uint64_t hash = ldr_store_hash(key, store->seed);
    struct ldr_shard *shard = ldr_store_shard(store, hash);
    ldr_epoch_enter(LDR_EPOCH_STORE);
    struct ldr_probe probe = ldr_index_probe(&shard->index, hash);
    enum rest rest = pin_one(store, shard, key, &probe, now, used, &entry);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    if (rest != NOTHING)
        finish(store, shard, key, hash, now, rest);
    return entry;
}

struct ldr_entry *ldr_store_get(struct ldr_store *store, struct larder_slice key, uint64_t now)
{
    return look_up(store, key, now, true);
}

struct ldr_entry *ldr_store_peek(struct ldr_store *store, struct larder_slice key, uint64_t now)
{
    return look_up(store, key, now, false);
}

/* ------------------------------------------------------------------------------------------------ batches */

/* So many lookups have their cache misses under way at a time. */
#define WINDOW 16u

struct window {
    struct ldr_probe probes[WINDOW];
    struct ldr_shard *shards[WINDOW];
    enum rest rests[WINDOW];
};

/* Asks for the entries that the line names. Inside the section. */
static inline void prefetch(const struct ldr_store *store, const struct window *window, size_t i)
{
    ldr_index_prefetch_entry(&window->probes[i], store->place, ldr_index_ahead(&window->shards[i]->index) + 1);
}

static inline void begin(struct ldr_store *store, struct window *window, size_t i, struct larder_slice key)
{
    uint64_t hash = ldr_store_hash(key, store->seed);
    window->shards[i] = ldr_store_shard(store, hash);
    window->probes[i] = ldr_index_probe(&window->shards[i]->index, hash);
    ldr_index_prefetch(&window->probes[i]);
}

static inline void end(struct ldr_store *store, struct window *window, size_t i, struct larder_slice key, uint64_t now)
{
    if (__builtin_expect(window->rests[i] != NOTHING, 0))
        finish(store, window->shards[i], key, window->probes[i].hash, now, window->rests[i]);
}

static void copy_window(struct ldr_store *store, struct ldr_copy *copies, size_t count, uint64_t now)
{
    struct window window;
    ldr_epoch_enter(LDR_EPOCH_STORE);
    for (size_t i = 0; i < count; i++)
        begin(store, &window, i, copies[i].key);
    for (size_t i = 0; i < count; i++)
        prefetch(store, &window, i);
    for (size_t i = 0; i < count; i++)
        window.rests[i] = copy_one(store, window.shards[i], &copies[i], &window.probes[i], 0, now);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    for (size_t i = 0; i < count; i++)
        end(store, &window, i, copies[i].key, now);
}

void ldr_store_copy_many(struct ldr_store *store, struct ldr_copy *copies, size_t count, uint64_t now)
{
    for (size_t i = 0; i < count; i += WINDOW)
        copy_window(store, copies + i, count - i < WINDOW ? count - i : WINDOW, now);
}

static void get_window(struct ldr_store *store, const struct larder_slice *keys, size_t count, uint64_t now,
                       struct ldr_entry **entries)
{
    struct window window;
    ldr_epoch_enter(LDR_EPOCH_STORE);
    for (size_t i = 0; i < count; i++)
        begin(store, &window, i, keys[i]);
    for (size_t i = 0; i < count; i++)
        prefetch(store, &window, i);
    for (size_t i = 0; i < count; i++)
        window.rests[i] = pin_one(store, window.shards[i], keys[i], &window.probes[i], now, true, &entries[i]);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    for (size_t i = 0; i < count; i++)
        end(store, &window, i, keys[i], now);
}

void ldr_store_get_many(struct ldr_store *store, const struct larder_slice *keys, size_t count, uint64_t now,
                        struct ldr_entry **entries)
{
    for (size_t i = 0; i < count; i += WINDOW)
        get_window(store, keys + i, count - i < WINDOW ? count - i : WINDOW, now, entries + i);
}

static void expect_window(struct ldr_store *const *stores, const struct larder_slice *keys, size_t count)
{
    struct window window;
    ldr_epoch_enter(LDR_EPOCH_STORE);
    for (size_t i = 0; i < count; i++)
        if (stores[i] != NULL)
            begin(stores[i], &window, i, keys[i]);
    for (size_t i = 0; i < count; i++)
        if (stores[i] != NULL)
            prefetch(stores[i], &window, i);
    ldr_epoch_exit(LDR_EPOCH_STORE);
}

void ldr_store_expect(struct ldr_store *const *stores, const struct larder_slice *keys, size_t count)
{
    for (size_t i = 0; i < count; i += WINDOW)
        expect_window(stores + i, keys + i, count - i < WINDOW ? count - i : WINDOW);
}
