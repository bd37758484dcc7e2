#include "plan.h"

#include <string.h>

static const char *const names[SIM_KINDS] = {"fixed", "dynamic", "leased", "strict", "elastic"};

static const char *const texts[SIM_KINDS] = {
    "a list of members that never changes; write_acks: one",
    "a list that loses members some time after they have died, and gains them again; write_acks: one",
    "a registry with leases, members that come and go; write_acks: one",
    "the same with write_acks: all, and everything promised",
    "nothing fails, members come and leave as planned: nothing may be missed, either way of write_acks",
};

const char *sim_kind_name(enum sim_kind kind)
{
    return names[kind];
}

const char *sim_kind_text(enum sim_kind kind)
{
    return texts[kind];
}

enum sim_kind sim_kind_of(const char *name)
{
    unsigned kind = 0;
    while (kind < SIM_KINDS && strcmp(names[kind], name) != 0)
        kind++;
    return (enum sim_kind)kind;
}
