/*
 * A simulated cluster: real nodes on the simulated runtime, joined by modules that live in memory. One thread, virtual
 * time, and everything by chance drawn from one seed.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "bounds.h"
#include "checker.h"
#include "client.h"
#include "discovery.h"
#include "loader.h"
#include "machine.h"
#include "network.h"
#include "nodes.h"
#include "plan.h"
#include "registry.h"

#define SIM_MS UINT64_C(1000000)

struct sim_world {
    struct larder_runtime runtime; /* the world's own: its clock is the one that times are told by */
    struct sim_plan plan;
    struct sim_machine machines[SIM_NODES];
    struct sim_node nodes[SIM_NODES];
    struct sim_links links;
    struct sim_network network;
    struct sim_members members;
    struct sim_registry registry;
    struct sim_origin origin;
    struct sim_clients clients;
    struct sim_bounds bounds;
    struct sim_checker checker;
    bool verbose;
    char failure[512]; /* the first promise that was broken; "": none yet */
};

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

#endif
