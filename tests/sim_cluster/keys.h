/*
 * Keys and values as texts: keys are "k0" to "k69"; a value is "k3=w17" when request 17 wrote it, "k3=o2" when it is the
 * second answer of the origin for that key, and may be followed by dots that make it long.
 */
#ifndef SIM_KEYS_H
#define SIM_KEYS_H

#include <stdbool.h>

#include "larder/plugin/request.h"

/* By number: those that are written; written with a time to live; touched as well; only read, so that loads can be counted;
   those that become hot in a storm, and are asked for then alone; only read again; those that the origin does not have; and
   those of a group without a loader. */
#define SIM_KEYS_TTL   6
#define SIM_KEYS_TOUCH 9
#define SIM_KEYS_READ  12
#define SIM_KEYS_HOT   40
#define SIM_KEYS_COLD  56
#define SIM_KEYS_NONE  60
#define SIM_KEYS_PLAIN 64
#define SIM_KEYS       70

#define SIM_GROUP "sim"
#define SIM_PLAIN "plain" /* the group without a loader */

#define SIM_KEY_TEXT   8
#define SIM_VALUE_TEXT 32   /* without dots */
#define SIM_VALUE_LONG 9000 /* with them: a group with little room holds six */

void sim_key_name(unsigned key, char name[SIM_KEY_TEXT]);
/* SIM_KEYS: it is none of them. */
unsigned sim_key_of(struct larder_slice key);
const char *sim_key_group(unsigned key);

struct sim_value {
    unsigned key, number;
    bool written; /* else from the origin */
};

/* The text, NUL-terminated, in memory of its own. */
char *sim_value_text(const struct sim_value *value, bool is_long);
/* False: it is no value at all. */
bool sim_value_parse(struct larder_slice slice, struct sim_value *value);

#endif
