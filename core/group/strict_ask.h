/* A client's request with `write_acks: all`, as the files see it that keep it and try it. */
#ifndef LDR_GROUP_STRICT_ASK_H
#define LDR_GROUP_STRICT_ASK_H

#include "core/cluster/wire.h"
#include "core/group/group.h"
#include "core/group/near_ask.h"

#define LDR_STRICT_PAUSE_MS 25u /* before a request is tried again; twice as long each time, up to eight times */

/* A client's request, from its door to its answer. */
struct ldr_strict_ask {
    struct larder_timer timer; /* first: the timer is the request */
    struct ldr_strict_ask *next, **link;
    struct ldr_group *group; /* a counted reference */
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
    uint64_t begun, deadline;
    uint64_t tried, since; /* when the last attempt began, or came to nothing; the last one of the round before */
    unsigned sent;         /* requests to peers, so far */
    unsigned rounds;       /* attempts of this node itself that came to nothing; each asks all others, if it is a get */
    unsigned rank;         /* who is asked next, of those that hold the key */
    struct ldr_peer *peer; /* a counted reference, while it is being asked */
    uint64_t over;         /* when what was sent last cannot be executed any more */
    struct larder_request call;
    bool waits;      /* it is counted among those that wait; see limits.h */
    int64_t near_ms; /* how long the owner's answer to a get is worth to be kept; below 0: not known yet */
    struct ldr_near_ask near;
    unsigned char header[LDR_HEADER_SIZE];
};

/* Asks the next one that may be asked now: the request is answered, waits for a peer, or is tried later. */
void ldr_strict_try(struct ldr_strict_ask *ask);

/* Tries again from the first one on, after a pause, and not before what was sent last is over. */
void ldr_strict_try_later(struct ldr_strict_ask *ask);

/* From now on it waits for somebody. False: there is no room for it, and it was answered. */
bool ldr_strict_hold(struct ldr_strict_ask *ask);

/* Answers it, and frees it. The message is a text that stays. */
void ldr_strict_finish(struct ldr_strict_ask *ask, struct larder_reply *reply);
void ldr_strict_fail(struct ldr_strict_ask *ask, enum larder_status status, const char *message);

#endif
