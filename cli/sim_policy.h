/* The policies that a simulation compares: eviction modules with their parameters, and the optimum. */
#ifndef CLI_SIM_POLICY_H
#define CLI_SIM_POLICY_H

#include "larder/plugin/eviction.h"
#include "larder/plugins.h"
#include "options.h"

struct sim_policy {
    char *text;                           /* as given, like "2q:in=30" */
    const struct larder_eviction *module; /* NULL: the optimum */
    struct larder_plugin_file *file;
    struct larder_params *params;
};

struct sim_policies {
    struct sim_policy *items;
    size_t count;
};

/* Opens those that the options name. EXIT_DONE, or what was said. Close them in any case. */
enum exit_code sim_policies_open(struct sim_policies *policies, const struct options *options);
void sim_policies_close(struct sim_policies *policies);

#endif
