/*
 * A simulated cluster: real nodes on the simulated runtime, joined by modules that live in memory. One thread, virtual
 * time, and everything by chance drawn from one seed.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "client.h"
#include "discovery.h"
#include "loader.h"
#include "network.h"

#define SIM_MS UINT64_C(1000000)

struct sim_world {
    /* What the nodes are opened on, a copy of the simulated runtime's table: modules find the world through it. */
    struct larder_runtime runtime;
    struct sim_network network;
    struct sim_members members;
    struct sim_origin origin;
    struct sim_clients clients;
    struct larder_node *nodes[SIM_NODES]; /* NULL: down */
    unsigned suspend_after;               /* failed calls that suspend a peer: a setting of all nodes */
    bool verbose;
    char failure[512]; /* the first promise that was broken; "": none yet */
};

static inline struct sim_world *sim_world_of(const struct larder_runtime *runtime)
{
    return (struct sim_world *)runtime;
}

/* NULL: out of memory. */
struct sim_world *sim_world_open(uint64_t seed, bool verbose);
void sim_world_close(struct sim_world *world); /* all nodes must be down */

/* Keeps the first broken promise. */
void sim_fail(struct sim_world *world, const char *format, ...) LARDER_PRINTF(2, 3);

/* What happened, for --verbose. */
void sim_tell(struct sim_world *world, const char *format, ...) LARDER_PRINTF(2, 3);

/* 0 to bound - 1. */
uint64_t sim_draw(struct sim_world *world, uint64_t bound);

/* True in `permille` of 1000 cases. */
bool sim_chance(struct sim_world *world, unsigned permille);

/* Lets `ms` of virtual time pass. */
void sim_wait(struct sim_world *world, uint64_t ms);

/* Memory that a test cannot go on without: ends the program when there is none. Zeroed. */
void *sim_allocate(size_t size);

/* Up and down. A crash drops what the node had; `silent` tells how the rest of the world notices. */
bool sim_node_start(struct sim_world *world, unsigned node);
void sim_node_crash(struct sim_world *world, unsigned node, bool silent);

/* The nodes' settings that promises depend on. */
#define SIM_RETRIES    2
#define SIM_REQUEST_MS 3000 /* request_timeout: a get that nobody waits for any more lives this long at most */
#define SIM_LOAD_MS    1000
#define SIM_PEER_MS    200
#define SIM_TRAVEL_MS  600  /* a message is never longer on its way */
#define SIM_LONGEST_MS 5000 /* after which nothing happens any more for a request */
#define SIM_SETTLED_MS 8000 /* after which all suspensions are over */
#define SIM_NEAR_MS    1000 /* near_ttl */
#define SIM_GROUP      "sim"

#endif
