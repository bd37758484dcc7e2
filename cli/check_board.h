/*
 * What the process of a check and the one that waits for it share: the last calls of the module, and the verdict. A
 * module that crashes, hangs or ends the process leaves behind what it was asked last.
 */
#ifndef CLI_CHECK_BOARD_H
#define CLI_CHECK_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/eviction.h"

#define CHECK_LANES   8 /* threads that call the module at the same time, at most */
#define CHECK_HISTORY 4 /* calls that are remembered of each; a power of two */

enum check_function {
    CHECK_NONE,
    CHECK_LOAD, /* no function of the table: the file is opened, or closed */
    CHECK_OPEN,
    CHECK_CLOSE,
    CHECK_EVICT,
    CHECK_INSERT,
    CHECK_REMOVE,
    CHECK_HIT,
    CHECK_PREPARE,
    CHECK_UPDATE,
    CHECK_EXTRA_BYTES,
    CHECK_DIGEST
};

struct check_call {
    enum check_function function;
    uint32_t slot, charge; /* open: the slots; evict: what came back */
    uint64_t digest;       /* open: the capacity; digest: the length */
};

/* One thread's calls. */
struct check_lane {
    struct check_call calls[CHECK_HISTORY];
    uint64_t count; /* written by one thread, read by another process */
    bool inside;    /* the last call has not come back */
};

enum check_verdict { CHECK_OPEN_YET, CHECK_PASSED, CHECK_FAILED, CHECK_NOT_RUN };

struct check_board {
    struct check_lane lanes[CHECK_LANES];
    atomic_int verdict; /* enum check_verdict */
    char reason[1024];  /* of a failure: one line */
    bool stuck;         /* it failed because it had no end */
    char note[256];     /* what is worth saying of a check that passed, or why it was not run */
    /* What the checks find out for those after them, and for the report. */
    uint32_t kind;               /* enum larder_plugin_kind; 0: refused */
    char name[40];               /* of the module */
    char imports[256];           /* libraries it needs besides the C library */
    bool unseen;                 /* memory of a state is not allocated where it can be counted */
    uint64_t walk_victims;       /* of the first random walk, in a process of its own; 0: unknown */
    atomic_uint_least64_t ticks; /* moves while a check makes progress without calls */
};

/* The board of this process, NULL on failure. It is there until the program ends, in its children, too. */
struct check_board *check_board_open(void);
struct check_board *check_board(void);

/* Before a check: nothing was called, nothing is decided. */
void check_board_clear(void);

/* Which lane the calling thread writes to; 0 unless it says otherwise. */
void check_lane_use(unsigned lane);
struct check_lane *check_lane(void);

/* Before and after a call of the module. */
static inline void check_enter(struct check_lane *lane, enum check_function function, uint32_t slot, uint64_t digest,
                               uint32_t charge)
{
    lane->calls[lane->count % CHECK_HISTORY] = (struct check_call){function, slot, charge, digest};
    lane->inside = true;
    __atomic_store_n(&lane->count, lane->count + 1, __ATOMIC_RELEASE);
}

static inline void check_leave(struct check_lane *lane)
{
    __atomic_store_n(&lane->inside, false, __ATOMIC_RELEASE);
}

/*
 * Decides that the check has failed and ends the process: what came back and what was wanted, after which the calls
 * before it are added. Any thread; the first one is heard.
 */
_Noreturn void check_fail(const char *format, ...) LARDER_PRINTF(1, 2);

/* Decides that the check can say nothing of this module, and why, and ends the process. Any thread. */
_Noreturn void check_not_run(const char *format, ...) LARDER_PRINTF(1, 2);

/* The same as check_fail() for a process that a signal has ended, or that is stuck: the call it was in, and those before
   it. */
void check_describe_end(const char *what);

/* All is well, and something is worth saying. */
void check_note(const char *format, ...) LARDER_PRINTF(1, 2);

#endif
