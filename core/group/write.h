/* A write under way, as the files see it that decide where it is executed: best effort, or by the key's owner alone. */
#ifndef LDR_GROUP_WRITE_H
#define LDR_GROUP_WRITE_H

#include "core/group/group.h"

/* One write: on the stack when it is answered here at once, on the heap while others are asked. */
struct ldr_write {
    struct ldr_group *group; /* on the heap: a counted reference */
    const struct larder_request *request;
    bool stand_in;
    bool copies;            /* others may have copies: deletes are remembered, and touches are writes */
    uint64_t serial, epoch; /* strict: of the list under which this node is the owner; else 0 */
    bool spread;            /* what is stored now, the others that hold the key have to get */
    bool told;              /* strict: nobody has a near copy of what was there before */
    uint64_t begun;
    larder_reply_fn done;
    void *arg;
    struct larder_version version; /* as drawn */
    struct larder_reply reply;
};

/* Executes it in this node's store, with `copies` set; where there are flights of the key, under their lock. */
enum larder_status ldr_write_execute(struct ldr_write *write);

/* It was executed, and the lock let go: answers gets that wait for a load which it has overtaken, and begins the reply. */
void ldr_write_executed(struct ldr_write *write, enum larder_status status);

/* Gives the reply. The write stays the caller's. */
void ldr_write_answer(struct ldr_write *write);

#endif
