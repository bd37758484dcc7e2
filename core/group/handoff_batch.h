/* The state of a hand-off as its files see it: a pass, and the batch under way. */
#ifndef LDR_GROUP_HANDOFF_BATCH_H
#define LDR_GROUP_HANDOFF_BATCH_H

#include "core/group/copies.h"
#include "core/group/handoff.h"

#define LDR_HANDOFF_ITEMS  256          /* entries of a batch */
#define LDR_HANDOFF_CHUNK  64           /* looked at at a time */
#define LDR_HANDOFF_GROUPS 10000        /* as many as a configuration may have */
#define LDR_HANDOFF_BYTES  (256u << 10) /* of values in one message, but for one that is larger by itself */

struct ldr_handoff_target {
    struct ldr_peer *peer; /* a counted reference */
    uint64_t boot;
    bool full;   /* it is offered all, whatever it had before this list */
    bool failed; /* something did not arrive, or that it has stays here, as others that should have it do not */
    /* By range, of the group under way: what differs between here and there; NULL: everything may. */
    uint64_t *sums;
};

/* An entry of the batch. */
struct ldr_handoff_item {
    struct ldr_entry *entry; /* pinned */
    bool stray;              /* this node does not hold it: it goes when `missing` is 0 */
    unsigned missing;        /* members that hold it and have not said so */
};

/* What goes to one member. Owned by the call under way. */
struct ldr_handoff_message {
    struct ldr_handoff *handoff;
    struct ldr_peer *peer; /* a counted reference */
    bool failed;
    unsigned count, from, to; /* items; those of the push under way */
    uint32_t walk[3], parts;  /* how far the peer has summed up, in how many answers */
    struct larder_request request;
    struct ldr_buffer bytes;
    unsigned char header[LDR_HEADER_SIZE];
    bool wanted[LDR_HANDOFF_ITEMS];
    uint16_t items[LDR_HANDOFF_ITEMS];
};

/* What is done with a group, in this order. */
enum ldr_handoff_phase { LDR_HANDOFF_NEW, LDR_HANDOFF_SUMMING, LDR_HANDOFF_OFFERING };

struct ldr_handoff {
    struct ldr_context *context;
    struct ldr_registry *registry;
    uint64_t bandwidth;

    pthread_mutex_t lock; /* what follows to `timer`; last but for the runtime's own */
    pthread_cond_t changed;
    bool stopped, stepping, waiting, passing, woken;
    bool in_flight; /* a batch was sent and is not over */
    uint64_t at;
    struct larder_timer timer;

    /* What is held: touched by ldr_handoff_tick() alone. */
    uint64_t held_serial, lacked_at, open_at; /* the list, and when something was last missing here, or at anybody */

    /* The pass: touched by its step, or by the last answer to its batch, never by both at a time. */
    uint64_t serial;
    struct ldr_handoff_target *targets;
    size_t target_count;
    struct ldr_group *groups[LDR_HANDOFF_GROUPS]; /* counted references */
    size_t group_count, group;
    enum ldr_handoff_phase phase;
    uint32_t ranges;     /* of the group's keys; a power of two */
    uint32_t parts_most; /* answers with sums that are worth it */
    struct ldr_store_walk walk;
    bool walked; /* to the end of the group */
    bool again;  /* somebody did not get something */
    _Atomic uint64_t total, scanned;

    /* The batch. */
    struct ldr_handoff_item items[LDR_HANDOFF_ITEMS];
    size_t item_count;
    uint64_t filled; /* bytes of their values */
    struct ldr_handoff_message **messages;
    size_t message_count;
    uint64_t begun;
    _Atomic uint64_t bytes;
    _Atomic unsigned under_way;

    _Atomic uint64_t sent, spared, dropped, failures;
};

void ldr_handoff_step(struct larder_timer *timer);
void ldr_handoff_go_on(struct ldr_handoff *handoff, uint64_t delay);

/* Takes the next entries of the group that somebody has to be offered. Returns how many were looked at. */
size_t ldr_handoff_fill(struct ldr_handoff *handoff, struct ldr_group *group);

void ldr_handoff_next_group(struct ldr_handoff *handoff);

/* Sends the batch; goes on when all is answered. */
void ldr_handoff_send(struct ldr_handoff *handoff);

/* Finds out what others have of the group under way. True: it is under way, and goes on by itself; see handoff_ranges.c. */
bool ldr_handoff_compare(struct ldr_handoff *handoff);
/* Whether the member has just what is here of the keys in the range of this one, as far as both hold them. */
bool ldr_handoff_is_even(const struct ldr_handoff *handoff, const struct ldr_handoff_target *target, uint64_t digest);
void ldr_handoff_forget_sums(struct ldr_handoff *handoff);

/* ------------------------------------------------------------------------------------------------ messages */

struct ldr_handoff_target *ldr_handoff_target_of(struct ldr_handoff *handoff,
                                                 const struct ldr_peer *peer); /* or NULL */

/* The one to a peer, made if there is none; NULL: out of memory. */
struct ldr_handoff_message *ldr_handoff_message_to(struct ldr_handoff *handoff, struct ldr_peer *peer);

/* Has each message sent; when ldr_handoff_leave() was called for each, the next step follows. */
void ldr_handoff_send_all(struct ldr_handoff *handoff, void (*send)(struct ldr_handoff_message *message));
void ldr_handoff_leave(struct ldr_handoff *handoff);

/* Calls the peer with the message's bytes. */
void ldr_handoff_call(struct ldr_handoff_message *message, enum ldr_exchange kind, unsigned items,
                      larder_reply_fn done);

void ldr_handoff_drop_batch(struct ldr_handoff *handoff);

#endif
