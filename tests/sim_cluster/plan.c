#include "plan.h"

#include <string.h>

static const char *const names[SIM_KINDS] = {"fixed", "dynamic", "leased", "strict", "elastic"};

const char *sim_kind_name(enum sim_kind kind)
{
    return names[kind];
}

enum sim_kind sim_kind_of(const char *name)
{
    unsigned kind = 0;
    while (kind < SIM_KINDS && strcmp(names[kind], name) != 0)
        kind++;
    return (enum sim_kind)kind;
}
