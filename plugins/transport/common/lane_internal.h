/* What the client's own files know of each other; protocols use lane.h. */
#ifndef TRANSPORT_COMMON_LANE_INTERNAL_H
#define TRANSPORT_COMMON_LANE_INTERNAL_H

#include "lane.h"

/* client.c */

/* Keeps the peer's memory; the last who releases it frees it. */
void tp_peer_hold(struct tp_peer *peer);
void tp_peer_release(struct tp_peer *peer);

/* lane.c */

void tp_lane_open(struct tp_lane *lane);
/* Hands a call over from another thread. */
void tp_lane_post(struct tp_lane *lane, struct tp_call *call);
/* The same on the lane's own thread. */
void tp_lane_submit(struct tp_lane *lane, struct tp_call *call);
/* Takes a call from those that wait. */
void tp_lane_remove(struct tp_call *call);

/* call.c */

/* A cleared call. `lane`: the one whose thread this is, or NULL. NULL: out of memory. */
struct tp_call *tp_call_new(const struct tp_peer *peer, struct tp_lane *lane);
/* Starts the timer of the call's deadline; false: it has passed, the call has failed. */
bool tp_call_arm(struct tp_call *call);
void tp_lane_free_pool(struct tp_lane *lane);

#endif
