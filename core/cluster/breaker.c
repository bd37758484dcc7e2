#include "core/cluster/breaker.h"

#include "larder/plugin/runtime.h"

/* Relaxed everywhere: the values guard no other data, and a reader that is a moment late only asks once more. */

enum ldr_breaker_state ldr_breaker_state(const struct ldr_breaker *breaker)
{
    return (enum ldr_breaker_state)atomic_load_explicit(&breaker->state, memory_order_relaxed);
}

static void enter(struct ldr_breaker *breaker, enum ldr_breaker_state state)
{
    atomic_store_explicit(&breaker->state, (unsigned)state, memory_order_relaxed);
    atomic_store_explicit(&breaker->failures, 0, memory_order_relaxed);
}

static void open_until(struct ldr_breaker *breaker, const struct ldr_breaker_settings *settings, uint64_t now)
{
    bool beyond = settings->suspend_ms >= (LARDER_NEVER - now) / LARDER_NS_PER_MS;
    breaker->until = beyond ? LARDER_NEVER : now + settings->suspend_ms * LARDER_NS_PER_MS;
    enter(breaker, LDR_BREAKER_OPEN);
}

bool ldr_breaker_admits(const struct ldr_breaker *breaker)
{
    return ldr_breaker_state(breaker) == LDR_BREAKER_CLOSED;
}

bool ldr_breaker_untroubled(const struct ldr_breaker *breaker)
{
    return ldr_breaker_admits(breaker) && atomic_load_explicit(&breaker->failures, memory_order_relaxed) == 0;
}

bool ldr_breaker_success(struct ldr_breaker *breaker, bool ping)
{
    enum ldr_breaker_state state = ldr_breaker_state(breaker);
    if (state == LDR_BREAKER_REFUSED && !ping)
        return false;
    enter(breaker, LDR_BREAKER_CLOSED);
    return state != LDR_BREAKER_CLOSED;
}

bool ldr_breaker_failure(struct ldr_breaker *breaker, const struct ldr_breaker_settings *settings, bool ping,
                         uint64_t now)
{
    switch (ldr_breaker_state(breaker)) {
    case LDR_BREAKER_CLOSED:
        if (atomic_fetch_add_explicit(&breaker->failures, 1, memory_order_relaxed) + 1 < settings->suspend_after)
            return false;
        open_until(breaker, settings, now);
        return true;
    case LDR_BREAKER_HALF_OPEN:
        if (ping)
            open_until(breaker, settings, now);
        return false;
    case LDR_BREAKER_OPEN:
    case LDR_BREAKER_REFUSED: break;
    }
    return false;
}

bool ldr_breaker_refuse(struct ldr_breaker *breaker)
{
    bool changed = ldr_breaker_state(breaker) != LDR_BREAKER_REFUSED;
    enter(breaker, LDR_BREAKER_REFUSED);
    return changed;
}

uint64_t ldr_breaker_ping_at(const struct ldr_breaker *breaker, uint64_t planned)
{
    return ldr_breaker_state(breaker) == LDR_BREAKER_OPEN && breaker->until < planned ? breaker->until : planned;
}

void ldr_breaker_ping(struct ldr_breaker *breaker, uint64_t now)
{
    if (ldr_breaker_state(breaker) == LDR_BREAKER_OPEN && now >= breaker->until)
        enter(breaker, LDR_BREAKER_HALF_OPEN);
}
