/*
 * How often a place in the program may write to the log. Private to the log.
 *
 * A place is the address of its format string. The same text is written once a second, and different texts of one place
 * LDR_LOG_BURST times a second: two transports that come up at the same time are both told of, a flood is not.
 */
#ifndef LDR_BASE_LOG_LIMIT_H
#define LDR_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LDR_LOG_PLACES 32 /* remembered at a time; the one not heard of for the longest time is forgotten first */
#define LDR_LOG_BURST  8

struct ldr_log_place {
    const char *format;            /* NULL: free */
    uint64_t heard_ns;             /* when it last wanted to write */
    uint64_t second_ns;            /* when the current second began */
    unsigned count;                /* lines written since */
    uint64_t texts[LDR_LOG_BURST]; /* digests of those lines */
    uint64_t held;                 /* lines held back since the last one written */
};

/* Zeroed: nothing was written yet. The caller serialises. */
struct ldr_log_limit {
    struct ldr_log_place places[LDR_LOG_PLACES];
};

/*
 * Whether a line with this text's digest may be written at `now_ns`; *held then tells how many lines of its place were
 * held back before it.
 */
bool ldr_log_limit_pass(struct ldr_log_limit *limit, const char *format, uint64_t digest, uint64_t now_ns,
                        uint64_t *held);

#endif
