/* The clients of the cluster: what they ask of which node, and the answers. All of it is kept until the end. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "keys.h"
#include "links.h"

#define SIM_OPERATIONS 5 /* numbers of operations on keys are below */

struct sim_request {
    struct sim_world *world;
    unsigned id, node, key;
    enum larder_operation operation;
    int64_t ttl_ms; /* of a set: > 0, or LARDER_TTL_DEFAULT, which is for ever here */
    /* By the world's clock. */
    uint64_t invoked, completed;
    uint64_t gives_up;  /* its deadline, but for what the node's clock is off */
    uint64_t taken;     /* of a set: when a node was last handed it */
    uint64_t deadline;  /* by the node's clock */
    size_t acks_before; /* writes of the key that had been acknowledged when it began; the checker's */
    unsigned completions;
    enum larder_status status;
    enum larder_source source;
    struct larder_version version;
    struct sim_value value; /* what a get brought; LARDER_OK only */
    /* What the node is given; made unreadable when it has answered. */
    struct larder_request given;
    char given_key[SIM_KEY_TEXT];
    char *given_value; /* NULL: none */
};

struct sim_clients {
    struct sim_request **requests; /* by their ids */
    size_t count, capacity, pending;
    size_t pending_at[SIM_NODES];
    unsigned hot; /* the key that is asked for most at the moment */
    uint64_t statuses[LARDER_STATUS_COUNT];
};

/* A set writes a value of its own. The node must be up. The request lives as long as the world. */
struct sim_request *sim_ask(struct sim_world *world, unsigned node, enum larder_operation operation, unsigned key,
                            uint64_t timeout_ms);

/* A set with a time to live. No key may be given one that is touched as well. */
struct sim_request *sim_set(struct sim_world *world, unsigned node, unsigned key, int64_t ttl_ms, uint64_t timeout_ms);

/* Lets time pass until the request, or every request, has its answer. */
void sim_await(struct sim_request *request);
void sim_settle(struct sim_world *world);

/* "request 7, a get of key k3 at node b". Valid until the next call. */
const char *sim_request_text(const struct sim_request *request);

/* A node has been handed a peer's request. */
void sim_clients_delivered(struct sim_world *world, unsigned node, const struct larder_request *request);

void sim_clients_close(struct sim_world *world);

#endif
