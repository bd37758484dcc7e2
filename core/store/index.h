/*
 * The index of one shard: from a key's hash to the reference of its entry. Linear hashing (W. Litwin, "Linear hashing: a
 * new tool for file and table addressing", VLDB 1980) over lines of 64 bytes, one cache line each: it grows and shrinks by
 * one bucket at a time, and nothing is ever copied as a whole.
 *
 * Bucket b of shard s is line (b << shard_bits | s) of one reserved range, so that all shards together fill it from its
 * start. A bucket with more than 12 entries goes on in lines of a second range, laid out in the same way. With 7 entries a
 * bucket on the mean an entry costs 9.6 to 10 bytes, and a hit looks at 1.01 to 1.04 lines: what of it depends on how far
 * the buckets have been split since there were half as many.
 *
 * One writer at a time (the shard's lock); any number of readers, which take no lock and write nothing.
 *
 * Why a key that is there all the time is found. An entry that changes its place (a bucket is split or merged, a hole is
 * filled, a line is taken out of a chain) is first written where it will be, then `state` gets a new count of changes, and
 * only then the old place is overwritten, all of it with release stores. A reader loads `state`, looks through the lines
 * of its bucket, and when the key was not there loads `state` again, all of it with acquire loads. The first load shows it
 * the entry where it was after that change. When it does not meet it there, something it loaded on the way (a tag, a
 * reference, or the link to the next line) had been overwritten after a later change; having acquired that store it
 * cannot load the old state again. So it sees another state and starts over. (The count of changes starts again after 2^26:
 * a reader would have to be stopped for exactly so many changes, within a section that holds back all memory meanwhile.)
 *
 * A line may be used for another bucket at once, and so may a hole: what a reader finds it compares with the key, and what
 * it misses it looks for again. The entry that a reader finds may have been unlinked just now; its memory stays as it was
 * until the reader's section ends. A removed key is not found by anyone who knows of the removal, as its reference was
 * overwritten in the only place that had it.
 */
#ifndef LDR_STORE_INDEX_H
#define LDR_STORE_INDEX_H

#include "core/store/hash.h"
#include "core/store/line.h"

/* What readers need of the index of a shard; lies in the shard's line for readers. */
struct ldr_index {
    _Atomic uint64_t
        state; /* buckets << 32 | changes << 6 | the number of zero bits above the highest one of `buckets` */
    struct ldr_line *lines; /* of this shard: bucket b is lines[b << shard_bits] */
    struct ldr_line *extra; /* likewise */
    uint32_t shard_bits;
    _Atomic uint32_t ahead; /* cache lines of an entry of the usual size, after the first: what is worth asking for */
};

/* The writer's part. */
struct ldr_index_writer {
    struct ldr_index *index;
    struct ldr_place place;
    uint64_t seed;  /* of ldr_store_hash() */
    uint32_t count; /* entries */
    uint32_t high;  /* buckets below this have been touched since ldr_index_trim(); all lines from it on are zero */
    uint32_t extra_used; /* the same of the extra lines */
    uint32_t extra_free; /* the first free extra line below that, plus 1 */
    uint32_t lines_max;  /* buckets that the range has room for */
    uint32_t extra_max;
};

/*
 * One bucket, empty. The ranges are zeroed; members `place` and `seed` are set by the caller. With room for a twelfth of
 * the entries, plus 1, the extra lines never run out, whatever the keys are.
 */
void ldr_index_open(struct ldr_index_writer *writer, struct ldr_index *index, struct ldr_line *lines,
                    struct ldr_line *extra, uint32_t shard_bits, uint32_t lines_max, uint32_t extra_max);

/*
 * For readers, inside a section of LDR_EPOCH_STORE, and for the writer: the entry of a key, NULL when it is not there.
 * *ref may be NULL.
 */
static inline struct ldr_entry *ldr_index_find(const struct ldr_index *index, struct ldr_place place,
                                               struct larder_slice key, uint64_t hash, ldr_ref *ref);

/* The same in steps. First: where to look for a hash. */
struct ldr_probe {
    uint64_t hash, state;
    const struct ldr_line *line;
};
static inline struct ldr_probe ldr_index_probe(const struct ldr_index *index, uint64_t hash);

/* How much of an entry to ask for, in cache lines after the first. */
static inline uint32_t ldr_index_ahead(const struct ldr_index *index);

/* In batches: asks for that line, */
static inline void ldr_index_prefetch(const struct ldr_probe *probe);

/* then, when it has arrived, for the first `lines` cache lines of the entries it names, as a rule of one. */
static inline void ldr_index_prefetch_entry(const struct ldr_probe *probe, struct ldr_place place, unsigned lines);

/*
 * At last: the entry, as of ldr_index_find(). Asks for `ahead` more cache lines of it, two at least, before its first one has
 * come, which says where the value begins: otherwise they would be waited for one after the other. With 2 a lookup that copies a value
 * of 100 bytes takes a quarter less time. Inline in any case, as it is the whole of a get.
 */
static inline struct ldr_entry *ldr_index_find_at(const struct ldr_index *index, const struct ldr_probe *probe,
                                                  struct ldr_place place, struct larder_slice key, unsigned ahead,
                                                  ldr_ref *ref);

/*
 * All below: the writer. An entry whose key is not there. May split a bucket, for which it reads the keys of that bucket.
 * False: the ranges are full (nothing has changed).
 */
bool ldr_index_insert(struct ldr_index_writer *writer, uint64_t hash, ldr_ref ref);

/* Puts another reference in the place of one that is there, in one store: a reader finds the one or the other. */
static inline void ldr_index_replace(struct ldr_index_writer *writer, uint64_t hash, ldr_ref from, ldr_ref to);

/* Takes a reference out that is there. May merge a bucket, for which no entry is read. */
void ldr_index_remove(struct ldr_index_writer *writer, uint64_t hash, ldr_ref ref);

/* Lines of both ranges that this shard has touched: `high` and `extra_used`. The budget counts them. */
static inline uint32_t ldr_index_lines(const struct ldr_index_writer *writer)
{
    return writer->high + writer->extra_used;
}

/*
 * Lowers `high` and `extra_used` to what is needed now; it packs the extra lines for that, in a time that follows their
 * number. What is above is zero and may be discarded, page by page, once no shard needs a page; never while a writer of
 * these shards is at work. Readers may be: to them a page discarded is a page of zeros, as it was.
 */
void ldr_index_trim(struct ldr_index_writer *writer);

/* Calls `each` for all references, in no order. `each` must not change the index. */
void ldr_index_walk(const struct ldr_index_writer *writer, void (*each)(void *arg, ldr_ref ref), void *arg);

/* ---- inline */

static inline uint32_t ldr_index_buckets(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static inline struct ldr_line *ldr_index_bucket(const struct ldr_index *index, uint32_t bucket)
{
    return &index->lines[(size_t)bucket << index->shard_bits];
}

/* The extra line with a number, which is at least 1. */
static inline struct ldr_line *ldr_index_extra(const struct ldr_index *index, uint32_t number)
{
    return &index->extra[(size_t)(number - 1) << index->shard_bits];
}

/* The line of a hash. */
static inline struct ldr_line *ldr_index_line(const struct ldr_index *index, uint64_t state, uint64_t hash)
{
    uint64_t mask = UINT64_MAX >> (state & 63);
    uint64_t bucket = hash & mask;
    uint64_t parent = bucket & mask >> 1;
    return ldr_index_bucket(index, (uint32_t)(bucket < ldr_index_buckets(state) ? bucket : parent));
}

/* Asks for what follows the first line of an entry: two lines in any case, without a loop, as that is the usual size. */
static inline void ldr_index_prefetch_more(const struct ldr_entry *entry, unsigned ahead)
{
    const char *line = (const char *)entry;
    __builtin_prefetch(line + sizeof(struct ldr_line));
    __builtin_prefetch(line + 2 * sizeof(struct ldr_line));
    for (size_t i = 3; i <= ahead; i++)
        __builtin_prefetch(line + i * sizeof(struct ldr_line));
}

/* The entry of a key, when this line names it. NULL: it does not. */
__attribute__((always_inline)) static inline struct ldr_entry *ldr_index_search(const struct ldr_line *line,
                                                                                struct ldr_place place,
                                                                                struct larder_slice key, uint64_t hash,
                                                                                unsigned ahead, ldr_ref *ref)
{
    for (uint64_t m = ldr_line_matches(line, ldr_hash_tag(hash)); m != 0; m &= m - 1) {
        ldr_ref found = ldr_line_ref(line, ldr_line_match(m));
        struct ldr_entry *entry = ldr_entry_at(place, found);
        ldr_index_prefetch_more(entry, ahead);
        if (found != 0 && ldr_entry_is(entry, key)) {
            if (ref != NULL)
                *ref = found;
            return entry;
        }
    }
    return NULL;
}

static inline uint32_t ldr_index_ahead(const struct ldr_index *index)
{
    return atomic_load_explicit(&index->ahead, memory_order_relaxed);
}

static inline struct ldr_probe ldr_index_probe(const struct ldr_index *index, uint64_t hash)
{
    uint64_t state = atomic_load_explicit(&index->state, memory_order_acquire);
    return (struct ldr_probe){hash, state, ldr_index_line(index, state, hash)};
}

static inline void ldr_index_prefetch(const struct ldr_probe *probe)
{
    __builtin_prefetch(probe->line);
}

static inline void ldr_index_prefetch_entry(const struct ldr_probe *probe, struct ldr_place place, unsigned lines)
{
    for (uint64_t m = ldr_line_matches(probe->line, ldr_hash_tag(probe->hash)); m != 0; m &= m - 1) {
        const char *entry = (const char *)ldr_entry_at(place, ldr_line_ref(probe->line, ldr_line_match(m)));
        for (unsigned i = 0; i < lines; i++)
            __builtin_prefetch(entry + (size_t)i * sizeof *probe->line);
    }
}

/* The whole of a find: through all lines of the bucket, and again when the state has changed. */
struct ldr_entry *ldr_index_find_anywhere(const struct ldr_index *index, struct ldr_place place,
                                          struct larder_slice key, uint64_t hash, ldr_ref *ref);

__attribute__((always_inline)) static inline struct ldr_entry *
ldr_index_find_at(const struct ldr_index *index, const struct ldr_probe *probe, struct ldr_place place,
                  struct larder_slice key, unsigned ahead, ldr_ref *ref)
{
    struct ldr_entry *entry = ldr_index_search(probe->line, place, key, probe->hash, ahead, ref);
    if (entry != NULL)
        return entry;
    /* The second look at the state comes after all loads above, which are acquires. */
    if (ldr_line_next(probe->line) == 0 && atomic_load_explicit(&index->state, memory_order_acquire) == probe->state)
        return NULL;
    return ldr_index_find_anywhere(index, place, key, probe->hash, ref);
}

__attribute__((always_inline)) static inline struct ldr_entry *ldr_index_find(const struct ldr_index *index,
                                                                              struct ldr_place place,
                                                                              struct larder_slice key, uint64_t hash,
                                                                              ldr_ref *ref)
{
    struct ldr_probe probe = ldr_index_probe(index, hash);
    return ldr_index_find_at(index, &probe, place, key, 0, ref);
}

/* Which reference of a line this one is; LDR_LINE_REFS: none. */
static inline unsigned ldr_index_ref_in(const struct ldr_line *line, uint64_t hash, ldr_ref ref)
{
    for (uint64_t m = ldr_line_matches(line, ldr_hash_tag(hash)); m != 0; m &= m - 1) {
        unsigned i = ldr_line_match(m);
        if (ldr_line_ref(line, i) == ref)
            return i;
    }
    return LDR_LINE_REFS;
}

/* For a reference that is not in the bucket's own line. */
void ldr_index_replace_behind(struct ldr_index_writer *writer, uint64_t hash, ldr_ref from, ldr_ref to);

static inline void ldr_index_replace(struct ldr_index_writer *writer, uint64_t hash, ldr_ref from, ldr_ref to)
{
    uint64_t state = atomic_load_explicit(&writer->index->state, memory_order_relaxed);
    struct ldr_line *line = ldr_index_line(writer->index, state, hash);
    unsigned i = ldr_index_ref_in(line, hash, from);
    if (i < LDR_LINE_REFS)
        atomic_store_explicit(&line->refs[i], to, memory_order_release);
    else
        ldr_index_replace_behind(writer, hash, from, to);
}

#endif
