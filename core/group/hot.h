/*
 * Which keys a node is asked for most, by its clients: for near copies, and for people (larder top).
 *
 * Gets that this node answers itself are sampled. Each thread has the number of the next get that is looked at in its lane
 * of the group's counters, and puts what it then sees into a buffer of its own; the buffer goes into the table when it is
 * full, and a few times a second. Between two samples a get costs one comparison. The gap is drawn by chance around a mean that
 * follows the thread's load: 1 as long as gets are few, so that every one counts, LDR_HOT_GAP when there are millions a second.
 *
 * Gets on their way to a peer are all counted, straight into the table: they cost a hundred times as much as its lock, and
 * whether a copy is worth while has to be known at once.
 */
#ifndef LDR_GROUP_HOT_H
#define LDR_GROUP_HOT_H

#include "core/base/lanes.h"
#include "core/group/hot_table.h"
#include "larder/plugin/runtime.h"

struct ldr_hot;

#define LDR_HOT_GAP 256 /* the largest mean of gets for one that is looked at */

/* For `keys` keys. NULL with the reason in larder_last_error(). */
struct ldr_hot *ldr_hot_open(const struct larder_runtime *runtime, size_t keys);
void ldr_hot_close(struct ldr_hot *hot); /* NULL is fine */

/* All the memory it ever takes. */
size_t ldr_hot_bytes(const struct ldr_hot *hot);

/* Counts one get at once, and returns the rate of its key as far as it is known, in gets a second. */
double ldr_hot_count(struct ldr_hot *hot, const struct ldr_hot_key *key, uint64_t now);

/* Of the group's number and name, which do not change, and the key. */
struct ldr_hot_key ldr_hot_key(uint64_t group, uint64_t name_hash, struct larder_slice key);
uint64_t ldr_hot_name_hash(struct larder_slice name);

/*
 * Sampling. `next` is the lane's counter that holds the number of the next get to be looked at; `gets` the one that counts
 * them. Zero: the very next. Both are of the calling thread.
 */
#define LDR_HOT_SCALE_BITS 4 /* of what is in `next` besides */

static inline bool ldr_hot_due(uint64_t gets, uint64_t next)
{
    return gets >= next >> LDR_HOT_SCALE_BITS;
}

/*
 * A get was due: draws the next one, and returns what belongs into `next`. `key` is looked at, unless it is NULL: a get that
 * does not count here. `batch` is the number of gets that the key was chosen from by chance, 1 mostly.
 */
uint64_t ldr_hot_sample(struct ldr_hot *hot, const struct ldr_hot_key *key, uint64_t batch, uint64_t gets,
                        uint64_t next);

/* What belongs into `next` where nothing is counted: no get is ever due. */
#define LDR_HOT_NEVER UINT64_MAX

/* Takes all buffers into the table. A few times a second. */
void ldr_hot_settle(struct ldr_hot *hot);

/* As ldr_hot_table_read() and ldr_hot_table_known(); what is in buffers is taken in first. */
size_t ldr_hot_read(struct ldr_hot *hot, uint64_t group, struct ldr_hot_item *items, size_t capacity);
size_t ldr_hot_known(struct ldr_hot *hot);
size_t ldr_hot_room(const struct ldr_hot *hot);

#endif
