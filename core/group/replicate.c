/* What was written here goes to the other members that hold the key. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/copies.h"

#define UNDER_WAY 4096 /* most that are on their way at a time; further ones are made up for by the hand-off */

struct leg {
    struct round *round;
    struct ldr_peer *peer; /* a reference of its own */
    unsigned attempts;
    struct larder_request request;
    unsigned char header[LDR_HEADER_SIZE];
};

/* One entry on its way to all. */
struct round {
    struct ldr_group *group; /* a counted reference */
    struct ldr_entry *entry; /* pinned */
    struct ldr_placement placement;
    uint64_t deadline;
    _Atomic unsigned left, failed;
    void (*all)(void *arg, unsigned failed);
    void *arg;
    size_t name_size;
    struct leg legs[LDR_REPLICAS_MAX];
    char name[LARDER_GROUP_MAX];
};

static void leave(struct round *round)
{
    /* acq_rel: what each leg noted comes before it is added up. */
    if (atomic_fetch_sub_explicit(&round->left, 1, memory_order_acq_rel) != 1)
        return;
    struct ldr_context *context = round->group->context;
    unsigned failed = atomic_load_explicit(&round->failed, memory_order_relaxed);
    ldr_placement_release(&round->placement);
    ldr_entry_release(round->entry);
    ldr_group_release(round->group);
    void (*all)(void *arg, unsigned failed) = round->all;
    void *arg = round->arg;
    free(round);
    atomic_fetch_sub_explicit(&context->replicating, 1, memory_order_relaxed);
    if (all != NULL)
        all(arg, failed);
    ldr_tally_end(&context->waiting);
}

/* False: it has not told its clock yet, without which it could not see how long the copy was on its way. */
static bool send(struct leg *leg);

/* Strict: an answer under another list acknowledges nothing. */
static bool acknowledges(const struct round *round, const struct larder_reply *reply)
{
    return reply->status == LARDER_OK &&
           (!ldr_cluster_strict(round->group->context->cluster) || reply->ring.epoch == round->placement.epoch);
}

static void end(struct leg *leg, bool stored)
{
    struct round *round = leg->round;
    if (!stored) {
        ldr_cluster_behind(round->group->context->cluster, leg->peer);
        atomic_fetch_add_explicit(&round->failed, 1, memory_order_relaxed);
    }
    ldr_peer_release(leg->peer);
    leave(round);
}

static void replicated(void *arg, struct larder_reply *reply)
{
    struct leg *leg = arg;
    struct round *round = leg->round;
    struct ldr_cluster *cluster = round->group->context->cluster;
    bool stored = acknowledges(round, reply), told = reply->cluster.size > 0;
    /* Under another list it is of no use to ask again. */
    bool again = !stored && !(told && reply->ring.epoch != round->placement.epoch);
    if (told)
        ldr_cluster_heard(cluster, leg->peer, reply);
    larder_reply_release(reply);
    /* A message that was lost, or came late, is repeated once: it does no harm twice. */
    if (again && ++leg->attempts < 2 && ldr_peer_is_up(leg->peer) &&
        ldr_cluster_serial(cluster) == round->placement.serial && send(leg))
        return;
    end(leg, stored);
}

static bool send(struct leg *leg)
{
    struct round *round = leg->round;
    struct ldr_context *context = round->group->context;
    struct ldr_wire_copy copy = ldr_group_copy_of(round->entry, larder_now(context->runtime));
    uint64_t limit = larder_deadline_in(context->runtime, context->peer_timeout_ms);
    struct ldr_header header = {
        .kind = LDR_EXCHANGE_REPLICATE,
        .flags = (copy.negative ? LDR_HEADER_NEGATIVE : 0u) | (copy.tombstone ? LDR_HEADER_TOMBSTONE : 0u),
    };
    limit = limit < round->deadline ? limit : round->deadline;
    if (!ldr_cluster_stamp(context->cluster, leg->peer, &header.stamp, &header.budget))
        return false;
    uint64_t now = larder_now(context->runtime);
    header.wait = limit > now ? limit - now : 0;
    ldr_header_encode(&header, leg->header);
    leg->request = (struct larder_request){
        .operation = LARDER_OP_EXCHANGE,
        .group = ldr_slice(round->name, round->name_size),
        .key = copy.key,
        .value = copy.value,
        .ttl_ms = copy.ttl_ms,
        .version = copy.version,
        .deadline = limit,
        .cluster = ldr_slice(leg->header, sizeof leg->header),
    };
    ldr_peer_hold(leg->peer);
    ldr_cluster_call_once(context->cluster, leg->peer, &leg->request, replicated, leg);
    return true;
}

/* The round may be over before this is: it is one of those that keep it. */
static void send_all(struct round *round, unsigned others)
{
    atomic_init(&round->left, others + 1);
    for (unsigned i = 0; i < round->placement.count; i++)
        if (round->placement.peers[i] != NULL)
            ldr_peer_hold(round->placement.peers[i]);
    for (unsigned i = 0; i < round->placement.count; i++) {
        struct ldr_peer *peer = round->placement.peers[i];
        if (peer == NULL)
            continue;
        round->legs[i] = (struct leg){.round = round, .peer = peer};
        ldr_peer_hold(peer);
        if (!send(&round->legs[i]))
            end(&round->legs[i], false);
    }
    leave(round);
}

/* Nobody has it besides this node; whoever does not have it yet gets it later. */
static void give_up(struct ldr_group *group, const struct ldr_placement *placement, void (*all)(void *arg, unsigned),
                    void *arg)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < placement->count; i++) {
        if (placement->peers[i] == NULL)
            continue;
        ldr_cluster_behind(group->context->cluster, placement->peers[i]);
        failed++;
    }
    if (all != NULL)
        all(arg, failed);
}

void ldr_group_replicate(struct ldr_group *group, const struct ldr_replication *what,
                         const struct ldr_placement *placement)
{
    struct ldr_context *context = group->context;
    unsigned others = placement->count - (placement->self < placement->count);
    struct ldr_entry *entry = others == 0 ? NULL : ldr_store_peek(group->store, what->key, 0);
    if (entry == NULL) { /* nobody else, or evicted already, and others have what is older */
        if (what->all != NULL)
            what->all(what->arg, ldr_cluster_strict(context->cluster) ? others : 0);
        return;
    }
    bool many = atomic_fetch_add_explicit(&context->replicating, 1, memory_order_relaxed) >= UNDER_WAY;
    struct round *round = many ? NULL : calloc(1, sizeof *round);
    if (round == NULL) {
        atomic_fetch_sub_explicit(&context->replicating, 1, memory_order_relaxed);
        ldr_entry_release(entry);
        give_up(group, placement, what->all, what->arg);
        return;
    }
    round->group = ldr_group_reference(group);
    round->entry = entry;
    round->placement = *placement;
    round->deadline = what->deadline;
    round->all = what->all;
    round->arg = what->arg;
    round->name_size = what->name.size;
    memcpy(round->name, what->name.data, what->name.size);
    ldr_tally_begin(&context->waiting);
    send_all(round, others);
}
