#include "core/group/context.h"

#include "core/base/bytes.h"

struct larder_version ldr_context_version(struct ldr_context *context)
{
    uint64_t wall = context->runtime->wall_ms(context->runtime) << 16;
    uint64_t last = atomic_load_explicit(&context->clock, memory_order_relaxed);
    uint64_t next;
    /* Relaxed: uniqueness and growth come from the exchange itself; what a version orders is ordered by the store's lock. */
    do {
        next = wall > last ? wall : last + 1;
        if (context->cluster != NULL) /* the next one that is this member's own */
            next = ((next + UINT8_MAX) & ~(uint64_t)UINT8_MAX) | context->clock_mark;
    } while (!atomic_compare_exchange_weak_explicit(&context->clock, &last, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return (struct larder_version){context->cluster != NULL ? ldr_cluster_version_epoch(context->cluster) : 0, next};
}

void ldr_context_observe(struct ldr_context *context, struct larder_version version)
{
    uint64_t last = atomic_load_explicit(&context->clock, memory_order_relaxed);
    while (version.clock > last && !atomic_compare_exchange_weak_explicit(&context->clock, &last, version.clock,
                                                                          memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t ldr_context_expires(const struct ldr_context *context, int64_t ttl_ms)
{
    return ttl_ms == LARDER_TTL_NONE ? LARDER_NEVER : larder_deadline_in(context->runtime, (uint64_t)ttl_ms);
}

int64_t ldr_context_remaining(uint64_t expires, uint64_t now)
{
    if (expires == LARDER_NEVER)
        return LARDER_TTL_NONE;
    return expires <= now ? 1 : (int64_t)((expires - now + LARDER_NS_PER_MS - 1) / LARDER_NS_PER_MS);
}

void ldr_answer(const struct ldr_context *context, struct larder_reply *reply, larder_reply_fn done, void *arg)
{
    reply->ring = context->cluster != NULL ? ldr_cluster_ring(context->cluster) : (struct larder_ring_view){0};
    done(arg, reply);
}

void ldr_answer_status(const struct ldr_context *context, enum larder_status status, const char *message,
                       larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {.status = status};
    if (message != NULL)
        reply.message = ldr_slice_text(message);
    ldr_answer(context, &reply, done, arg);
}
