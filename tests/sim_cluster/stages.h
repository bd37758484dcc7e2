/* The parts of a run. Private to the scenario. */
#ifndef SIM_STAGES_H
#define SIM_STAGES_H

#include "world.h"

#define SIM_CALM_MS 2500 /* what a request may take in a calm time */

struct scenario {
    struct sim_world *world;
    bool dynamic; /* dead nodes leave the member list */
    uint64_t down_since[SIM_NODES];
    unsigned next_key; /* the next key that nobody has asked for yet */
};

/* Any node that is up. */
unsigned sim_some_node(struct sim_world *world);

/* What an answered request must have brought in a calm time; value NULL: any. */
void sim_expect(struct sim_request *request, enum larder_status status, const char *value);

/*
 * One request with nothing else under way, which may take `most_calls` requests between nodes, all that goes on after its
 * answer included.
 */
struct sim_request *sim_alone(struct scenario *scenario, enum larder_operation operation, unsigned key,
                              unsigned most_calls);

/* Ends all faults and starts all nodes; then everything must work. */
void sim_calm(struct scenario *scenario);

/* A hot key, kept near where it is not owned; in a calm time. */
void sim_near(struct scenario *scenario);

/* Faults of every kind, by chance; the promises that hold all the same are checked by the modules and clients. */
void sim_storm(struct scenario *scenario);

#endif
