/* The results of a simulation as a picture: miss ratio against size, a line for each policy. */
#ifndef CLI_SIM_PLOT_H
#define CLI_SIM_PLOT_H

#include "sim_run.h"
#include "text.h"

/* An SVG document. False: out of memory. Free the text in any case. */
bool sim_plot_draw(struct text *svg, const struct sim_plan *plan, const struct sim_result *results);

#endif
