/* The origin: it knows every key but the missing ones, counts how often it is asked, and may be slow, fail or hang. */
#ifndef SIM_LOADER_H
#define SIM_LOADER_H

#include "network.h"

/*
 * Keys are "k0" to "k63", by number: those that are written, some of them with a time to live; those that are touched as
 * well; those that are only read, so that loads can be counted; and those that the origin does not have.
 */
#define SIM_KEYS       64
#define SIM_KEYS_TOUCH 8
#define SIM_KEYS_READ  12
#define SIM_KEYS_NONE  60
#define SIM_KEY_TEXT   16
#define SIM_VALUE_TEXT 64

/*
 * How long its values live: longer than calm takes from a load to its last look, so that what is stale, as things are in
 * storms, and was deleted or written over since, would be seen. For so long after that they may be answered when a load fails.
 */
#define SIM_ORIGIN_TTL_MS    9000
#define SIM_ORIGIN_WINDOW_MS 16000

struct sim_load;

struct sim_origin {
    uint64_t delay_ns; /* a load takes half of it to all of it */
    unsigned failing_permille, hanging_permille;
    unsigned loads[SIM_KEYS];             /* begun, ever */
    unsigned active[SIM_KEYS][SIM_NODES]; /* under way, for each node that asked */
    struct sim_load *under_way;
};

/* SIM_KEYS: it is none of them. */
unsigned sim_key_of(struct larder_slice key);
void sim_key_name(unsigned key, char name[SIM_KEY_TEXT]);

#endif
