/* Which rows of throughput and latency there are. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "bench/contender.h"
#include "bench/run.h"

#define ROWS_MAX 32 /* of one section */

struct row {
    const char *name, *title;
    unsigned kinds; /* of contenders that take part: 1 << enum contender_kind */
    struct cell cell;
};

/* Rows whose caches are the same, and live at the same time. */
struct section {
    size_t value_size;
    bool fits;
    bool fill_row; /* the sets that fill the caches are a row of their own */
    const struct row *rows;
    size_t count;
};

extern const struct section sections[]; /* ends with one without rows */

extern const struct row row_fill; /* its cell is not run: the times are those of filling the cache */

static inline bool row_takes(const struct row *row, const struct contender *contender)
{
    return (row->kinds & 1u << contender->kind) != 0;
}

#endif
