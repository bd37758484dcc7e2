/* What stores hold against older copies that may still come, and until when. */
#include "core/group/handoff_batch.h"

struct hold {
    uint64_t past;
    bool floors;
};

static void hold(void *arg, struct ldr_group *group)
{
    const struct hold *how = arg;
    ldr_group_hold(group, how->past, how->floors);
}

/*
 * A floor is one for many keys: those stay only until this node has been given everything, as it may be for long that somebody
 * cannot be reached. What others sent before they were done may be under way for a while yet. A list may come at any time.
 */
void ldr_handoff_tick(struct ldr_handoff *handoff)
{
    const struct ldr_context *context = handoff->context;
    struct ldr_cluster *cluster = context->cluster;
    uint64_t now = larder_now(context->runtime), serial = ldr_cluster_serial(cluster);
    if (context->kept_past == 0)
        return;
    bool lacking = serial != handoff->held_serial || !ldr_cluster_caught_up(cluster, serial);
    if (lacking)
        handoff->lacked_at = now;
    if (lacking || !ldr_cluster_is_complete(cluster, serial))
        handoff->open_at = now;
    handoff->held_serial = serial;
    struct hold how = {.past = now - handoff->open_at > context->kept_past ? context->kept_past : LARDER_NEVER,
                       .floors = now - handoff->lacked_at <= context->kept_past};
    ldr_registry_each(handoff->registry, hold, &how);
    if (ldr_cluster_serial(cluster) != serial)
        ldr_registry_each(handoff->registry, hold, &(struct hold){LARDER_NEVER, true});
}
