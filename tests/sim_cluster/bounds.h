/* How many requests between nodes a client's request may cause: one hop, and no more attempts than configured. What is counted
   begins anew when nobody waits any more. */
#ifndef SIM_BOUNDS_H
#define SIM_BOUNDS_H

#include "client.h"

struct sim_bounds {
    uint64_t calls; /* requests on keys that nodes sent to each other */
    /* The same for each node, operation and key, beside what clients asked there, since nobody waited; and when they last
       asked. */
    uint64_t called[SIM_NODES][SIM_OPERATIONS][SIM_KEYS];
    uint64_t asked[SIM_NODES][SIM_OPERATIONS][SIM_KEYS];
    uint64_t asked_at[SIM_NODES][SIM_OPERATIONS][SIM_KEYS];
    uint64_t refused[SIM_NODES][SIM_OPERATIONS][SIM_KEYS]; /* of those called: the connection was refused */
    /* What others are asked that may have a key, beside the requests of clients and peers for it; when the last of these came. */
    uint64_t questions[SIM_NODES][SIM_KEYS], causes[SIM_NODES][SIM_KEYS];
    uint64_t caused_at[SIM_NODES][SIM_KEYS];
};

void sim_bounds_asked(const struct sim_request *request);

/* A node has been handed a peer's request. */
void sim_bounds_delivered(struct sim_world *world, unsigned node, const struct larder_request *request);

/* Called for every request that a node sends to another. */
void sim_bounds_called(struct sim_world *world, unsigned node, const struct larder_request *request);

/* The connection that it would have gone over was refused. */
void sim_bounds_refused(struct sim_world *world, unsigned node, const struct larder_request *request);

#endif
