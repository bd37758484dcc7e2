/*
 * Counts what a module allocates, and lets allocations fail.
 *
 * The addresses that the dynamic loader has written into the module for malloc and its kin are replaced by functions of
 * ours. So only the module's own calls are counted and failed: not the program's, not those of the C library within, and
 * it goes on working where a sanitizer has put its own functions in their place.
 */
#ifndef CLI_CHECK_MEMORY_H
#define CLI_CHECK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counts from now on what the module allocates that the function belongs to. Lists the libraries it needs besides the
   C library, in at most `capacity` bytes. */
void check_memory_watch(void (*function)(void), char *imports, size_t capacity);

struct check_memory {
    uint64_t blocks, bytes; /* allocated and not freed yet */
    uint64_t calls;         /* that asked for memory */
    uint64_t failed;        /* of them got none */
};
struct check_memory check_memory_now(void);

/*
 * Of the calls that follow, the `first`, counted from 1, fails; and every `every`-th after it, or none when that is 0.
 * first 0: none.
 */
void check_memory_fail(uint64_t first, uint64_t every);

/* Blocks that are allocated from now on end where memory ends, so that a write or read behind them is a crash, as are
   those to freed ones. */
void check_memory_fence(bool on);

/* For checks that rest on what is counted: ends the one that is run when check_many_entries() found that it is not the
   memory of a state. */
void check_memory_needed(void);

/* Fails the check when anything is left that was allocated. `when` ends the sentence "... after close() ...". */
void check_memory_none_left(const char *when);

#endif
