/*
 * The reserved range of a store, but for its entries: addresses for as much as the store can ever hold, of which only what
 * is in use has been touched.
 *
 *     lines of all shards | extra lines of all shards | arrays of shard 0 | arrays of shard 1 | ...
 */
#include "core/base/pages.h"
#include "core/store/cost.h"
#include "core/store/state.h"

static size_t array_size(const struct ldr_store *store, size_t element)
{
    size_t size = store->slots_max * element;
    return size >= ldr_pages_size() ? (size_t)ldr_whole_pages(size) : (size + 63) / 64 * 64;
}

/* Two halves of refs and where, then the heap's times and slots. */
static size_t half_size(const struct ldr_store *store)
{
    return 2 * array_size(store, sizeof(uint32_t));
}

static void lay_out(struct ldr_store *store, struct ldr_shard *shard, struct ldr_slots *slots, struct ldr_due *due)
{
    unsigned char *half = shard->ranges + (shard->second_half ? half_size(store) : 0);
    unsigned char *heap = shard->ranges + 2 * half_size(store);
    *slots = (struct ldr_slots){.refs = (uint32_t *)(void *)half};
    due->where = (uint32_t *)(void *)(half + array_size(store, sizeof(uint32_t)));
    due->times = (uint64_t *)(void *)heap;
    due->slots = (uint32_t *)(void *)(heap + array_size(store, sizeof(uint64_t)));
}

void ldr_ranges_turn(struct ldr_store *store, struct ldr_shard *shard, struct ldr_slots *slots, struct ldr_due *due)
{
    shard->second_half = !shard->second_half;
    lay_out(store, shard, slots, due);
}

void ldr_ranges_drop_other(struct ldr_store *store, struct ldr_shard *shard)
{
    unsigned char *other = shard->ranges + (shard->second_half ? 0 : half_size(store));
    size_t size = half_size(store);
    if (array_size(store, sizeof(uint32_t)) >= ldr_pages_size())
        ldr_pages_discard(other, size);
    else
        memset(other, 0, size);
}

uint64_t ldr_ranges_bytes(const struct ldr_store *store, const struct ldr_shard *shard)
{
    uint64_t refs = shard->slots.used * sizeof(uint32_t);
    uint64_t where = shard->due.high != 0 ? refs : 0;
    uint64_t times = shard->due.high * sizeof(uint64_t), slots = shard->due.high * sizeof(uint32_t);
    if (ldr_store_paged(store))
        return ldr_whole_pages(refs) + ldr_whole_pages(where) + ldr_whole_pages(times) + ldr_whole_pages(slots);
    return refs + where + times + slots;
}

/* Lines of one number of all shards lie side by side. */
static size_t row_size(const struct ldr_store *store)
{
    return sizeof(struct ldr_line) << store->shard_bits;
}

static void count_rows(struct ldr_store *store, uint32_t before, uint32_t now)
{
    uint64_t more = now > before ? (now - before) * (uint64_t)row_size(store) : 0;
    uint64_t less = now < before ? (before - now) * (uint64_t)row_size(store) : 0;
    ldr_budget_owe(&store->budget, more);
    ldr_budget_give(&store->budget, less);
    atomic_fetch_add_explicit(&store->owed, more - less,
                              memory_order_relaxed); /* unsigned: below zero it comes out right */
}

static void raise_rows(struct ldr_store *store, _Atomic uint32_t *rows, uint32_t now)
{
    uint32_t before = atomic_load_explicit(rows, memory_order_relaxed);
    while (now > before)
        if (atomic_compare_exchange_weak_explicit(rows, &before, now, memory_order_relaxed, memory_order_relaxed)) {
            count_rows(store, before, now);
            return;
        }
}

void ldr_ranges_account(struct ldr_store *store, const struct ldr_shard *shard)
{
    raise_rows(store, &store->rows, shard->writer.high);
    raise_rows(store, &store->extra_rows, shard->writer.extra_used);
}

static void lower_rows(struct ldr_store *store, _Atomic uint32_t *rows, uint32_t now)
{
    count_rows(store, atomic_exchange_explicit(rows, now, memory_order_relaxed), now);
}

bool ldr_ranges_open(struct ldr_store *store, uint64_t reach)
{
    uint64_t shards = ldr_store_shards(store), share = reach / shards + 1;
    uint64_t slots = share / LDR_SMALLEST + 1, lines = slots / LDR_LINE_LOAD + 2, extra = slots / LDR_EXTRA_LOAD + 2;
    if (slots >= LDR_SLOT_FREE || lines >= UINT32_MAX)
        return false;
    store->slots_max = (uint32_t)slots;
    store->lines_size = shards * lines * sizeof(struct ldr_line);
    store->slots_size = 2 * half_size(store) + array_size(store, sizeof(uint64_t)) +
                        array_size(store, sizeof(uint32_t));
    size_t extra_size = shards * extra * sizeof(struct ldr_line);
    store->slots_at = (size_t)ldr_whole_pages(store->lines_size + extra_size);
    store->ranges_size = store->slots_at + shards * store->slots_size;
    store->ranges = ldr_pages_reserve(store->ranges_size);
    if (store->ranges == NULL)
        return false;
    for (uint32_t i = 0; i < shards; i++) {
        struct ldr_shard *shard = &store->shards[i];
        struct ldr_line *first = (struct ldr_line *)(void *)store->ranges;
        shard->ranges = store->ranges + store->slots_at + i * store->slots_size;
        lay_out(store, shard, &shard->slots, &shard->due);
        ldr_index_open(&shard->writer, &shard->index, first + i, first + shards * lines + i, store->shard_bits,
                       (uint32_t)lines, (uint32_t)extra);
        shard->writer.place = store->place;
        shard->writer.seed = store->seed;
    }
    store->lines_max = (uint32_t)lines;
    store->extra_max = (uint32_t)extra;
    return true;
}

void ldr_ranges_close(struct ldr_store *store)
{
    if (store->ranges != NULL)
        ldr_pages_release(store->ranges, store->ranges_size);
}

/* Gives back what the heap of times has left over. */
void ldr_ranges_trim_due(const struct ldr_store *store, struct ldr_shard *shard)
{
    struct ldr_due *due = &shard->due;
    if (due->high < 16 || due->count > due->high / 4)
        return;
    if (array_size(store, sizeof(uint32_t)) >= ldr_pages_size()) {
        ldr_pages_discard(due->times + due->count, (due->high - due->count) * sizeof *due->times);
        ldr_pages_discard(due->slots + due->count, (due->high - due->count) * sizeof *due->slots);
    }
    due->high = due->count;
}

/* What the shards have touched of one of the two ranges of lines. */
struct touched {
    uint32_t before, now; /* the most of any shard */
};

static void see(struct touched *touched, uint32_t before, uint32_t now)
{
    touched->before = before > touched->before ? before : touched->before;
    touched->now = now > touched->now ? now : touched->now;
}

static void discard_lines(const struct ldr_store *store, struct ldr_line *lines, const struct touched *touched)
{
    size_t row = row_size(store);
    if (touched->before > touched->now)
        ldr_pages_discard((unsigned char *)lines + touched->now * row, (touched->before - touched->now) * row);
}

/* Nobody touches lines of this shard above those in use until the limits are lifted again. */
static void trim_shard(struct ldr_shard *shard, struct touched *lines, struct touched *extra)
{
    struct ldr_index_writer *writer = &shard->writer;
    ldr_spin_lock(&shard->lock);
    uint32_t high = writer->high, extra_used = writer->extra_used;
    ldr_index_trim(writer);
    writer->lines_max = writer->high;
    writer->extra_max = writer->extra_used;
    see(lines, high, writer->high);
    see(extra, extra_used, writer->extra_used);
    ldr_spin_unlock(&shard->lock);
}

/*
 * The lines of bucket b of all shards lie side by side, so that pages can only be given back from the greatest number of
 * buckets of any shard on. While it is looked for, no shard may split a bucket: one that is asked to waits for a moment.
 */
static void trim(struct ldr_store *store)
{
    struct touched lines = {0}, extra = {0};
    for (uint32_t i = 0; i < ldr_store_shards(store); i++)
        trim_shard(&store->shards[i], &lines, &extra);
    discard_lines(store, store->shards[0].index.lines, &lines);
    discard_lines(store, store->shards[0].index.extra, &extra);
    lower_rows(store, &store->rows, lines.now);
    lower_rows(store, &store->extra_rows, extra.now);
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_spin_lock(&shard->lock);
        shard->writer.lines_max = store->lines_max;
        shard->writer.extra_max = store->extra_max;
        ldr_shard_account(store, shard);
        ldr_spin_unlock(&shard->lock);
    }
}

void ldr_ranges_trim(struct ldr_store *store)
{
    if (pthread_mutex_trylock(&store->trim_lock) != 0)
        return; /* somebody is at it */
    trim(store);
    pthread_mutex_unlock(&store->trim_lock);
}

void ldr_ranges_fit(struct ldr_store *store)
{
    if (!ldr_budget_lacks(&store->budget, 0))
        return;
    pthread_mutex_lock(&store->trim_lock);
    if (ldr_budget_lacks(&store->budget, 0)) /* still */
        trim(store);
    pthread_mutex_unlock(&store->trim_lock);
}
