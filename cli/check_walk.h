/* A random walk: what a host may ask of a state, in any order. The same seed gives the same walk. */
#ifndef CLI_CHECK_WALK_H
#define CLI_CHECK_WALK_H

#include "check_state.h"

/* Of a thousand steps, how many are no request of a key: the rest is, and a key that is not resident is added. */
struct check_mixture {
    uint32_t removes, updates, evictions;
    uint32_t aborted;    /* prepare(), some evictions, and no insert() */
    uint32_t unprepared; /* insert() without prepare() */
    uint32_t once;       /* a newcomer that never comes again */
    uint32_t drains;     /* everything is evicted, of a hundred thousand steps */
};

extern const struct check_mixture check_mixed; /* a bit of all */

struct check_walk {
    struct check_state *state;
    const struct check_mixture *mixture;
    uint64_t random;
    uint64_t next_key; /* of those that come once */
    uint32_t charge;   /* the most; at least 1 */
};

struct check_walk check_walk_on(struct check_state *state, const struct check_mixture *mixture, uint32_t charge,
                                uint64_t seed);
void check_walk_step(struct check_walk *walk);
void check_walk_run(struct check_walk *walk, uint32_t steps);

/* A state of `slots`, opened, walked over with check_mixed, drained and closed. Returns what tells its victims. */
uint64_t check_walk_whole(const struct larder_eviction *module, uint32_t slots, uint64_t capacity, uint32_t charge,
                          uint32_t steps, uint64_t seed);

#endif
