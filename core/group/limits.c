#include "core/group/limits.h"

#include "core/base/bytes.h"

/* Adds one unless that would be too many. Relaxed: the count bounds memory and orders nothing. */
static bool take(_Atomic uint64_t *count, uint64_t most)
{
    if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < most)
        return true;
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    return false;
}

static void give(_Atomic uint64_t *count)
{
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

/* A part of what may wait at the node, at least one. The gateway's one group is all groups of the cluster: it has all. */
static uint64_t share(const struct ldr_group *group, unsigned part)
{
    uint64_t all = atomic_load_explicit(&group->context->max_waiting, memory_order_relaxed);
    uint64_t some = group->store == NULL ? all : all / part;
    return some > 0 ? some : 1;
}

bool ldr_limits_wait(struct ldr_group *group)
{
    struct ldr_context *context = group->context;
    if (!take(&group->waiting, share(group, 2)))
        return false;
    ldr_tally_begin(&context->waiting);
    if (ldr_tally_count(&context->waiting) <= atomic_load_explicit(&context->max_waiting, memory_order_relaxed))
        return true;
    ldr_limits_waited(group);
    return false;
}

void ldr_limits_waited(struct ldr_group *group)
{
    give(&group->waiting);
    ldr_tally_end(&group->context->waiting);
}

size_t ldr_limits_waiters(const struct ldr_group *group)
{
    return (size_t)share(group, 4);
}

bool ldr_limits_load(struct ldr_group *group, bool ahead)
{
    uint64_t most = atomic_load_explicit(&group->max_loads, memory_order_relaxed);
    return take(&group->loading, ahead ? most / 2 : most);
}

void ldr_limits_loaded(struct ldr_group *group)
{
    give(&group->loading);
}

struct larder_reply ldr_limits_busy(struct ldr_context *context, const char *reason)
{
    ldr_count(&context->busy_refused);
    return (struct larder_reply){.status = LARDER_BUSY, .message = ldr_slice_text(reason)};
}
