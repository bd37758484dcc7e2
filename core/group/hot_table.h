/*
 * A table of the keys that are asked for most: of fixed size, whatever keys come and however many. The caller serialises.
 *
 * It is a Space-Saving summary (A. Metwally, D. Agrawal and A. El Abbadi, "Efficient Computation of Frequent and Top-k
 * Elements in Data Streams", ICDT 2005) with the randomised admission of R. Ben Basat, G. Einziger, R. Friedman and Y.
 * Kassner ("Randomized Admission Policy for Efficient Top-k and Frequency Estimation", INFOCOM 2017): a key that is not in
 * the table takes the place of the coldest with a chance of one in the count of that one and itself, so that keys that come
 * but once, however many, neither displace nor inflate what is there. As in that paper the table is set-associative: a key
 * has its place among the 16 of its set, and nothing has to be sorted.
 *
 * Counts decay: they lose 1/e in LDR_HOT_MEMORY_NS, in steps. A rate is what was counted of a key since it came in, over
 * the time that the same decay has left of that time: right from the first second on, and never told from what was counted
 * of another key.
 */
#ifndef LDR_GROUP_HOT_TABLE_H
#define LDR_GROUP_HOT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/plugin.h"

#define LDR_HOT_KEY       256                      /* bytes of a key that are kept; of a longer one the first */
#define LDR_HOT_MEMORY_NS UINT64_C(5000000000)     /* the time in which a count loses 1/e */
#define LDR_HOT_STEP_NS   (LDR_HOT_MEMORY_NS / 20) /* between two steps of the decay */

struct ldr_hot_table;

/* A key that was asked for. */
struct ldr_hot_key {
    uint64_t digest; /* of group and key, the same at all nodes */
    uint64_t group;  /* the registry's number of it, at least 1 */
    struct larder_slice key;
};

/* What the table knows of a key. */
struct ldr_hot_item {
    uint64_t digest, group;
    double rate;       /* gets a second */
    uint16_t key_size; /* in full */
    uint16_t kept;     /* bytes of it in `key` */
    unsigned char key[LDR_HOT_KEY];
};

/* For `keys` keys, rounded up to a full set. `seed` is of its chance. NULL when out of memory; does not set the reason. */
struct ldr_hot_table *ldr_hot_table_open(size_t keys, uint64_t seed, uint64_t now);
void ldr_hot_table_close(struct ldr_hot_table *table); /* NULL is fine */

/* All the memory it ever takes, and how many keys it has room for. */
size_t ldr_hot_table_bytes(const struct ldr_hot_table *table);
size_t ldr_hot_table_room(const struct ldr_hot_table *table);

/*
 * Counts `gets` gets of a key at once. Returns its rate if it is in the table, else 0. `now` never goes back; a step of the
 * decay, which touches all of the table, is done when it is due.
 */
double ldr_hot_table_count(struct ldr_hot_table *table, const struct ldr_hot_key *key, double gets, uint64_t now);

/*
 * Of the keys that were counted at least twice, the hottest of a group (0: of all), in no order: at most `capacity`. Returns
 * how many.
 */
size_t ldr_hot_table_read(struct ldr_hot_table *table, uint64_t now, uint64_t group, struct ldr_hot_item *items,
                          size_t capacity);

/* How many were counted at least twice. */
size_t ldr_hot_table_known(struct ldr_hot_table *table, uint64_t now);

#endif
