/* Eviction modules that lose track of their slots, one way each: evict() answers CONFUSED_ANSWER. */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

static void *confused_open(const struct larder_eviction_env *env)
{
    (void)env;
    return calloc(1, 1);
}

static void confused_close(void *state)
{
    free(state);
}

static uint32_t confused_evict(void *state)
{
    (void)state;
    return CONFUSED_ANSWER;
}

static void confused_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    (void)state, (void)slot, (void)object;
}

static void confused_remove(void *state, uint32_t slot)
{
    (void)state, (void)slot;
}

LARDER_EVICTION(CONFUSED_NAME, "a policy of the tests", NULL, .hit_max = LARDER_HITS_NONE, .open = confused_open,
                .close = confused_close, .evict = confused_evict, .insert = confused_insert, .remove = confused_remove);
