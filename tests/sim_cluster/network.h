/*
 * Calls between the nodes: requests and replies are copied, travel for a while, and may be lost, doubled, reordered or
 * broken off. They arrive on the machine of the receiver: one that is stopped finds them waiting when it goes on.
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "larder/plugin/transport.h"
#include "links.h"

struct sim_door; /* an open transport; see transport.c */
struct sim_message;
struct sim_inbound;

struct sim_endpoint {
    struct sim_door *door; /* NULL: nobody listens */
    unsigned incarnation;  /* counts who listened; what was sent to an earlier one never arrives */
    bool silent;           /* while nobody listens: nothing comes back, not even a refusal */
    unsigned serving;      /* requests that it has got and not answered */
};

struct sim_network {
    struct sim_endpoint endpoints[SIM_NODES];
    struct sim_message *messages; /* on their way */
    struct sim_inbound *inbound;  /* all requests that ever arrived: a second answer to one is noticed */
    unsigned serving;             /* 1 + the node that is being handed a request just now; 0: none */
};

/* A call under way, shared by its caller and the messages that belong to it. */
struct sim_call {
    struct larder_timer deadline; /* on the caller's machine */
    struct sim_world *world;
    unsigned references;
    unsigned from, to;
    struct sim_call *next, **link; /* among those of its peer handle, while it waits */
    larder_reply_fn done;          /* NULL: completed */
    void *arg;
};

/* Sends the request of a call on its way; it is copied. */
void sim_network_request(struct sim_world *world, struct sim_call *call, const struct larder_request *request);

/* Nobody listens at the node any more: from now on nothing reaches or leaves it. */
void sim_network_leave(struct sim_world *world, unsigned node, bool silent);

/* Frees what is still on its way. */
void sim_network_close(struct sim_world *world);

/* Completes a call, unless it is; takes what the reply holds. */
void sim_call_complete(struct sim_call *call, struct larder_reply *reply);
void sim_call_release(struct sim_call *call);

/* What the network asks of a door. */
const struct larder_transport_host *sim_door_host(const struct sim_door *door);

#endif
