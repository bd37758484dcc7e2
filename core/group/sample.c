/* Between the counters of a group and what finds hot keys. */
#include "core/group/group.h"
#include "core/group/hot.h"

void ldr_group_sample(struct ldr_group *group, struct ldr_lane *lane, const struct larder_slice *key, uint64_t batch)
{
    struct ldr_hot *hot = group->context->hot;
    uint64_t next = LDR_HOT_NEVER;
    if (hot != NULL) {
        struct ldr_hot_key hot_key = {0};
        if (key != NULL)
            hot_key = ldr_hot_key(group->id, group->name_hash, *key);
        next = ldr_hot_sample(hot, key != NULL ? &hot_key : NULL, batch, ldr_lane_read(lane, LDR_GETS),
                              ldr_lane_read(lane, LDR_NEXT_SAMPLE));
    }
    ldr_lane_set(lane, LDR_NEXT_SAMPLE, next);
}

void ldr_group_sample_get(struct ldr_group *group, const struct larder_request *request)
{
    struct ldr_lane *lane = ldr_lanes_mine(group->lanes);
    if (!ldr_hot_due(ldr_lane_read(lane, LDR_GETS), ldr_lane_read(lane, LDR_NEXT_SAMPLE)))
        return;
    /* Who is alone may be asked as a peer all the same. */
    const struct ldr_cluster *cluster = group->context->cluster;
    bool elsewhere = cluster != NULL && (request->flags & LARDER_REQUEST_PEER) != 0 &&
                     ldr_cluster_is_member(cluster, request->sender);
    ldr_group_sample(group, lane, elsewhere ? NULL : &request->key, 1);
}
