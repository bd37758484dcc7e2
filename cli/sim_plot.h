/* The results of a simulation as a picture: miss ratio against size, a line for each policy. */
#ifndef CLI_SIM_PLOT_H
#define CLI_SIM_PLOT_H

#include "sim_run.h"

/* Writes an SVG file. EXIT_DONE, or what was said. */
enum exit_code sim_plot_write(const char *path, const struct sim_plan *plan, const struct sim_result *results);

#endif
