/* The index: finding where the short way does not, and growing and shrinking by a bucket. Why it works: see index.h. */
#include "core/store/chain.h"

/* Buckets are split above so many entries a bucket on the mean, and merged below so many, with one bucket less. */
#define SPLIT_LOAD 7u
#define MERGE_LOAD 6u

struct ldr_entry *ldr_index_find_anywhere(const struct ldr_index *index, struct ldr_place place,
                                          struct larder_slice key, uint64_t hash, ldr_ref *ref)
{
    uint64_t state = atomic_load_explicit(&index->state, memory_order_acquire), seen;
    do {
        seen = state;
        const struct ldr_line *line = ldr_index_line(index, seen, hash);
        while (line != NULL) {
            struct ldr_entry *entry = ldr_index_search(line, place, key, hash, 0, ref);
            if (entry != NULL)
                return entry;
            uint32_t next = ldr_line_next(line);
            line = next == 0 ? NULL : ldr_index_extra(index, next);
        }
        state = atomic_load_explicit(&index->state, memory_order_acquire); /* as in ldr_index_find_at() */
    } while (state != seen);
    return NULL;
}

/* ---- growing and shrinking by a bucket */

/* The bucket that bucket number `bucket` was split from, which has all its bits but the highest. */
static uint32_t parent_of(uint32_t bucket)
{
    return bucket & ~(UINT32_C(1) << (31 - __builtin_clz(bucket)));
}

/* Asks for the keys of a chain, each of which may be a miss of the cache. */
static void prefetch_keys(const struct ldr_index_writer *writer, struct ldr_line *line)
{
    for (struct ldr_cursor at = {line, 0}; ldr_chain_entry(writer, &at); at.i++) {
        const char *entry = (const char *)ldr_entry_at(writer->place, ldr_cursor_ref(at));
        __builtin_prefetch(entry);
        __builtin_prefetch(entry + 32); /* the end of a short key, which may be in the next line */
    }
}

/* Copies the entries of a chain whose hash has `bit` to an empty one. False: no line is left, and nothing was copied. */
static bool copy_half(struct ldr_index_writer *writer, struct ldr_line *source, struct ldr_line *target, uint32_t bit)
{
    struct ldr_cursor from = {source, 0}, to = {target, 0};
    for (; ldr_chain_entry(writer, &from); from.i++) {
        if ((ldr_index_hash_of(writer, ldr_cursor_ref(from)) & bit) == 0)
            continue;
        if (!ldr_chain_hole(writer, &to)) {
            ldr_chain_wipe(writer, target);
            return false;
        }
        ldr_cursor_put(to, ldr_cursor_tag(from), ldr_cursor_ref(from));
    }
    return true;
}

/* Splits the bucket whose turn it is. When no line is left for that it is no harm: chains are longer. */
static void split(struct ldr_index_writer *writer)
{
    uint32_t bucket = ldr_index_buckets(ldr_index_state(writer));
    uint32_t parent = parent_of(bucket);
    struct ldr_line *source = ldr_index_bucket(writer->index, parent);
    struct ldr_line *target = ldr_index_bucket(writer->index, bucket);
    if (bucket >= writer->high)
        writer->high = bucket + 1;
    prefetch_keys(writer, source);
    if (!copy_half(writer, source, target, parent ^ bucket))
        return;
    ldr_index_publish(writer, bucket + 1);
    /* The new chain has in the same order what has to go from the old one. */
    struct ldr_cursor from = {source, 0}, to = {target, 0};
    for (; ldr_chain_entry(writer, &to); to.i++) {
        ldr_chain_ref(writer, &from, ldr_cursor_ref(to));
        ldr_cursor_clear(from);
    }
    ldr_chain_compact(writer, source);
}

static uint32_t chain_count(const struct ldr_index_writer *writer, struct ldr_line *line)
{
    uint32_t count = 0;
    for (struct ldr_cursor at = {line, 0}; ldr_chain_entry(writer, &at); at.i++)
        count++;
    return count;
}

/* Extra lines of a chain of `count` entries. */
static uint32_t extra_of(uint32_t count)
{
    return count == 0 ? 0 : (count - 1) / LDR_LINE_REFS;
}

/* Merges the last bucket with the one it was split from. When no line is left for that, a later removal will. */
static void merge(struct ldr_index_writer *writer)
{
    uint32_t bucket = ldr_index_buckets(ldr_index_state(writer)) - 1;
    struct ldr_line *source = ldr_index_bucket(writer->index, bucket);
    struct ldr_line *target = ldr_index_bucket(writer->index, parent_of(bucket));
    uint32_t there = chain_count(writer, target), both = there + chain_count(writer, source);
    if (!ldr_chain_spare(writer, extra_of(both) - extra_of(there)))
        return;
    struct ldr_cursor from = {source, 0}, to = {target, 0};
    for (; ldr_chain_entry(writer, &from); from.i++) {
        ldr_chain_hole(writer, &to); /* there is one, as the lines were counted */
        ldr_cursor_put(to, ldr_cursor_tag(from), ldr_cursor_ref(from));
    }
    ldr_index_publish(writer, bucket);
    ldr_chain_wipe(writer, source);
}

/* ---- the interface */

void ldr_index_open(struct ldr_index_writer *writer, struct ldr_index *index, struct ldr_line *lines,
                    struct ldr_line *extra, uint32_t shard_bits, uint32_t lines_max, uint32_t extra_max)
{
    index->lines = lines;
    index->extra = extra;
    index->shard_bits = shard_bits;
    atomic_init(&index->state, ldr_index_state_with(1, 0));
    writer->index = index;
    writer->count = 0;
    writer->high = 1;
    writer->extra_used = 0;
    writer->extra_free = 0;
    writer->lines_max = lines_max;
    writer->extra_max = extra_max;
}

/* Where a reference is that is there: as a rule in the bucket's own line, under its tag. */
static struct ldr_cursor find_ref(const struct ldr_index_writer *writer, struct ldr_line *line, uint64_t hash,
                                  ldr_ref ref)
{
    struct ldr_cursor at = {line, ldr_index_ref_in(line, hash, ref)};
    if (at.i < LDR_LINE_REFS)
        return at;
    at.i = 0;
    ldr_chain_ref(writer, &at, ref);
    return at;
}

bool ldr_index_insert(struct ldr_index_writer *writer, uint64_t hash, ldr_ref ref)
{
    struct ldr_cursor at = {ldr_index_line_now(writer, hash), 0};
    at.i = ldr_line_hole(at.line);
    if (at.i == LDR_LINE_REFS && !ldr_chain_hole(writer, &at))
        return false;
    ldr_cursor_put(at, ldr_hash_tag(hash), ref);
    writer->count++;
    uint32_t buckets = ldr_index_buckets(ldr_index_state(writer));
    if (writer->count > (uint64_t)buckets * SPLIT_LOAD && buckets < writer->lines_max)
        split(writer);
    return true;
}

void ldr_index_replace_behind(struct ldr_index_writer *writer, uint64_t hash, ldr_ref from, ldr_ref to)
{
    ldr_cursor_set_ref(find_ref(writer, ldr_index_line_now(writer, hash), hash, from), to);
}

void ldr_index_remove(struct ldr_index_writer *writer, uint64_t hash, ldr_ref ref)
{
    struct ldr_line *line = ldr_index_line_now(writer, hash);
    ldr_cursor_clear(find_ref(writer, line, hash, ref));
    if (ldr_chain_next(line) != 0)
        ldr_chain_compact(writer, line);
    writer->count--;
    uint32_t buckets = ldr_index_buckets(ldr_index_state(writer));
    if (buckets > 1 && writer->count < (uint64_t)(buckets - 1) * MERGE_LOAD)
        merge(writer);
}

void ldr_index_walk(const struct ldr_index_writer *writer, void (*each)(void *arg, ldr_ref ref), void *arg)
{
    uint32_t buckets = ldr_index_buckets(ldr_index_state(writer));
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        struct ldr_cursor at = {ldr_index_bucket(writer->index, bucket), 0};
        for (; ldr_chain_entry(writer, &at); at.i++)
            each(arg, ldr_cursor_ref(at));
    }
}
