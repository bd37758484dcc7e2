/* One batch of a hand-off: offered to all that hold its entries, then pushed to those that want them. */
#include "core/group/handoff_batch.h"

#include <stdlib.h>

#include "core/base/fail.h"

#define BYTES_A_CHUNK 4096 /* of what may be sent a second, for each entry looked at at a time */

/* ------------------------------------------------------------------------------------------------ filling it */

struct ldr_handoff_target *ldr_handoff_target_of(struct ldr_handoff *handoff, const struct ldr_peer *peer)
{
    for (size_t i = 0; i < handoff->target_count; i++)
        if (handoff->targets[i].peer == peer)
            return &handoff->targets[i];
    return NULL;
}

struct ldr_handoff_message *ldr_handoff_message_to(struct ldr_handoff *handoff, struct ldr_peer *peer)
{
    for (size_t i = 0; i < handoff->message_count; i++)
        if (handoff->messages[i]->peer == peer)
            return handoff->messages[i];
    struct ldr_handoff_message **messages = realloc(handoff->messages, (handoff->message_count + 1) *
                                                                           sizeof(struct ldr_handoff_message *));
    if (messages == NULL)
        return NULL;
    handoff->messages = messages;
    struct ldr_handoff_message *message = calloc(1, sizeof *message);
    if (message == NULL)
        return NULL;
    message->handoff = handoff;
    message->peer = peer;
    ldr_peer_hold(peer);
    messages[handoff->message_count++] = message;
    return message;
}

/* Whether the peer has to be offered an entry. What belongs elsewhere goes when all have said that they have just this. */
static bool is_for(struct ldr_handoff *handoff, const struct ldr_placement *placement, const struct ldr_peer *peer)
{
    const struct ldr_handoff_target *target = ldr_handoff_target_of(handoff, peer);
    if (placement->self == placement->count)
        return true;
    if (target == NULL || target->failed || (!target->full && placement->same))
        return false;
    bool even = ldr_handoff_is_even(handoff, target, placement->digest);
    if (even)
        ldr_count(&handoff->spared);
    return !even;
}

/* The pass does not count for the peer. */
static void hold_back(struct ldr_handoff *handoff, struct ldr_peer *peer)
{
    struct ldr_handoff_target *target = ldr_handoff_target_of(handoff, peer);
    if (target != NULL)
        target->failed = true;
    else
        ldr_cluster_behind_quietly(handoff->context->cluster, peer);
}

/* Something did not arrive: another pass begins by itself. */
static void miss(struct ldr_handoff *handoff, struct ldr_peer *peer)
{
    handoff->again = true;
    hold_back(handoff, peer);
}

/* Takes the entry's pin. */
static void consider(struct ldr_handoff *handoff, struct ldr_group *group, struct ldr_entry *entry)
{
    struct ldr_placement placement;
    if (ldr_entry_trace(entry)) { /* that there is no room here means nothing to others */
        ldr_entry_release(entry);
        return;
    }
    ldr_cluster_place(handoff->context->cluster, ldr_slice_text(group->name), ldr_entry_key(entry), &placement);
    struct ldr_handoff_item *item = &handoff->items[handoff->item_count];
    *item = (struct ldr_handoff_item){.entry = entry, .stray = placement.self == placement.count};
    bool sent = false;
    for (unsigned i = 0; i < placement.count && placement.serial == handoff->serial; i++) {
        struct ldr_peer *peer = placement.peers[i];
        if (peer == NULL || !is_for(handoff, &placement, peer))
            continue;
        item->missing++;
        struct ldr_handoff_message *message = ldr_peer_is_up(peer) ? ldr_handoff_message_to(handoff, peer) : NULL;
        if (message == NULL) {
            miss(handoff, peer);
            continue;
        }
        message->items[message->count++] = (uint16_t)handoff->item_count;
        sent = true;
    }
    ldr_placement_release(&placement);
    handoff->filled += sent ? ldr_entry_value(entry).size : 0;
    if (sent)
        handoff->item_count++;
    else
        ldr_entry_release(entry);
}

size_t ldr_handoff_fill(struct ldr_handoff *handoff, struct ldr_group *group)
{
    struct ldr_entry *entries[LDR_HANDOFF_CHUNK];
    /* Few at a time where little may be sent, that the first batch is not all of a second, and more. */
    uint64_t some = handoff->bandwidth / BYTES_A_CHUNK + 1;
    size_t most = some < LDR_HANDOFF_CHUNK ? (size_t)some : LDR_HANDOFF_CHUNK;
    size_t count = ldr_store_walk(group->store, &handoff->walk, entries, most);
    handoff->walked = count < most;
    for (size_t i = 0; i < count; i++)
        consider(handoff, group, entries[i]);
    return count;
}

/* ------------------------------------------------------------------------------------------------ its end */

void ldr_handoff_drop_batch(struct ldr_handoff *handoff)
{
    for (size_t i = 0; i < handoff->item_count; i++)
        ldr_entry_release(handoff->items[i].entry);
    for (size_t i = 0; i < handoff->message_count; i++) {
        ldr_peer_release(handoff->messages[i]->peer);
        ldr_buffer_free(&handoff->messages[i]->bytes);
        free(handoff->messages[i]);
    }
    free(handoff->messages);
    handoff->messages = NULL;
    handoff->item_count = handoff->message_count = 0;
    handoff->filled = 0;
}

/* An entry that all have acknowledged, in just this version, may go if this node does not hold it. */
static void drop_strays(struct ldr_handoff *handoff, struct ldr_group *group)
{
    bool current = ldr_cluster_serial(handoff->context->cluster) == handoff->serial;
    for (size_t i = 0; i < handoff->item_count && current; i++) {
        const struct ldr_handoff_item *item = &handoff->items[i];
        if (item->stray && item->missing == 0 &&
            ldr_store_drop(group->store, ldr_entry_key(item->entry), ldr_entry_version(item->entry)))
            ldr_count(&handoff->dropped);
    }
}

/*
 * Whether something stays here that was offered to the peer and belongs elsewhere. It will be offered again, so the peer is not
 * told that it was given everything: it would forget what is newer when its time has come, and take the old one then.
 */
static bool leaves_stray(const struct ldr_handoff *handoff, const struct ldr_handoff_message *message)
{
    for (unsigned i = 0; i < message->count; i++) {
        const struct ldr_handoff_item *item = &handoff->items[message->items[i]];
        if (item->stray && item->missing > 0)
            return true;
    }
    return false;
}

static void count_missing(struct ldr_handoff *handoff, const struct ldr_handoff_message *message)
{
    for (unsigned i = 0; i < message->count; i++)
        if (!message->wanted[i]) /* it has it, now or before, or it is not here any more */
            handoff->items[message->items[i]].missing--;
    if (message->failed)
        ldr_count(&handoff->failures);
}

static void finish(struct ldr_handoff *handoff)
{
    struct ldr_context *context = handoff->context;
    for (size_t i = 0; i < handoff->message_count; i++)
        count_missing(handoff, handoff->messages[i]);
    for (size_t i = 0; i < handoff->message_count; i++) {
        struct ldr_handoff_message *message = handoff->messages[i];
        if (message->failed)
            miss(handoff, message->peer);
        else if (leaves_stray(handoff, message))
            hold_back(handoff, message->peer);
    }
    drop_strays(handoff, handoff->groups[handoff->group]);
    ldr_handoff_drop_batch(handoff);
    if (handoff->walked)
        ldr_handoff_next_group(handoff);
    uint64_t spent = larder_now(context->runtime) - handoff->begun;
    uint64_t bytes = atomic_load_explicit(&handoff->bytes, memory_order_relaxed);
    uint64_t due = (uint64_t)((double)bytes * 1e9 / (double)handoff->bandwidth);
    ldr_handoff_go_on(handoff, due > spent ? due - spent : 0);
}

void ldr_handoff_leave(struct ldr_handoff *handoff)
{
    /* acq_rel: what each answer noted comes before all is looked at. */
    if (atomic_fetch_sub_explicit(&handoff->under_way, 1, memory_order_acq_rel) == 1)
        finish(handoff);
}

/* ------------------------------------------------------------------------------------------------ messages */

void ldr_handoff_call(struct ldr_handoff_message *message, enum ldr_exchange kind, unsigned items, larder_reply_fn done)
{
    struct ldr_handoff *handoff = message->handoff;
    struct ldr_context *context = handoff->context;
    struct ldr_header header = {.kind = kind, .items = items};
    uint64_t deadline = larder_deadline_in(context->runtime, context->peer_timeout_ms);
    /* Without its clock it could not see how long the copies were on their way. */
    bool good = ldr_cluster_stamp(context->cluster, message->peer, &header.stamp, &header.budget);
    uint64_t now = larder_now(context->runtime);
    header.wait = deadline > now ? deadline - now : 0;
    if (message->bytes.failed || !good) {
        struct larder_reply reply = {.status = message->bytes.failed ? LARDER_NO_MEMORY : LARDER_UNAVAILABLE};
        done(message, &reply);
        return;
    }
    ldr_header_encode(&header, message->header);
    message->request = (struct larder_request){
        .operation = LARDER_OP_EXCHANGE,
        .group = ldr_slice_text(handoff->groups[handoff->group]->name),
        .value = ldr_slice(message->bytes.data, message->bytes.size),
        .deadline = deadline,
        .cluster = ldr_slice(message->header, sizeof message->header),
    };
    atomic_fetch_add_explicit(&handoff->bytes, message->bytes.size, memory_order_relaxed);
    ldr_peer_hold(message->peer);
    ldr_cluster_call_once(context->cluster, message->peer, &message->request, done, message);
}

static bool is_set(const struct larder_reply *reply, unsigned bit)
{
    return (((const unsigned char *)reply->value.data)[bit / 8] >> bit % 8 & 1) != 0;
}

/* Whether the answer has a bit for each item. */
static bool is_answer(const struct larder_reply *reply, unsigned items)
{
    return reply->status == LARDER_OK && reply->value.size == (items + 7) / 8;
}

static void push(struct ldr_handoff_message *message);

static void pushed(void *arg, struct larder_reply *reply)
{
    struct ldr_handoff_message *message = arg;
    struct ldr_handoff *handoff = message->handoff;
    unsigned sent = 0, taken = 0;
    for (unsigned i = message->from; i < message->to; i++)
        sent += message->wanted[i];
    bool good = is_answer(reply, sent);
    for (unsigned i = message->from, bit = 0; i < message->to && good; i++) {
        if (!message->wanted[i])
            continue;
        if (is_set(reply, bit++)) {
            message->wanted[i] = false;
            taken++;
        }
    }
    atomic_fetch_add_explicit(&handoff->sent, taken, memory_order_relaxed);
    message->failed = !good || taken < sent;
    larder_reply_release(reply);
    message->from = message->to;
    if (message->failed)
        ldr_handoff_leave(handoff);
    else
        push(message);
}

/* Whether it is what is stored still: what was pinned some messages ago may be older than what was acknowledged since. */
static bool is_current(struct ldr_handoff *handoff, const struct ldr_entry *entry)
{
    const struct ldr_group *group = handoff->groups[handoff->group];
    struct ldr_entry *stored = ldr_store_peek(group->store, ldr_entry_key(entry), 0);
    bool current = stored != NULL && ldr_version_equal(ldr_entry_version(stored), ldr_entry_version(entry));
    ldr_entry_release(stored);
    return current;
}

/* The next of the copies that are wanted. */
static void push(struct ldr_handoff_message *message)
{
    struct ldr_handoff *handoff = message->handoff;
    uint64_t now = larder_now(handoff->context->runtime);
    unsigned items = 0;
    ldr_buffer_free(&message->bytes);
    for (message->to = message->from; message->to < message->count; message->to++) {
        if (!message->wanted[message->to])
            continue;
        const struct ldr_entry *entry = handoff->items[message->items[message->to]].entry;
        if (!is_current(handoff, entry)) {
            message->wanted[message->to] = false;
            continue;
        }
        struct ldr_wire_copy copy = ldr_group_copy_of(entry, now);
        if (items > 0 && message->bytes.size + copy.value.size > LDR_HANDOFF_BYTES)
            break;
        ldr_copy_encode(&message->bytes, &copy);
        items++;
    }
    if (items == 0)
        ldr_handoff_leave(handoff);
    else
        ldr_handoff_call(message, LDR_EXCHANGE_PUSH, items, pushed);
}

static void offered(void *arg, struct larder_reply *reply)
{
    struct ldr_handoff_message *message = arg;
    message->failed = !is_answer(reply, message->count);
    for (unsigned i = 0; i < message->count; i++)
        message->wanted[i] = message->failed || is_set(reply, i);
    larder_reply_release(reply);
    if (message->failed)
        ldr_handoff_leave(message->handoff);
    else
        push(message);
}

static void offer(struct ldr_handoff_message *message)
{
    const struct ldr_handoff *handoff = message->handoff;
    for (unsigned i = 0; i < message->count; i++) {
        const struct ldr_entry *entry = handoff->items[message->items[i]].entry;
        ldr_offer_encode(&message->bytes,
                         &(struct ldr_wire_copy){.key = ldr_entry_key(entry), .version = ldr_entry_version(entry)});
    }
    ldr_handoff_call(message, LDR_EXCHANGE_OFFER, message->count, offered);
}

void ldr_handoff_send_all(struct ldr_handoff *handoff, void (*send)(struct ldr_handoff_message *message))
{
    size_t count = handoff->message_count;
    pthread_mutex_lock(&handoff->lock);
    handoff->in_flight = true;
    pthread_mutex_unlock(&handoff->lock);
    handoff->begun = larder_now(handoff->context->runtime);
    atomic_store_explicit(&handoff->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&handoff->under_way, (unsigned)count + 1, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        send(handoff->messages[i]);
    ldr_handoff_leave(handoff);
}

void ldr_handoff_send(struct ldr_handoff *handoff)
{
    ldr_handoff_send_all(handoff, offer);
}
