/* What other members want of the copies here: to store some, to know which are wanted, to have one, or sums over ranges of them. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/copies.h"

/* How long a copy may have been on its way: since this node's clock was told to the sender, but for what that waited. */
static uint64_t age_of(const struct ldr_context *context, const struct ldr_header *header)
{
    uint64_t now = larder_now(context->runtime), since = header->stamp;
    if (header->stamp == 0 || __builtin_add_overflow(since, header->budget, &since) || since >= now)
        return 0;
    return now - since;
}

/*
 * Strict: whether copies come when their sender does not wait any more: what has been written since may be past its time. See
 * docs/decisions/0028-copies-that-come-after-a-newer-one-is-gone.md. Members of an earlier version do not say how long they wait:
 * they are taken to do so as long as this node.
 */
static bool is_late(const struct ldr_context *context, const struct ldr_header *header)
{
    uint64_t now = larder_now(context->runtime), until = header->stamp;
    uint64_t wait = header->wait != 0 ? header->wait : context->peer_timeout_ms * LARDER_NS_PER_MS;
    return ldr_cluster_strict(context->cluster) &&
           (until == 0 || until > now || __builtin_add_overflow(until, header->budget, &until) ||
            __builtin_add_overflow(until, wait, &until) || until < now);
}

/* Whether a message was sent under this node's list, which it may act under. */
static bool same_list(struct ldr_cluster *cluster, const struct larder_request *request)
{
    return !ldr_cluster_strict(cluster) || (request->ring.epoch == ldr_cluster_ring(cluster).epoch &&
                                            ldr_cluster_may_pass(cluster, ldr_cluster_serial(cluster)));
}

/* Strict: whether this node holds the key under the sender's list. Else it takes what it is given, and hands it on. */
static bool is_mine(struct ldr_group *group, const struct larder_request *request, struct larder_slice key)
{
    struct ldr_placement placement;
    struct ldr_cluster *cluster = group->context->cluster;
    ldr_cluster_place(cluster, request->group, key, &placement);
    /* Sealed: what is outdated here is gone by then, and nothing that comes goes with it. */
    bool mine = placement.self < placement.count && placement.epoch == request->ring.epoch &&
                ldr_cluster_may_pass(cluster, placement.serial);
    ldr_placement_release(&placement);
    return mine || !ldr_cluster_strict(cluster);
}

static bool is_sender(const struct larder_request *request, const struct ldr_peer *peer)
{
    return peer != NULL && ldr_slice_equal(ldr_slice_text(ldr_peer_name(peer)), request->sender);
}

/*
 * Something new came. True: somebody besides the sender and this node is to hold it, and might not have it. Who does not hold it
 * itself has written it for an owner that it could not reach, or handed it on; whom of the others it reaches is not certain.
 */
static bool is_for_others(struct ldr_group *group, const struct larder_request *request, struct larder_slice key)
{
    struct ldr_placement placement;
    struct ldr_cluster *cluster = group->context->cluster;
    bool others = false, of_holder = false;
    ldr_cluster_place(cluster, request->group, key, &placement);
    for (unsigned i = 0; i < placement.count; i++)
        of_holder |= is_sender(request, placement.peers[i]);
    for (unsigned i = 0; i < placement.count; i++) {
        if (placement.peers[i] == NULL || is_sender(request, placement.peers[i]))
            continue;
        others = true;
        if (!of_holder && placement.same) /* what all have had is not offered again to who is not behind */
            ldr_cluster_behind(cluster, placement.peers[i]);
    }
    bool stray = placement.self == placement.count;
    ldr_placement_release(&placement);
    return stray || (others && !of_holder);
}

/* Strict: it was written under an earlier list than it was sent under: the sender stood meanwhile, and it may be old. */
static bool is_of_earlier_list(const struct ldr_group *group, const struct larder_request *request)
{
    return ldr_cluster_strict(group->context->cluster) && request->version.epoch != request->ring.epoch;
}

static void replicate(struct ldr_group *group, const struct larder_request *request, const struct ldr_header *header,
                      larder_reply_fn done, void *arg)
{
    bool news;
    struct ldr_wire_copy copy = {
        .key = request->key,
        .value = request->value,
        .version = request->version,
        .ttl_ms = request->ttl_ms,
        .negative = (header->flags & LDR_HEADER_NEGATIVE) != 0,
        .tombstone = (header->flags & LDR_HEADER_TOMBSTONE) != 0,
    };
    if (is_late(group->context, header) || is_of_earlier_list(group, request) || !is_mine(group, request, copy.key)) {
        ldr_answer_moved(group->context, request, done, arg);
        return;
    }
    enum larder_status status = ldr_group_take_copy(group, request->group, &copy, age_of(group->context, header),
                                                    &news);
    if (news && is_for_others(group, request, copy.key))
        ldr_handoff_again(group->context->handoff);
    ldr_answer_status(group->context, status, status != LARDER_OK ? larder_last_error() : NULL, done, arg);
}

/* The answer to a batch: a bit for each of its items, in `value`. */
struct answer {
    unsigned char *bits;
    uint32_t items;
};

static void set_bit(struct answer *answer, uint32_t item)
{
    answer->bits[item / 8] |= (unsigned char)(1u << item % 8);
}

static void send_bits(struct ldr_context *context, struct answer *answer, larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {
        .status = LARDER_OK,
        .value = ldr_slice(answer->bits, (answer->items + 7) / 8),
        .release = free,
        .pin = answer->bits,
    };
    ldr_answer(context, &reply, done, arg);
}

static bool is_here(struct ldr_group *group, const struct ldr_wire_copy *copy)
{
    struct ldr_entry *entry = ldr_store_peek(group->store, copy->key, 0);
    bool newer = entry != NULL ? ldr_version_newer(copy->version, ldr_entry_version(entry))
                               : ldr_version_newer(copy->version, ldr_store_floor(group->store, copy->key));
    ldr_entry_release(entry);
    return !newer;
}

static bool look_at_offer(struct ldr_group *group, const struct larder_request *request, struct answer *answer)
{
    struct larder_slice rest = request->value;
    struct ldr_wire_copy copy;
    for (uint32_t i = 0; i < answer->items; i++) {
        if (!ldr_offer_decode(&rest, &copy))
            return false;
        if (!is_mine(group, request, copy.key))
            return false; /* it would be taken for not wanted */
        if (!is_here(group, &copy))
            set_bit(answer, i);
    }
    return rest.size == 0;
}

static bool take_push(struct ldr_group *group, const struct larder_request *request, const struct ldr_header *header,
                      struct answer *answer)
{
    struct ldr_context *context = group->context;
    struct larder_slice rest = request->value;
    struct ldr_wire_copy copy;
    bool news, spread = false;
    uint64_t age = age_of(context, header);
    for (uint32_t i = 0; i < answer->items; i++) {
        if (!ldr_copy_decode(&rest, &copy))
            return false;
        if (!is_mine(group, request, copy.key) ||
            ldr_group_take_copy(group, request->group, &copy, age, &news) != LARDER_OK)
            continue;
        set_bit(answer, i);
        spread |= news && is_for_others(group, request, copy.key);
        if (news)
            ldr_count(&context->handoff_received);
    }
    if (spread)
        ldr_handoff_again(context->handoff);
    return rest.size == 0;
}

static void take_batch(struct ldr_group *group, const struct larder_request *request, const struct ldr_header *header,
                       larder_reply_fn done, void *arg)
{
    /* No item is smaller than its key's one byte and head. */
    struct answer answer = {.items = header->items};
    if (header->items > request->value.size)
        goto nonsense;
    if (!same_list(group->context->cluster, request) ||
        (header->kind == LDR_EXCHANGE_PUSH && is_late(group->context, header))) {
        ldr_answer_moved(group->context, request, done, arg);
        return;
    }
    answer.bits = calloc(1, answer.items / 8 + 1);
    if (answer.bits == NULL) {
        ldr_answer_status(group->context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    if (header->kind == LDR_EXCHANGE_OFFER ? look_at_offer(group, request, &answer)
                                           : take_push(group, request, header, &answer)) {
        send_bits(group->context, &answer, done, arg);
        return;
    }
    free(answer.bits);
nonsense:
    ldr_answer_status(group->context, LARDER_INVALID, "a batch of copies that makes no sense", done, arg);
}

/* ------------------------------------------------------------------------------------------------ sums of ranges */

#define SUMMED_AT_ONCE 4096 /* entries of an answer: about a millisecond */

/* Whether this node and the sender both hold the key. */
static bool is_both(struct ldr_group *group, const struct larder_request *request, const struct ldr_entry *entry,
                    uint64_t *digest)
{
    struct ldr_placement placement;
    ldr_cluster_place(group->context->cluster, request->group, ldr_entry_key(entry), &placement);
    bool both = false;
    for (unsigned i = 0; i < placement.count && placement.self < placement.count; i++)
        both |= placement.peers[i] != NULL &&
                ldr_slice_equal(ldr_slice_text(ldr_peer_name(placement.peers[i])), request->sender);
    *digest = placement.digest;
    ldr_placement_release(&placement);
    return both;
}

static void sum_up(struct ldr_group *group, const struct larder_request *request, struct ldr_store_walk *walk,
                   uint64_t *sums, uint32_t ranges)
{
    struct ldr_entry *entries[64];
    const size_t most = sizeof entries / sizeof *entries;
    size_t count = most;
    for (size_t scanned = 0; count == most && scanned < SUMMED_AT_ONCE; scanned += count) {
        count = ldr_store_walk(group->store, walk, entries, most);
        for (size_t i = 0; i < count; i++) {
            uint64_t digest;
            if (is_both(group, request, entries[i], &digest))
                sums[digest & (ranges - 1)] += ldr_sum_digest(digest, ldr_entry_version(entries[i]));
            ldr_entry_release(entries[i]);
        }
    }
    if (count < most)
        walk->shard = LDR_SUMS_END;
}

static void tell_sums(struct ldr_group *group, const struct larder_request *request, const struct ldr_header *header,
                      larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct ldr_wire_sums at;
    uint32_t ranges = header->items;
    if (ranges == 0 || ranges > LDR_RANGES_MAX || (ranges & (ranges - 1)) != 0 ||
        !ldr_sums_decode(request->value, 0, &at)) {
        ldr_answer_status(context, LARDER_INVALID, "sums of ranges: a request that makes no sense", done, arg);
        return;
    }
    if (!same_list(context->cluster, request)) {
        ldr_answer_moved(context, request, done, arg);
        return;
    }
    struct ldr_store_walk walk = {at.at[0], at.at[1], at.at[2]};
    uint64_t *sums = calloc(ranges, sizeof *sums);
    struct ldr_buffer bytes = {.failed = sums == NULL};
    if (sums != NULL) {
        sum_up(group, request, &walk, sums, ranges);
        ldr_sums_encode(&bytes, (const uint32_t[3]){walk.shard, walk.slot, walk.layout}, sums, ranges);
    }
    free(sums);
    struct larder_reply reply = {.status = bytes.failed ? LARDER_NO_MEMORY : LARDER_OK,
                                 .value = ldr_slice(bytes.data, bytes.failed ? 0 : bytes.size),
                                 .release = free,
                                 .pin = bytes.data};
    ldr_answer(context, &reply, done, arg);
}

/* ------------------------------------------------------------------------------------------------ one key */

struct told {
    struct ldr_entry *entry;
    unsigned char header[LDR_HEADER_SIZE];
};

static void release_told(void *pin)
{
    struct told *told = pin;
    ldr_entry_release(told->entry);
    free(told);
}

/* What is here for the key, tombstones too, and above which version something else may have been. */
static void tell(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    if (!same_list(context->cluster, request)) {
        ldr_answer_moved(context, request, done, arg);
        return;
    }
    struct told *told = malloc(sizeof *told);
    if (told == NULL) {
        ldr_answer_status(context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    told->entry = ldr_store_peek(group->store, request->key, 0);
    struct ldr_header header = {.kind = LDR_EXCHANGE_ASK, .floor = ldr_store_floor(group->store, request->key)};
    struct larder_reply reply = {.status = LARDER_NOT_FOUND, .release = release_told, .pin = told};
    if (told->entry != NULL && !ldr_entry_trace(told->entry)) {
        struct ldr_wire_copy copy = ldr_group_copy_of(told->entry, larder_now(context->runtime));
        header.flags = (copy.negative ? LDR_HEADER_NEGATIVE : 0u) | (copy.tombstone ? LDR_HEADER_TOMBSTONE : 0u);
        reply.status = LARDER_OK;
        reply.value = copy.value;
        reply.ttl_ms = copy.ttl_ms;
        reply.version = copy.version;
    }
    ldr_header_encode(&header, told->header);
    reply.cluster = ldr_slice(told->header, sizeof told->header);
    ldr_answer(context, &reply, done, arg);
}

void ldr_group_exchange(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct ldr_header header;
    if (context->cluster == NULL || group->store == NULL || (request->flags & LARDER_REQUEST_PEER) == 0 ||
        request->cluster.size == 0 || !ldr_header_decode(request->cluster, &header)) {
        ldr_answer_status(context, LARDER_INVALID, "copies are exchanged between members only", done, arg);
        return;
    }
    bool key_good = request->key.size > 0 && request->key.size <= LARDER_KEY_MAX;
    if (header.kind == LDR_EXCHANGE_REPLICATE && key_good && request->version.clock >> 62 == 0)
        replicate(group, request, &header, done, arg);
    else if (header.kind == LDR_EXCHANGE_OFFER || header.kind == LDR_EXCHANGE_PUSH)
        take_batch(group, request, &header, done, arg);
    else if (header.kind == LDR_EXCHANGE_SUMS)
        tell_sums(group, request, &header, done, arg);
    else if (header.kind == LDR_EXCHANGE_ASK && key_good)
        tell(group, request, done, arg);
    else
        ldr_answer_status(context, LARDER_INVALID, "an exchange that is not known here", done, arg);
}
