/* The machines that the nodes run on: each has clocks of its own, and may be stopped with all that runs on it. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <stdbool.h>

#include "larder/plugin/runtime.h"

struct sim_world;

struct sim_machine {
    struct larder_runtime runtime; /* first, a copy of the machine's table: modules find the machine through it */
    struct sim_world *world;
    unsigned node;
    bool stopped;
    uint64_t went_on; /* when it was last stopped no longer, by the world's clock */
};

static inline struct sim_machine *sim_machine_of(const struct larder_runtime *runtime)
{
    return (struct sim_machine *)runtime;
}

/* Clocks that differ, and run up to half a percent faster or slower. */
void sim_machines_open(struct sim_world *world);

/* Stops the machine of a node, as SIGSTOP does, or lets it go on; what has become due meanwhile then happens late. */
void sim_machine_stop(struct sim_world *world, unsigned node, bool stopped);

/* The wall clock of a node jumps, somewhere up to hours away. */
void sim_machine_jump(struct sim_world *world, unsigned node);

/* Starts a timer on the machine of a node, `delay` from now. */
void sim_machine_timer(struct sim_world *world, unsigned node, struct larder_timer *timer, uint64_t delay);
void sim_machine_cancel(struct sim_world *world, unsigned node, struct larder_timer *timer);

#endif
