/* Chains of lines. The order of stores is what readers rely on: see index.h. */
#include "core/store/chain.h"

/* NULL at the end of the chain. */
static struct ldr_line *next_line(const struct ldr_index_writer *writer, const struct ldr_line *line)
{
    uint32_t number = ldr_chain_next(line);
    return number == 0 ? NULL : ldr_index_extra(writer->index, number);
}

static uint32_t next_free(const struct ldr_line *free)
{
    return (uint32_t)atomic_load_explicit(&free->tags, memory_order_relaxed);
}

/* The number of an extra line, all zero; 0: none is left. */
static uint32_t take_extra(struct ldr_index_writer *writer)
{
    uint32_t number = writer->extra_free;
    if (number != 0) {
        struct ldr_line *line = ldr_index_extra(writer->index, number);
        writer->extra_free = next_free(line);
        atomic_store_explicit(&line->tags, 0, memory_order_release);
    } else if (writer->extra_used < writer->extra_max) {
        number = ++writer->extra_used;
    }
    return number;
}

/* Takes the empty line that follows out of its chain, to be used again at once. */
static void cut_next(struct ldr_index_writer *writer, struct ldr_line *line)
{
    uint32_t number = ldr_chain_next(line);
    struct ldr_line *cut = ldr_index_extra(writer->index, number);
    ldr_chain_set_next(line, ldr_chain_next(cut));
    ldr_index_publish_move(writer); /* a reader that stands on it will lose its way */
    ldr_chain_set_next(cut, 0);
    atomic_store_explicit(&cut->tags, writer->extra_free, memory_order_release);
    writer->extra_free = number;
}

bool ldr_chain_entry(const struct ldr_index_writer *writer, struct ldr_cursor *at)
{
    for (; at->line != NULL; *at = (struct ldr_cursor){next_line(writer, at->line), 0}) {
        for (; at->i < LDR_LINE_REFS; at->i++) {
            if (ldr_cursor_ref(*at) != 0)
                return true;
        }
    }
    return false;
}

void ldr_chain_ref(const struct ldr_index_writer *writer, struct ldr_cursor *at, ldr_ref ref)
{
    while (ldr_chain_entry(writer, at) && ldr_cursor_ref(*at) != ref)
        at->i++;
}

bool ldr_chain_hole(struct ldr_index_writer *writer, struct ldr_cursor *at)
{
    for (;; *at = (struct ldr_cursor){next_line(writer, at->line), 0}) {
        for (; at->i < LDR_LINE_REFS; at->i++) {
            if (ldr_cursor_ref(*at) == 0)
                return true;
        }
        if (ldr_chain_next(at->line) != 0)
            continue;
        uint32_t number = take_extra(writer);
        if (number == 0)
            return false;
        ldr_chain_set_next(at->line, number);
    }
}

void ldr_chain_compact(struct ldr_index_writer *writer, struct ldr_line *line)
{
    struct ldr_cursor hole = {line, 0}, from = {next_line(writer, line), 0};
    while (from.line != NULL) {
        while (from.i < LDR_LINE_REFS && ldr_cursor_ref(from) == 0)
            from.i++;
        while (hole.i < LDR_LINE_REFS && ldr_cursor_ref(hole) != 0)
            hole.i++;
        if (from.i == LDR_LINE_REFS) {
            cut_next(writer, hole.line);
            from = (struct ldr_cursor){next_line(writer, hole.line), 0};
        } else if (hole.i == LDR_LINE_REFS) {
            hole = (struct ldr_cursor){from.line, 0};
            from = (struct ldr_cursor){next_line(writer, hole.line), 0};
        } else {
            ldr_cursor_put(hole, ldr_cursor_tag(from), ldr_cursor_ref(from));
            ldr_index_publish_move(writer);
            ldr_cursor_clear(from);
        }
    }
}

void ldr_chain_wipe(struct ldr_index_writer *writer, struct ldr_line *line)
{
    for (struct ldr_cursor at = {line, 0}; ldr_chain_entry(writer, &at); at.i++)
        ldr_cursor_clear(at);
    ldr_chain_compact(writer, line);
}

bool ldr_chain_spare(const struct ldr_index_writer *writer, uint32_t count)
{
    uint32_t spare = writer->extra_max - writer->extra_used;
    for (uint32_t free = writer->extra_free; free != 0 && spare < count; spare++)
        free = next_free(ldr_index_extra(writer->index, free));
    return spare >= count;
}

/* ---- giving lines back */

static bool in_use(const struct ldr_index_writer *writer, uint32_t number)
{
    for (struct ldr_cursor at = {ldr_index_extra(writer->index, number), 0}; at.i < LDR_LINE_REFS; at.i++) {
        if (ldr_cursor_ref(at) != 0)
            return true;
    }
    return false;
}

/* The line that goes on in extra line `number`, which is in use. */
static struct ldr_line *line_before(const struct ldr_index_writer *writer, uint32_t number)
{
    struct ldr_cursor at = {ldr_index_extra(writer->index, number), 0};
    ldr_chain_entry(writer, &at);
    struct ldr_line *line = ldr_index_line_now(writer, ldr_index_hash_of(writer, ldr_cursor_ref(at)));
    while (ldr_chain_next(line) != number)
        line = next_line(writer, line);
    return line;
}

/* Moves an extra line to a free one, which is zero. */
static void move_extra(struct ldr_index_writer *writer, uint32_t from, uint32_t to)
{
    struct ldr_line *old = ldr_index_extra(writer->index, from), *fresh = ldr_index_extra(writer->index, to);
    for (struct ldr_cursor at = {old, 0}; at.i < LDR_LINE_REFS; at.i++)
        ldr_cursor_put((struct ldr_cursor){fresh, at.i}, ldr_cursor_tag(at), ldr_cursor_ref(at));
    ldr_chain_set_next(fresh, ldr_chain_next(old));
    ldr_chain_set_next(line_before(writer, from), to);
    ldr_index_publish_move(writer);
    ldr_chain_set_next(old, 0);
    for (struct ldr_cursor at = {old, 0}; at.i < LDR_LINE_REFS; at.i++)
        ldr_cursor_clear(at);
}

void ldr_index_trim(struct ldr_index_writer *writer)
{
    writer->high = ldr_index_buckets(ldr_index_state(writer));
    while (writer->extra_free != 0)
        take_extra(writer); /* it is all zero then, and not in use */
    uint32_t low = 1, high = writer->extra_used;
    for (;; low++) {
        while (low <= high && in_use(writer, low))
            low++;
        while (high > low && !in_use(writer, high))
            high--;
        if (low >= high)
            break;
        move_extra(writer, high--, low);
    }
    writer->extra_used = low - 1;
}
