/*
 * Where this node stands among the members: which list it acts under, whether it may act now, and who still owes it
 * copies. Pings between all members carry what there is to know; see docs/cluster.md for the rules.
 *
 * With `write_acks: one` nobody is asked whether this node may act; only copies are counted.
 */
#ifndef LDR_CLUSTER_STANDING_H
#define LDR_CLUSTER_STANDING_H

#include "core/cluster/cluster.h"
#include "core/cluster/wire.h"

struct ldr_view;

/* What a member said of itself last; under cluster->standing_lock, like all functions that take one by pointer. */
struct ldr_standing {
    uint64_t boot;        /* of its process; 0: it has said nothing yet */
    uint64_t epoch;       /* that it answered with */
    uint64_t asked;       /* when that was asked */
    uint64_t sealed;      /* the last epoch that it said it may act under */
    uint64_t caught_up;   /* and the last under which it said that it has been given everything */
    bool seasoned;        /* it was caught up, in this registration */
    uint64_t before;      /* the last list that this node was on before the peer came (back); told to it */
    uint64_t vouched;     /* the same, as the peer tells it of this node */
    bool done;            /* it has given this node every copy that it has for it: in the view `done_serial` */
    uint64_t done_serial; /* of this node's view */
    uint64_t heard;       /* when it was heard of last */
    uint64_t answered;    /* when it answered last: who only speaks may not hear */
    uint64_t stamp;       /* its clock, as told with the least delay */
    uint64_t stamped;     /* when that came */
    /* What this node has given to it. */
    uint64_t passed_serial, passed_boot; /* all copies for it, under that view and to that process; 0: none */
    bool behind;                         /* some of them it may not have all the same */
    bool again;                          /* others may have come here since */
};

/* A list is about to be published; under list_lock. */
void ldr_standing_listed(struct ldr_cluster *cluster, struct ldr_view *old, struct ldr_view *view);

/* Lets go of past lists; under list_lock. */
void ldr_standing_forget(struct ldr_cluster *cluster);

/* Everything in this node has heard of the view: it may be told to others. */
void ldr_standing_told(struct ldr_cluster *cluster, uint64_t serial);

/*
 * What this node says to a peer; the list with it when the peer does not seem to have it, by its epoch now or (NULL) by the
 * one it answered with last. Inside an epoch section.
 */
void ldr_standing_header(struct ldr_cluster *cluster, struct ldr_peer *peer, const uint64_t *epoch,
                         struct ldr_header *header);

/* What a peer said: in the answer to what was asked at `asked`, or in a request of its own (0). */
void ldr_standing_heard(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_ring_view *ring,
                        const struct ldr_header *header, uint64_t asked);

/* There may be copies to hand over. */
void ldr_standing_tell(struct ldr_cluster *cluster);

/* The interval to the next ping in ms: shorter while there is something to learn. */
uint64_t ldr_standing_interval_ms(struct ldr_cluster *cluster, struct ldr_peer *peer);

/* A registered list of a peer, of a later epoch: it is taken over soon. Any thread. */
void ldr_cluster_adopt(struct ldr_cluster *cluster, struct larder_slice list);

#endif
