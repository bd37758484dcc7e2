/* What lies in the stores of the nodes, looked at from outside. */
#ifndef SIM_COPIES_H
#define SIM_COPIES_H

#include "world.h"

/* All is in order: then all who are to hold a key have the same of it. */
void sim_check_copies(struct sim_world *world);

/* Whether any node that runs stores something newer, or older, of the key, deleted or past its time or not. */
bool sim_has_newer(const struct sim_world *world, unsigned key, struct larder_version version);
bool sim_has_older(const struct sim_world *world, unsigned key, struct larder_version version);

#endif
