/* Strict: a request that a peer sent, which is answered here or MOVED. */
#include "core/group/strict.h"

/* Whether a write came while its sender still waits for it, and for the first time. */
static bool is_in_time(const struct ldr_context *context, const struct ldr_header *header)
{
    uint64_t now = larder_now(context->runtime), until;
    if (header->stamp == 0 || header->stamp > now || __builtin_add_overflow(header->stamp, header->budget, &until))
        return false;
    return now <= until && ldr_seen_add(context->seen, header->id, now);
}

void ldr_strict_serve(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct ldr_header header;
    struct ldr_placement placement;
    if (request->cluster.size == 0 || !ldr_header_decode(request->cluster, &header) || group->store == NULL) {
        ldr_answer_status(context, LARDER_INVALID, "a request between members without the cluster's part", done, arg);
        return;
    }
    ldr_cluster_place(context->cluster, request->group, request->key, &placement);
    bool get = request->operation == LARDER_OP_GET;
    bool mine = get ? placement.self < placement.count : placement.self == 0 && placement.count > 0;
    if (!mine || request->ring.epoch != placement.epoch || (!get && !is_in_time(context, &header))) {
        ldr_placement_release(&placement);
        ldr_answer_moved(context, request, done, arg);
    } else if (get) {
        ldr_strict_get(group, request, &placement, done, arg);
    } else {
        ldr_strict_write(group, request, &placement, done, arg);
    }
}
