/*
 * S3-FIFO: J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO Queues Are All You Need for Cache Eviction", SOSP
 * 2023. Newcomers stand in a small queue. Those that were used often enough by its end go on to the main queue, the others
 * leave and are remembered as ghosts; what comes back while it is remembered goes to the main queue at once. That one is
 * a CLOCK which counts to 3: whoever has hits at its end loses one and starts again.
 *
 * Shares are parts of the capacity, by charge. Until the main queue has its share, evicting is the small queue's business.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

#define HIT_MAX 3u

enum { SMALL, MAIN };

struct entry {
    uint64_t digest;
    uint32_t charge;
    uint32_t where; /* SMALL or MAIN */
};

struct s3fifo {
    uint8_t *hits;
    struct larder_link *links;
    struct entry *entries;       /* by slot */
    struct larder_list lists[2]; /* SMALL and MAIN */
    uint64_t charges[2];
    uint64_t main_share; /* the main queue may have so much */
    uint32_t promotion;  /* hits that lead from the small queue to the main one */
    struct larder_ghosts ghosts;
};

static void s3fifo_close(void *state)
{
    struct s3fifo *s3 = state;
    larder_ghosts_free(&s3->ghosts);
    free(s3->links);
    free(s3->entries);
    free(s3);
}

static void *s3fifo_open(const struct larder_eviction_env *env)
{
    struct s3fifo *s3 = calloc(1, sizeof *s3);
    if (s3 == NULL)
        return NULL;
    s3->hits = env->hits;
    s3->links = calloc(env->max_slots, sizeof *s3->links);
    s3->entries = calloc(env->max_slots, sizeof *s3->entries);
    s3->main_share = env->capacity - (uint64_t)((double)env->capacity * env->params[0].number);
    larder_ghosts_init(&s3->ghosts, env->max_slots, (uint64_t)((double)env->capacity * env->params[1].number));
    s3->promotion = (uint32_t)env->params[2].integer;
    if (s3->links == NULL || s3->entries == NULL) {
        s3fifo_close(s3);
        return NULL;
    }
    return s3;
}

static void put_in(struct s3fifo *s3, uint32_t slot, uint32_t where)
{
    s3->entries[slot].where = where;
    larder_list_push(&s3->lists[where], s3->links, slot);
    s3->charges[where] += s3->entries[slot].charge;
}

static void s3fifo_remove(void *state, uint32_t slot)
{
    struct s3fifo *s3 = state;
    const struct entry *entry = &s3->entries[slot];
    larder_list_remove(&s3->lists[entry->where], s3->links, slot);
    s3->charges[entry->where] -= entry->charge;
}

static void s3fifo_prepare(void *state, const struct larder_object *object)
{
    struct s3fifo *s3 = state;
    larder_ghosts_claim(&s3->ghosts, object->digest);
}

static void s3fifo_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct s3fifo *s3 = state;
    s3->entries[slot] = (struct entry){.digest = object->digest, .charge = object->charge};
    put_in(s3, slot, larder_ghosts_redeem(&s3->ghosts, object->digest) ? MAIN : SMALL);
}

/* Whether the oldest of a queue is spared; then it has moved. */
static bool spare(struct s3fifo *s3, uint32_t slot)
{
    uint8_t hits = larder_hits_get(s3->hits, slot);
    if (s3->entries[slot].where == MAIN) {
        if (hits == 0)
            return false;
        larder_hits_set(s3->hits, slot, (uint8_t)(hits - 1));
        larder_list_touch(&s3->lists[MAIN], s3->links, slot);
        return true;
    }
    if (hits < s3->promotion)
        return false;
    larder_hits_set(s3->hits, slot, 0);
    s3fifo_remove(s3, slot);
    put_in(s3, slot, MAIN);
    return true;
}

/* Each step takes a hit from somebody, so that there are no more steps than hits, but for those that come meanwhile. */
static uint32_t s3fifo_evict(void *state)
{
    struct s3fifo *s3 = state;
    uint64_t left = HIT_MAX * ((uint64_t)s3->lists[SMALL].count + s3->lists[MAIN].count);
    if (left == 0)
        return LARDER_NO_SLOT;
    uint32_t from = s3->charges[MAIN] > s3->main_share ? MAIN : SMALL;
    for (;; left--) {
        if (s3->lists[from].count == 0) /* of two queues not both */
            from = MAIN - from;
        uint32_t slot = s3->lists[from].oldest - 1;
        if (left > 0 && spare(s3, slot))
            continue;
        s3fifo_remove(s3, slot);
        if (from == SMALL)
            larder_ghosts_push(&s3->ghosts, s3->entries[slot].digest, s3->entries[slot].charge);
        return slot;
    }
}

static void s3fifo_update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct s3fifo *s3 = state;
    struct entry *entry = &s3->entries[slot];
    s3->charges[entry->where] += (uint64_t)object->charge - entry->charge;
    entry->charge = object->charge;
}

static uint64_t s3fifo_extra_bytes(const void *state)
{
    const struct s3fifo *s3 = state;
    return larder_ghosts_bytes(&s3->ghosts);
}

static const struct larder_param params[] = {
    {.name = "small_share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.1",
     .minimum = 0,
     .maximum = 1,
     .help = "part of the capacity for newcomers"},
    {.name = "ghost_share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.9",
     .minimum = 0,
     .maximum = 1,
     .help = "how much of what has gone is remembered, as a part of the capacity"},
    {.name = "promotion",
     .type = LARDER_PARAM_INT,
     .default_text = "2",
     .minimum = 1,
     .maximum = HIT_MAX,
     .help = "hits that a newcomer needs to be kept"},
    {0},
};

LARDER_EVICTION("s3fifo", "a small queue for newcomers, a main queue for those that prove useful", params,
                .hit_max = HIT_MAX, .slot_bytes = sizeof(struct larder_link) + sizeof(struct entry),
                .open = s3fifo_open, .close = s3fifo_close, .evict = s3fifo_evict, .insert = s3fifo_insert,
                .remove = s3fifo_remove, .prepare = s3fifo_prepare, .update = s3fifo_update,
                .extra_bytes = s3fifo_extra_bytes);
