/* What kind of cluster a run has: all of it follows from the seed, or from what was asked for. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum sim_kind {
    SIM_FIXED,   /* a list of members that never changes */
    SIM_DYNAMIC, /* a list that loses members some time after they have died, and gains them again */
    SIM_LEASED,  /* a registry with leases; members come and go; the best is done, and nothing promised of old values */
    SIM_STRICT,  /* the same with write_acks: all, and everything promised */
    SIM_ELASTIC, /* either of them, and nothing fails: members come and leave as planned, and nothing may be missed */
    SIM_KINDS
};

struct sim_plan {
    enum sim_kind kind;
    bool registry, strict;
    unsigned members; /* that there are at first */
    unsigned replicas;
    unsigned suspend_after;
    unsigned tombstone_ms;
    bool beyond; /* nothing old may be brought even where more members went than was promised for */
    bool hot;    /* keys become hot in storms */
    bool small;  /* groups are too small for all keys, so that entries are evicted */
};

/* "fixed", "dynamic", "leased", "strict", "elastic". */
const char *sim_kind_name(enum sim_kind kind);
/* What it is, in a line. */
const char *sim_kind_text(enum sim_kind kind);
/* SIM_KINDS: there is none. */
enum sim_kind sim_kind_of(const char *name);

#endif
