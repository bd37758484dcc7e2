/* How long entries live. */
#include "core/base/bytes.h"
#include "core/group/group.h"

/* What is spread expires by up to this part of its time to live early: 5 %. */
#define SPREAD 20

int64_t ldr_group_ttl(const struct ldr_group *group, int64_t ttl_ms, bool stand_in)
{
    int64_t ttl = ttl_ms == LARDER_TTL_DEFAULT ? group->ttl_ms : ttl_ms;
    int64_t most = (int64_t)group->context->fallback_ttl_ms;
    if (stand_in && (ttl == LARDER_TTL_NONE || ttl > most))
        ttl = most;
    return ttl;
}

uint64_t ldr_group_expires(const struct ldr_group *group, const struct ldr_lifetime *lifetime)
{
    int64_t ttl = ldr_group_ttl(group, lifetime->ttl_ms, lifetime->stand_in);
    uint64_t expires = ldr_context_expires(group->context, ttl);
    if (!lifetime->spread || expires == LARDER_NEVER)
        return expires;
    uint64_t most = (uint64_t)ttl * (LARDER_NS_PER_MS / SPREAD); /* below `expires`, which has not overflowed */
    /* By the key, and not by chance: a run on virtual time stays what it is, and no shared state is touched. */
    return expires - ldr_hash(lifetime->key, group->spread_seed) % (most + 1);
}
