/*
 * The judge of the history: each key is a register into which values are written that are all different, so that what a
 * get brings tells which write it has seen. The writes that were acknowledged before a get began are its floor: what comes
 * before all doubt before one of them is stale. That needs, of the acknowledgements in their order, only the greatest so
 * far: every answer is judged at once and in logarithmic time at most (a register that is regular, as in L. Lamport, "On
 * interprocess communication", 1986; not atomic).
 *
 * A write comes before another without doubt when it had ended before the other was begun, or has the smaller version. A
 * write that nobody acknowledged ends when no node can take it any more. What the origin gives counts as written when the
 * origin was asked.
 */
#ifndef SIM_CHECKER_H
#define SIM_CHECKER_H

#include "client.h"

/* A set or delete that was acknowledged. */
struct sim_ack {
    uint64_t at;
    const struct sim_request *write;
    /* Of this and all before: the one that was begun last, and the one of the greatest version. */
    const struct sim_request *latest, *newest;
};

struct sim_register {
    struct sim_ack *acks; /* in their order */
    size_t count, capacity;
    const struct sim_request **deletes; /* all that were asked for */
    size_t delete_count, delete_capacity;
    const struct sim_request *last_set; /* of those that were acknowledged, the one begun last */
};

struct sim_verdicts {
    uint64_t stale, resurrected, lost;
    uint64_t stalest_ns;
};

struct sim_checker {
    struct sim_register registers[SIM_KEYS];
    bool strict;         /* what is found is a broken promise; else it is counted */
    uint64_t since;      /* writes and gets that were begun earlier are not judged */
    uint64_t lost_since; /* the same for the question whether a write was lost */
    unsigned removed;    /* members that went, with what they had, since all was in order: a bit for each */
    unsigned copies;     /* the fewest that a key has had since */
    bool untied;         /* one of them while some were cut off from each other: who stays may not have caught up */
    bool in_doubt;       /* so many have, that all that was written until all is in order again may be lost */
    struct sim_verdicts verdicts;
};

void sim_checker_asked(struct sim_request *request);
void sim_checker_answered(struct sim_request *request);

/* From now on: what was before is not judged by what comes. */
void sim_checker_begin(struct sim_world *world, bool strict);

/* A member is gone, or will be once it hears of it. */
void sim_checker_removed(struct sim_world *world, unsigned node);
/* The list has so many members now that hold keys, and any at all: the last one takes everything with it. */
void sim_checker_listed(struct sim_world *world, unsigned members, bool any);
/* All is in order, under such a list. */
void sim_checker_converged(struct sim_world *world, unsigned members);

/* Whether the cluster must have the key: a write of it was acknowledged and no delete can have come after it. */
bool sim_checker_present(const struct sim_world *world, unsigned key);

void sim_checker_close(struct sim_world *world);

#endif
