#include "check_board.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TOLD 2 /* calls that are told before the one that a failure is about */

static struct check_board *board;
static _Thread_local unsigned own_lane;

struct check_board *check_board_open(void)
{
    void *shared = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board = shared != MAP_FAILED ? shared : NULL;
    return board;
}

struct check_board *check_board(void)
{
    return board;
}

void check_board_clear(void)
{
    memset(board->lanes, 0, sizeof board->lanes);
    board->reason[0] = board->note[0] = '\0';
    board->stuck = false;
    atomic_store(&board->verdict, CHECK_OPEN_YET);
}

void check_lane_use(unsigned lane)
{
    own_lane = lane;
}

struct check_lane *check_lane(void)
{
    return &board->lanes[own_lane];
}

/* ------------------------------------------------------------------------------------------------ calls as text */

static void put(char *text, size_t capacity, const char *format, ...) LARDER_PRINTF(3, 4);
static void put(char *text, size_t capacity, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, capacity - used, format, arguments);
    va_end(arguments);
}

static void put_call(char *text, size_t capacity, const struct check_call *call)
{
    switch (call->function) {
    case CHECK_NONE: put(text, capacity, "no call"); break;
    case CHECK_LOAD: put(text, capacity, "the opening or closing of the file"); break;
    case CHECK_OPEN:
        put(text, capacity, "open(max_slots %" PRIu32 ", capacity %" PRIu64 ")", call->slot, call->digest);
        break;
    case CHECK_CLOSE: put(text, capacity, "close()"); break;
    case CHECK_EVICT:
        put(text, capacity, call->slot == LARDER_NO_SLOT ? "evict()" : "evict() = %" PRIu32, call->slot);
        break;
    case CHECK_INSERT:
    case CHECK_UPDATE:
        put(text, capacity, "%s(slot %" PRIu32 ", digest %#" PRIx64 ", charge %" PRIu32 ")",
            call->function == CHECK_INSERT ? "insert" : "update", call->slot, call->digest, call->charge);
        break;
    case CHECK_REMOVE: put(text, capacity, "remove(slot %" PRIu32 ")", call->slot); break;
    case CHECK_HIT: put(text, capacity, "hit(slot %" PRIu32 ")", call->slot); break;
    case CHECK_PREPARE:
        put(text, capacity, "prepare(digest %#" PRIx64 ", charge %" PRIu32 ")", call->digest, call->charge);
        break;
    case CHECK_EXTRA_BYTES: put(text, capacity, "extra_bytes()"); break;
    case CHECK_DIGEST: put(text, capacity, "digest(length %" PRIu64 ")", call->digest); break;
    }
}

/* The last call but `back`, if it is still known. */
static const struct check_call *call_before(const struct check_lane *lane, uint64_t back)
{
    return back < lane->count && back < CHECK_HISTORY ? &lane->calls[(lane->count - 1 - back) % CHECK_HISTORY] : NULL;
}

static void put_history(char *text, size_t capacity, const struct check_lane *lane)
{
    const char *between = "; before it: ";
    for (uint64_t back = TOLD; back >= 1; back--) {
        const struct check_call *call = call_before(lane, back);
        if (call == NULL)
            continue;
        put(text, capacity, "%s", between);
        put_call(text, capacity, call);
        between = ", ";
    }
}

/* ------------------------------------------------------------------------------------------------ verdicts */

/* Only one thread of one process decides: the others wait for the end that it brings. */
static void claim(void)
{
    static atomic_flag claimed = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&claimed))
        pause();
}

_Noreturn void check_fail(const char *format, ...)
{
    va_list arguments;
    claim();
    va_start(arguments, format);
    vsnprintf(board->reason, sizeof board->reason, format, arguments);
    va_end(arguments);
    put_history(board->reason, sizeof board->reason, check_lane());
    atomic_store(&board->verdict, CHECK_FAILED);
    _exit(0);
}

_Noreturn void check_not_run(const char *format, ...)
{
    va_list arguments;
    claim();
    va_start(arguments, format);
    vsnprintf(board->note, sizeof board->note, format, arguments);
    va_end(arguments);
    atomic_store(&board->verdict, CHECK_NOT_RUN);
    _exit(0);
}

/* The lane that is in a call: with several threads any of them may be the culprit, and the first one is told. */
static const struct check_lane *busy_lane(void)
{
    for (unsigned i = 0; i < CHECK_LANES; i++)
        if (board->lanes[i].inside)
            return &board->lanes[i];
    return NULL;
}

void check_describe_end(const char *what)
{
    const struct check_lane *lane = busy_lane();
    snprintf(board->reason, sizeof board->reason, "%s ", what);
    if (lane == NULL) {
        put(board->reason, sizeof board->reason, "between two calls, wanted it to go on");
        lane = &board->lanes[0];
    } else {
        put(board->reason, sizeof board->reason, "in ");
        put_call(board->reason, sizeof board->reason, call_before(lane, 0));
        put(board->reason, sizeof board->reason, ", wanted it to return");
    }
    put_history(board->reason, sizeof board->reason, lane);
    atomic_store(&board->verdict, CHECK_FAILED);
}

void check_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(board->note, sizeof board->note, format, arguments);
    va_end(arguments);
}
