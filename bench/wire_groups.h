/* What is measured: groups of servers that run at the same time, and in each group cells, one server under one load. */
#ifndef BENCH_WIRE_GROUPS_H
#define BENCH_WIRE_GROUPS_H

#include "bench/wire_client.h"
#include "bench/wire_server.h"

#define WIRE_SERVERS 2 /* of a group */

/* Which keys are asked for. */
enum wire_which {
    WIRE_ALL,   /* all, by Zipf's law */
    WIRE_OWN,   /* those of the node that is asked, each as likely as another */
    WIRE_OTHERS /* likewise, those of the other */
};

struct wire_cell {
    const char *row, *title, *contender;
    int base; /* another cell of the group, to which the ratio is; -1: none */
    int server;
    const struct wire_protocol *protocol;
    unsigned depth;
    enum wire_which which;
};

struct wire_group {
    const char *name;
    size_t value_size;
    unsigned fewer; /* keys: of those asked for, one in so many */
    bool pair;      /* both servers are one cluster: the CPU time of both counts */
    bool (*start)(struct wire_server servers[WIRE_SERVERS], const struct wire_place *place, uint32_t keys,
                  size_t value_size);
    const struct wire_cell *cells;
    int count;
};

#define WIRE_CELLS 8 /* of a group, at most */

extern const struct wire_group wire_groups[];
extern const size_t wire_group_count;

#endif
