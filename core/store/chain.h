/*
 * A bucket of the index as its one writer sees it: a chain of lines, of which all but the last are full, so that a hole is
 * only in the last. No line but the bucket's own is empty. Only index*.c use this; what readers rely on is in index.h.
 *
 * Extra lines that are free are zero, but for the number of the next free one in the place of the tags.
 */
#ifndef LDR_STORE_CHAIN_H
#define LDR_STORE_CHAIN_H

#include "core/store/index.h"

/* A place in a chain. */
struct ldr_cursor {
    struct ldr_line *line;
    unsigned i;
};

/* Goes on to an entry, this one or one behind it. False: there is none. */
bool ldr_chain_entry(const struct ldr_index_writer *writer, struct ldr_cursor *at);

/* Goes on to a reference that is there. */
void ldr_chain_ref(const struct ldr_index_writer *writer, struct ldr_cursor *at, ldr_ref ref);

/* Goes on to a hole, if need be in a line added to the chain. False: no line is left. */
bool ldr_chain_hole(struct ldr_index_writer *writer, struct ldr_cursor *at);

/* Fills all holes but those of the last line, from behind, and cuts off the lines that are empty then. */
void ldr_chain_compact(struct ldr_index_writer *writer, struct ldr_line *line);

/* Empties a chain down to the bucket's own line. */
void ldr_chain_wipe(struct ldr_index_writer *writer, struct ldr_line *line);

/* Whether `count` extra lines can be taken. */
bool ldr_chain_spare(const struct ldr_index_writer *writer, uint32_t count);

/* ---- a place in a line */

static inline ldr_ref ldr_cursor_ref(struct ldr_cursor at)
{
    return atomic_load_explicit(&at.line->refs[at.i], memory_order_relaxed);
}

static inline void ldr_cursor_set_ref(struct ldr_cursor at, ldr_ref ref)
{
    atomic_store_explicit(&at.line->refs[at.i], ref, memory_order_release);
}

static inline _Atomic uint64_t *ldr_cursor_tags(struct ldr_cursor at)
{
    return at.i < 8 ? &at.line->tags : &at.line->more;
}

static inline uint8_t ldr_cursor_tag(struct ldr_cursor at)
{
    return (uint8_t)(atomic_load_explicit(ldr_cursor_tags(at), memory_order_relaxed) >> at.i % 8 * 8);
}

static inline void ldr_cursor_set_tag(struct ldr_cursor at, uint8_t tag)
{
    unsigned shift = at.i % 8 * 8;
    uint64_t tags = atomic_load_explicit(ldr_cursor_tags(at), memory_order_relaxed) & ~(UINT64_C(0xff) << shift);
    atomic_store_explicit(ldr_cursor_tags(at), tags | (uint64_t)tag << shift, memory_order_release);
}

/* The tag first: whoever has seen the reference can rely on finding it by its tag from then on. */
static inline void ldr_cursor_put(struct ldr_cursor at, uint8_t tag, ldr_ref ref)
{
    ldr_cursor_set_tag(at, tag);
    ldr_cursor_set_ref(at, ref);
}

static inline void ldr_cursor_clear(struct ldr_cursor at)
{
    ldr_cursor_set_ref(at, 0);
    ldr_cursor_set_tag(at, 0);
}

/* ---- from line to line, by number */

static inline uint32_t ldr_chain_next(const struct ldr_line *line)
{
    return (uint32_t)(atomic_load_explicit(&line->more, memory_order_relaxed) >> 32);
}

static inline void ldr_chain_set_next(struct ldr_line *line, uint32_t number)
{
    uint64_t tags = atomic_load_explicit(&line->more, memory_order_relaxed) & UINT32_MAX;
    atomic_store_explicit(&line->more, (uint64_t)number << 32 | tags, memory_order_release);
}

/* ---- the state */

static inline uint64_t ldr_index_state(const struct ldr_index_writer *writer)
{
    return atomic_load_explicit(&writer->index->state, memory_order_relaxed);
}

static inline uint64_t ldr_index_state_with(uint32_t buckets, uint32_t changes)
{
    return (uint64_t)buckets << 32 | changes << 6 | (unsigned)__builtin_clzll(buckets);
}

/* Tells readers of a change: after entries have been written to new places, and before their old ones are overwritten. */
static inline void ldr_index_publish(struct ldr_index_writer *writer, uint32_t buckets)
{
    uint32_t changes = ((uint32_t)ldr_index_state(writer) >> 6) + 1;
    atomic_store_explicit(&writer->index->state, ldr_index_state_with(buckets, changes), memory_order_release);
}

static inline void ldr_index_publish_move(struct ldr_index_writer *writer)
{
    ldr_index_publish(writer, ldr_index_buckets(ldr_index_state(writer)));
}

/* ---- what an entry says of its own place */

static inline uint64_t ldr_index_hash_of(const struct ldr_index_writer *writer, ldr_ref ref)
{
    const struct ldr_entry *entry = ldr_entry_at(writer->place, ref);
    return ldr_store_hash(ldr_slice(ldr_entry_key_bytes(entry), entry->key_size), writer->seed);
}

/* The bucket's own line, of the bucket of a hash. */
static inline struct ldr_line *ldr_index_line_now(const struct ldr_index_writer *writer, uint64_t hash)
{
    return ldr_index_line(writer->index, ldr_index_state(writer), hash);
}

#endif
