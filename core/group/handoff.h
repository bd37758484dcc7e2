/*
 * The hand-off: everything stored here is offered to the members that hold it, which take what they do not have; what belongs
 * elsewhere is dropped, each entry when all that hold it have said that they do. The same pass serves members that join,
 * leave, come back, or did not get a write.
 *
 * One pass at a time, some entries at a time, at most so many bytes a second. Driven by the cluster's events and a timer.
 */
#ifndef LDR_GROUP_HANDOFF_H
#define LDR_GROUP_HANDOFF_H

#include "core/group/registry.h"

struct ldr_handoff;

/* NULL when out of memory. Registry and context must outlive it. */
struct ldr_handoff *ldr_handoff_open(struct ldr_context *context, struct ldr_registry *registry, uint64_t bandwidth);

/* No message is sent any more; those under way end with the cluster. Returns when no step is running. NULL is fine. */
void ldr_handoff_stop(struct ldr_handoff *handoff);
void ldr_handoff_close(struct ldr_handoff *handoff); /* stopped, and the cluster is closed */

/*
 * Strict, now and then, by one thread at a time: entries past their time, and deletes, stay as long as older copies may come: until
 * this node has been given everything, and until all others have what it has, as whoever cannot be reached keeps the older value
 * meanwhile; and then for as long as copies may be on their way. Whoever takes over a list has everything held.
 */
void ldr_handoff_tick(struct ldr_handoff *handoff);

/* There may be something to do. Any thread. */
void ldr_handoff_wake(struct ldr_handoff *handoff);

/* Copies came that others hold, too, and may not have. */
void ldr_handoff_again(struct ldr_handoff *handoff);

struct ldr_handoff_progress {
    bool active;                /* a pass is under way */
    uint64_t total, left;       /* entries of the pass under way: all, and those not looked at yet */
    uint64_t sent, received;    /* entries that others took, and that were taken from others; ever */
    uint64_t spared;            /* entries that were not offered, as sums showed that the other has them; ever */
    uint64_t dropped, failures; /* entries that others hold now; messages that failed */
    uint64_t stored;            /* entries stored here now */
};
void ldr_handoff_read(struct ldr_handoff *handoff, struct ldr_handoff_progress *progress);

/* Whether nothing is here any more that belongs elsewhere, under the list in use. */
bool ldr_handoff_finished(struct ldr_handoff *handoff);

/* Waits until something changes, or a moment, or until the deadline. Not on a thread of the runtime. */
void ldr_handoff_wait(struct ldr_handoff *handoff, uint64_t deadline);

#endif
