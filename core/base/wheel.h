/*
 * Timers in order of time, linked through their own structs: starting one needs no memory and cannot fail.
 *
 * A hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987) on the digits of
 * the time in nanoseconds, base 64: a timer stands at the level of the highest digit in which its time differs from the
 * wheel's, in the slot of its own digit there. Level 0 is exact to the nanosecond; a slot of a higher level is dealt out
 * to the lower ones when the wheel's time enters it, at most once a level. All operations are O(1) but for that.
 */
#ifndef LDR_BASE_WHEEL_H
#define LDR_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/runtime.h"

#define LDR_WHEEL_LEVELS 11

/* Zeroed: empty, at time 0. The caller serialises. */
struct ldr_wheel {
    uint64_t now;                    /* no timer is earlier; what is started for the past is moved here */
    uint64_t used[LDR_WHEEL_LEVELS]; /* a bit for each slot that is not empty */
    struct larder_timer *slots[LDR_WHEEL_LEVELS][64]; /* rings; the oldest first */
};

static inline bool ldr_wheel_running(const struct larder_timer *timer)
{
    return timer->next != NULL;
}

/* The timer must be idle. At LARDER_NEVER it only counts as running. */
void ldr_wheel_add(struct ldr_wheel *wheel, struct larder_timer *timer, uint64_t at);

/* The timer must be running in this wheel. */
void ldr_wheel_remove(struct ldr_wheel *wheel, struct larder_timer *timer);

/*
 * The first of the timers with the earliest time, when that is at most `until`: the wheel then stands at their time, and
 * the timers linked with it, in a ring, are all of that time. NULL: there is none, and the wheel stands at `until`.
 */
struct larder_timer *ldr_wheel_due(struct ldr_wheel *wheel, uint64_t until);

/* A time before which no timer is due, and worth waiting for; LARDER_NEVER: none will ever be due. */
uint64_t ldr_wheel_next(const struct ldr_wheel *wheel);

#endif
