/* The nodes: how they are configured, started, crashed and told to leave. */
#ifndef SIM_NODES_H
#define SIM_NODES_H

#include <stdbool.h>
#include <stdint.h>

struct larder_node;
struct sim_world;

/* The nodes' settings that promises depend on. */
#define SIM_RETRIES     2
#define SIM_REQUEST_MS  3000 /* request_timeout: a get that nobody waits for any more lives this long at most */
#define SIM_LOAD_MS     1000
#define SIM_PEER_MS     200
#define SIM_TRAVEL_MS   600   /* a message is never longer on its way */
#define SIM_LONGEST_MS  5000  /* after which nothing happens any more for a request */
#define SIM_SETTLED_MS  10000 /* after the last fault everything is in order within this time */
#define SIM_FENCE_MS    500   /* fence_peer */
#define SIM_NEAR_MS     150   /* near_ttl: a strict write waits for it, within the time of one attempt */
#define SIM_ORPHAN_MS   5000  /* orphan_wait */
#define SIM_TIED_MS     4500  /* the same where nobody has to wait for that */
#define SIM_FALLBACK_MS 2000  /* fallback_ttl */
#define SIM_HEARD_MS    1500  /* within which a list has gone from any member to all, without the registry */

struct sim_node {
    struct larder_node *node; /* NULL: down */
    bool crashing;            /* it is being closed, and the world must not notice how */
    bool belongs;             /* it shall be up when all is well */
    bool leaving;             /* it was told to leave, and closes when it has */
    bool draining;            /* it has left, and only what is under way there still ends */
    bool left;                /* it has, and what went with it was told then */
};

/* The node's machine goes on. */
bool sim_node_start(struct sim_world *world, unsigned node);

/* It is closed in good order, but at once: what it has is gone. */
void sim_node_close(struct sim_world *world, unsigned node);

/* It hands its keys over, and is closed by sim_nodes_look() once it has. */
void sim_node_leave(struct sim_world *world, unsigned node);
void sim_nodes_look(struct sim_world *world);

/* What the node had is gone; `silent` tells how the rest of the world notices. */
void sim_node_crash(struct sim_world *world, unsigned node, bool silent);

/* It is up, and its machine is not stopped. */
bool sim_node_runs(const struct sim_world *world, unsigned node);

/* Any node that runs and does not drain; there must be one. */
unsigned sim_some_node(struct sim_world *world);

/* Members that run and stay. */
unsigned sim_members_up(const struct sim_world *world);

/* The owner of a key, as the node sees it, and all that hold it: a bit for each. */
unsigned sim_owner_of(const struct sim_world *world, unsigned key, unsigned by);
unsigned sim_holders_of(const struct sim_world *world, unsigned key, unsigned by);

/* The epoch of the member list that the node goes by; 0: none. */
uint64_t sim_node_epoch(const struct sim_world *world, unsigned node);

/* Whether it is up and acts under the registry's latest list. */
bool sim_node_acts(const struct sim_world *world, unsigned node);

#endif
