/* The links between nodes, and to the registry: what a message may suffer on its way. */
#ifndef SIM_LINKS_H
#define SIM_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_MEMBERS  7
#define SIM_GATEWAY  7 /* the last node is no member and owns nothing */
#define SIM_NODES    8
#define SIM_REGISTRY 8 /* no node, but links lead to it */
#define SIM_PLACES   9

struct sim_world;

/* All 0: a message arrives at once. */
struct sim_faults {
    uint64_t delay_ns;        /* most that it travels */
    unsigned slow_permille;   /* travels up to a hundred times as long */
    unsigned lost_permille;   /* vanishes */
    unsigned broken_permille; /* vanishes, and its connection breaks off */
    unsigned doubled_permille;
    unsigned untold_permille; /* what owners tell of writes vanishes */
};

struct sim_links {
    bool cut[SIM_PLACES][SIM_PLACES];  /* from, to */
    bool shut[SIM_PLACES][SIM_PLACES]; /* it cannot call the other, and answers its calls */
    struct sim_faults faults;
};

/* The name and the address of a node: "a" to "g", and "gate"; "registry". */
const char *sim_node_name(unsigned node);
/* SIM_NODES: there is none. */
unsigned sim_node_of(const char *name);

bool sim_link_loses(struct sim_world *world, unsigned from, unsigned to);
uint64_t sim_link_time(struct sim_world *world);

void sim_link_cut(struct sim_world *world, unsigned from, unsigned to, bool cut);
void sim_link_shut(struct sim_world *world, unsigned from, unsigned to);
bool sim_link_any_cut(const struct sim_world *world);
/* Cuts everything between two or three groups, drawn anew; the registry falls to one of them, or stays with all. */
void sim_links_split(struct sim_world *world);
/* One node is cut off from the other nodes, from the registry, or from all; one way or both. */
void sim_links_isolate(struct sim_world *world, unsigned node);
void sim_links_mend(struct sim_world *world); /* all that is cut or shut; not the other faults */

#endif
