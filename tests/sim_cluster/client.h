/* The clients of the cluster: what they ask of which node, and what must hold for the answers. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "loader.h"
#include "network.h"

#define SIM_OPERATIONS 5 /* numbers of operations on keys are below */

/* One request, kept until the end. */
struct sim_request {
    struct sim_world *world;
    unsigned id, node, key;
    enum larder_operation operation;
    uint64_t deadline;
    int64_t ttl_ms; /* of a set: > 0, or LARDER_TTL_DEFAULT, which is for ever here */
    unsigned completions;
    enum larder_status status;
    char value[SIM_VALUE_TEXT]; /* what a get brought */
    /* What the node is given; made unreadable when it has answered. */
    struct larder_request given;
    char given_key[SIM_KEY_TEXT], given_value[SIM_VALUE_TEXT];
};

struct sim_clients {
    struct sim_request **requests;
    size_t count, capacity, pending;
    uint64_t statuses[LARDER_STATUS_COUNT];
    uint64_t calls; /* requests that nodes sent to each other, pings not counted */
    /* The same for each node, operation and key, beside what clients asked there, and when last. */
    uint64_t called[SIM_NODES][SIM_OPERATIONS][SIM_KEYS];
    uint64_t asked[SIM_NODES][SIM_OPERATIONS][SIM_KEYS];
    uint64_t asked_at[SIM_NODES][SIM_OPERATIONS][SIM_KEYS];
};

/* A set writes a value of its own. The node must be up. The request lives as long as the world. */
struct sim_request *sim_ask(struct sim_world *world, unsigned node, enum larder_operation operation, unsigned key,
                            uint64_t timeout_ms);

/* A set with a time to live. No key may be given one that is touched as well. */
struct sim_request *sim_set(struct sim_world *world, unsigned node, unsigned key, int64_t ttl_ms, uint64_t timeout_ms);

/* Lets time pass until the request, or every request, has its answer. */
void sim_await(struct sim_request *request);
void sim_settle(struct sim_world *world);

/* Called for every request that a node sends to another, pings not counted. */
void sim_clients_called(struct sim_world *world, unsigned node, const struct larder_request *request);

void sim_clients_close(struct sim_world *world);

#endif
