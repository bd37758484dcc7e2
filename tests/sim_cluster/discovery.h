/* Who is a member, and which node has heard of it. */
#ifndef SIM_DISCOVERY_H
#define SIM_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "links.h"

struct sim_discovery; /* an open discovery module */

struct sim_members {
    uint64_t epoch;
    bool in[SIM_MEMBERS];
    uint64_t lag_ns; /* most that a node hears later of a list */
    struct sim_discovery *listeners[SIM_NODES];
};

/* A new list, with or without the node, unless that is no news; every node hears of it in its own time. */
void sim_members_change(struct sim_world *world, unsigned node, bool in);

#endif
