/*
 * Before the entries of a group are offered, what a member has already is found by digests: the keys' space is cut into ranges, and
 * for each range there is a sum over keys and versions of what both hold. Where the sums agree nothing needs to be offered. The
 * other's sums come a part of its entries at a time, so that nobody walks long for one message.
 */
#include <stdlib.h>

#include "core/group/handoff_batch.h"

#define ENTRIES_A_RANGE 16   /* and more where there would be too many ranges */
#define SUMMED_AT_ONCE  4096 /* entries, before others get their turn */

/* ------------------------------------------------------------------------------------------------ what is here */

static uint32_t ranges_for(uint64_t entries)
{
    uint32_t ranges = 1;
    while (ranges < LDR_RANGES_MAX && ranges * ENTRIES_A_RANGE < entries)
        ranges *= 2;
    return ranges;
}

void ldr_handoff_forget_sums(struct ldr_handoff *handoff)
{
    for (size_t i = 0; i < handoff->target_count; i++) {
        free(handoff->targets[i].sums);
        handoff->targets[i].sums = NULL;
    }
}

/* Only those that are offered everything are worth it; where there is no memory for it, all is offered. */
static bool begin(struct ldr_handoff *handoff, struct ldr_group *group)
{
    struct ldr_store_stats stats;
    bool any = false;
    ldr_store_stats(group->store, &stats);
    ldr_handoff_forget_sums(handoff);
    handoff->ranges = ranges_for(stats.entries);
    /* An answer has 8 bytes a range, an offer about 48 an entry: beyond half of that it is no longer worth it. */
    uint64_t most = stats.entries * 3 / handoff->ranges + 1;
    handoff->parts_most = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
    for (size_t i = 0; i < handoff->target_count && stats.entries > 0; i++) {
        struct ldr_handoff_target *target = &handoff->targets[i];
        if (target->full && !target->failed)
            target->sums = calloc(handoff->ranges, sizeof *target->sums);
        any |= target->sums != NULL;
    }
    return any;
}

static void add(struct ldr_handoff *handoff, struct ldr_group *group, const struct ldr_entry *entry)
{
    struct ldr_placement placement;
    ldr_cluster_place(handoff->context->cluster, ldr_slice_text(group->name), ldr_entry_key(entry), &placement);
    for (unsigned i = 0; i < placement.count && placement.self < placement.count; i++) {
        struct ldr_handoff_target *target = ldr_handoff_target_of(handoff, placement.peers[i]);
        if (target != NULL && target->sums != NULL)
            target->sums[placement.digest & (handoff->ranges - 1)] += ldr_sum_digest(placement.digest,
                                                                                     ldr_entry_version(entry));
    }
    ldr_placement_release(&placement);
}

/* False: the group is at its end. */
static bool sum_up(struct ldr_handoff *handoff, struct ldr_group *group)
{
    struct ldr_entry *entries[LDR_HANDOFF_CHUNK];
    size_t count = LDR_HANDOFF_CHUNK;
    for (size_t scanned = 0; count == LDR_HANDOFF_CHUNK && scanned < SUMMED_AT_ONCE; scanned += count) {
        count = ldr_store_walk(group->store, &handoff->walk, entries, LDR_HANDOFF_CHUNK);
        for (size_t i = 0; i < count; i++) {
            add(handoff, group, entries[i]);
            ldr_entry_release(entries[i]);
        }
    }
    return count == LDR_HANDOFF_CHUNK;
}

/* ------------------------------------------------------------------------------------------------ what is there */

static void ask(struct ldr_handoff_message *message);

/* The other's sums are taken off: what is left is what differs. */
static void answered(void *arg, struct larder_reply *reply)
{
    struct ldr_handoff_message *message = arg;
    struct ldr_handoff *handoff = message->handoff;
    struct ldr_handoff_target *target = ldr_handoff_target_of(handoff, message->peer);
    struct ldr_wire_sums part = {0};
    bool good = reply->status == LARDER_OK && ldr_sums_decode(reply->value, handoff->ranges, &part);
    atomic_fetch_add_explicit(&handoff->bytes, reply->value.size, memory_order_relaxed);
    for (uint32_t i = 0; i < handoff->ranges && good; i++)
        target->sums[i] -= ldr_sum_of_range(&part, i);
    memcpy(message->walk, part.at, sizeof part.at);
    larder_reply_release(reply);
    bool end = part.at[0] == LDR_SUMS_END;
    if (good && !end && ++message->parts < handoff->parts_most &&
        ldr_cluster_serial(handoff->context->cluster) == handoff->serial) {
        ask(message);
        return;
    }
    if (!good || !end) { /* it will be offered everything */
        free(target->sums);
        target->sums = NULL;
    }
    ldr_handoff_leave(handoff);
}

static void ask(struct ldr_handoff_message *message)
{
    ldr_buffer_free(&message->bytes);
    ldr_sums_encode(&message->bytes, message->walk, NULL, 0);
    ldr_handoff_call(message, LDR_EXCHANGE_SUMS, message->handoff->ranges, answered);
}

static void ask_all(struct ldr_handoff *handoff)
{
    for (size_t i = 0; i < handoff->target_count; i++) {
        struct ldr_handoff_target *target = &handoff->targets[i];
        if (target->sums != NULL && ldr_handoff_message_to(handoff, target->peer) == NULL) {
            free(target->sums);
            target->sums = NULL;
        }
    }
    ldr_handoff_send_all(handoff, ask);
}

bool ldr_handoff_compare(struct ldr_handoff *handoff)
{
    if (handoff->phase == LDR_HANDOFF_OFFERING || handoff->group == handoff->group_count)
        return false;
    struct ldr_group *group = handoff->groups[handoff->group];
    if (handoff->phase == LDR_HANDOFF_NEW && !begin(handoff, group)) {
        handoff->phase = LDR_HANDOFF_OFFERING;
        return false;
    }
    handoff->phase = LDR_HANDOFF_SUMMING;
    if (sum_up(handoff, group)) {
        ldr_handoff_go_on(handoff, 0);
        return true;
    }
    handoff->phase = LDR_HANDOFF_OFFERING;
    handoff->walk = (struct ldr_store_walk){0};
    handoff->walked = false;
    ask_all(handoff);
    return true;
}

bool ldr_handoff_is_even(const struct ldr_handoff *handoff, const struct ldr_handoff_target *target, uint64_t digest)
{
    return target->sums != NULL && target->sums[digest & (handoff->ranges - 1)] == 0;
}
