/* Checks of an eviction module for what its states keep. */
#include <inttypes.h>

#include "check_list.h"
#include "check_memory.h"
#include "check_walk.h"

#define SLACK    4096 /* bytes that nobody counts: the state's own struct, a small table */
#define PER_SLOT 1024 /* extra bytes for each slot that are more than any ghost or sketch is worth */

static struct check_spec spec_of(const struct check_subject *subject, uint32_t slots)
{
    return (struct check_spec){.module = subject->eviction,
                               .max_slots = slots,
                               .expected = slots,
                               .capacity = 64 * (uint64_t)slots,
                               .keys = 4 * slots,
                               .salt = subject->seed};
}

/* ------------------------------------------------------------------------------------------------ told and kept */

static void compare(const struct check_state *state, const char *when)
{
    uint64_t extra = check_state_extra_bytes(state), kept = check_memory_now().bytes;
    uint64_t most = (uint64_t)state->spec.max_slots * PER_SLOT + 16 * SLACK;
    uint64_t slots = (uint64_t)state->spec.max_slots * state->spec.module->slot_bytes;
    if (extra > most)
        check_fail("extra_bytes() came back with %" PRIu64 " %s, wanted at most %" PRIu64 " for %" PRIu32 " slots",
                   extra, when, most, state->spec.max_slots);
    if (extra > 2 * kept + SLACK)
        check_fail("extra_bytes() came back with %" PRIu64 " %s, wanted at most about the %" PRIu64
                   " bytes that are allocated",
                   extra, when, kept);
    if (kept > (slots + extra) / 4 * 5 + SLACK)
        check_fail("%" PRIu64 " bytes are allocated %s, but slot_bytes %" PRIu32 " for %" PRIu32
                   " slots and extra_bytes() %" PRIu64 " come to %" PRIu64 ", wanted about the same",
                   kept, when, state->spec.module->slot_bytes, state->spec.max_slots, extra, slots + extra);
}

void check_bytes(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject, 8192);
    struct check_state state;
    check_memory_needed();
    check_state_open(&state, &spec);
    compare(&state, "after open()");
    struct check_walk walk = check_walk_on(&state, &check_mixed, 128, subject->seed);
    for (unsigned i = 0; i < 10; i++) {
        check_walk_run(&walk, 20000);
        compare(&state, "after random calls");
    }
    check_state_drain(&state);
    compare(&state, "after all entries were evicted");
    check_state_close(&state);
}

/* ------------------------------------------------------------------------------------------------ growth */

#define MILLION    1000000
#define AT_A_TIME  50000
#define OPERATIONS (10 * MILLION)

struct peak {
    uint64_t extra, kept;
};

static void raise_peak(struct peak *peak, const struct check_state *state)
{
    uint64_t extra = check_state_extra_bytes(state), kept = check_memory_now().bytes;
    peak->extra = extra > peak->extra ? extra : peak->extra;
    peak->kept = kept > peak->kept ? kept : peak->kept;
}

/* Tables grow by doubling, and may do so once more when the first million is over. */
static void compare_peaks(const struct peak *first, const struct peak *now, uint64_t operations)
{
    if (now->kept > 2 * first->kept + 16 * SLACK)
        check_fail("%" PRIu64 " bytes were allocated after a million operations, and %" PRIu64 " after %" PRIu64
                   ", wanted no growth",
                   first->kept, now->kept, operations);
    if (now->extra > 2 * first->extra + 16 * SLACK)
        check_fail("extra_bytes() came back with %" PRIu64 " after a million operations, and with %" PRIu64
                   " after %" PRIu64 ", wanted no growth",
                   first->extra, now->extra, operations);
}

void check_growth(const struct check_subject *subject)
{
    const struct check_spec spec = spec_of(subject, 2048);
    struct check_state state;
    struct peak first = {0}, now = {0};
    check_memory_needed();
    check_state_open(&state, &spec);
    struct check_walk walk = check_walk_on(&state, &check_mixed, 128, subject->seed);
    for (uint64_t operations = 0; operations < OPERATIONS; operations += AT_A_TIME) {
        check_walk_run(&walk, AT_A_TIME);
        raise_peak(operations < MILLION ? &first : &now, &state);
        if (operations >= MILLION)
            compare_peaks(&first, &now, operations + AT_A_TIME);
    }
    check_state_drain(&state);
    check_state_close(&state);
    check_memory_none_left(" of a state after ten million operations");
}
