/* The rows of a simulation, for people and for programs. */
#ifndef CLI_SIM_REPORT_H
#define CLI_SIM_REPORT_H

#include "sim_run.h"

enum exit_code sim_report_show(const struct sim_plan *plan, const struct sim_result *results);
enum exit_code sim_report_json(const struct sim_plan *plan, const struct sim_result *results);
enum exit_code sim_report_csv(const struct sim_plan *plan, const struct sim_result *results);

double sim_report_miss_ratio(const struct sim_result *result); /* 0 without requests */

#endif
