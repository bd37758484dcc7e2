#include "core/base/wheel.h"

#define DIGIT 6

/* The level at which a timer for `at` stands, as seen from `now`. */
static unsigned level_of(uint64_t now, uint64_t at)
{
    uint64_t differs = now ^ at;
    return differs == 0 ? 0 : (63 - (unsigned)__builtin_clzll(differs)) / DIGIT;
}

static unsigned slot_of(unsigned level, uint64_t at)
{
    return (unsigned)(at >> (level * DIGIT)) & 63;
}

/* The earliest slot that is not empty: of the lowest level, the lowest. */
static bool first_slot(const struct ldr_wheel *wheel, unsigned *level, unsigned *slot)
{
    for (*level = 0; *level < LDR_WHEEL_LEVELS; ++*level) {
        if (wheel->used[*level] != 0) {
            *slot = (unsigned)__builtin_ctzll(wheel->used[*level]);
            return true;
        }
    }
    return false;
}

/* When the slot begins: the digits of `now` above its level, then the slot's own. */
static uint64_t slot_start(const struct ldr_wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = level * DIGIT;
    uint64_t above = level + 1 == LDR_WHEEL_LEVELS ? 0 : wheel->now >> (shift + DIGIT) << (shift + DIGIT);
    return above | (uint64_t)slot << shift;
}

void ldr_wheel_add(struct ldr_wheel *wheel, struct larder_timer *timer, uint64_t at)
{
    timer->at = at < wheel->now ? wheel->now : at;
    if (timer->at == LARDER_NEVER) {
        timer->next = timer->previous = timer;
        return;
    }
    unsigned level = level_of(wheel->now, timer->at), slot = slot_of(level, timer->at);
    struct larder_timer *first = wheel->slots[level][slot];
    if (first == NULL) {
        timer->next = timer->previous = timer;
        wheel->slots[level][slot] = timer;
        wheel->used[level] |= UINT64_C(1) << slot;
        return;
    }
    timer->next = first;
    timer->previous = first->previous;
    first->previous->next = timer;
    first->previous = timer;
}

/* Where the timer stands follows from the two times alone: the wheel never passes an occupied slot without emptying it. */
void ldr_wheel_remove(struct ldr_wheel *wheel, struct larder_timer *timer)
{
    unsigned level = level_of(wheel->now, timer->at), slot = slot_of(level, timer->at);
    if (timer->at == LARDER_NEVER) {
        /* It stands in no slot. */
    } else if (timer->next == timer) {
        wheel->slots[level][slot] = NULL;
        wheel->used[level] &= ~(UINT64_C(1) << slot);
    } else {
        if (wheel->slots[level][slot] == timer)
            wheel->slots[level][slot] = timer->next;
        timer->next->previous = timer->previous;
        timer->previous->next = timer->next;
    }
    timer->next = timer->previous = NULL;
}

/* Moves the timers of a slot to the levels below, in their order; the wheel's time has just entered the slot. */
static void deal(struct ldr_wheel *wheel, unsigned level, unsigned slot)
{
    struct larder_timer *timer = wheel->slots[level][slot];
    wheel->slots[level][slot] = NULL;
    wheel->used[level] &= ~(UINT64_C(1) << slot);
    timer->previous->next = NULL;
    while (timer != NULL) {
        struct larder_timer *next = timer->next;
        ldr_wheel_add(wheel, timer, timer->at);
        timer = next;
    }
}

struct larder_timer *ldr_wheel_due(struct ldr_wheel *wheel, uint64_t until)
{
    unsigned level, slot;
    while (first_slot(wheel, &level, &slot)) {
        uint64_t start = slot_start(wheel, level, slot);
        if (start > until)
            break;
        wheel->now = start;
        if (level == 0)
            return wheel->slots[0][slot];
        deal(wheel, level, slot);
    }
    if (wheel->now < until)
        wheel->now = until;
    return NULL;
}

uint64_t ldr_wheel_next(const struct ldr_wheel *wheel)
{
    unsigned level, slot;
    return first_slot(wheel, &level, &slot) ? slot_start(wheel, level, slot) : LARDER_NEVER;
}
