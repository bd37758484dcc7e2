/*
 * 2Q, the full version: T. Johnson and D. Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement
 * Algorithm", VLDB 1994. Newcomers stand in a queue, A1in, where hits change nothing. What leaves it is remembered as a
 * ghost, in A1out, for a while; what is asked for again in that time is kept in an LRU list, Am.
 *
 * Shares are parts of the capacity, by charge. Without a newcomer on its way all of A1in goes before Am, so that entries
 * that move to another state come in the order of their worth.
 */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

enum { IN, MAIN };

struct entry {
    uint64_t digest;
    uint32_t charge;
    uint32_t where; /* IN or MAIN */
};

struct two_queues {
    struct larder_link *links;
    struct entry *entries; /* by slot */
    struct larder_list in, main;
    uint64_t in_charge;
    uint64_t in_share; /* A1in may have so much */
    struct larder_ghosts out;
};

static void close_2q(void *state)
{
    struct two_queues *q = state;
    larder_ghosts_free(&q->out);
    free(q->links);
    free(q->entries);
    free(q);
}

static void *open_2q(const struct larder_eviction_env *env)
{
    struct two_queues *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->links = calloc(env->max_slots, sizeof *q->links);
    q->entries = calloc(env->max_slots, sizeof *q->entries);
    q->in_share = (uint64_t)((double)env->capacity * env->params[0].number);
    larder_ghosts_init(&q->out, env->max_slots, (uint64_t)((double)env->capacity * env->params[1].number));
    if (q->links == NULL || q->entries == NULL) {
        close_2q(q);
        return NULL;
    }
    return q;
}

static void prepare_2q(void *state, const struct larder_object *object)
{
    struct two_queues *q = state;
    larder_ghosts_claim(&q->out, object->digest);
}

static void insert_2q(void *state, uint32_t slot, const struct larder_object *object)
{
    struct two_queues *q = state;
    struct entry *entry = &q->entries[slot];
    *entry = (struct entry){object->digest, object->charge, IN};
    if (larder_ghosts_redeem(&q->out, object->digest)) {
        entry->where = MAIN;
        larder_list_push(&q->main, q->links, slot);
    } else {
        larder_list_push(&q->in, q->links, slot);
        q->in_charge += entry->charge;
    }
}

static void remove_2q(void *state, uint32_t slot)
{
    struct two_queues *q = state;
    const struct entry *entry = &q->entries[slot];
    if (entry->where == MAIN) {
        larder_list_remove(&q->main, q->links, slot);
    } else {
        larder_list_remove(&q->in, q->links, slot);
        q->in_charge -= entry->charge;
    }
}

static uint32_t evict_2q(void *state)
{
    struct two_queues *q = state;
    bool drains = !q->out.is_claimed;
    if (q->in.count == 0 || (q->main.count != 0 && !drains && q->in_charge <= q->in_share))
        return larder_list_pop(&q->main, q->links);
    uint32_t slot = q->in.oldest - 1;
    remove_2q(q, slot);
    larder_ghosts_push(&q->out, q->entries[slot].digest, q->entries[slot].charge);
    return slot;
}

static void hit_2q(void *state, uint32_t slot)
{
    struct two_queues *q = state;
    if (q->entries[slot].where == MAIN)
        larder_list_touch(&q->main, q->links, slot);
}

static void update_2q(void *state, uint32_t slot, const struct larder_object *object)
{
    struct two_queues *q = state;
    struct entry *entry = &q->entries[slot];
    if (entry->where == IN)
        q->in_charge += (uint64_t)object->charge - entry->charge;
    entry->charge = object->charge;
}

static uint64_t extra_bytes_2q(const void *state)
{
    const struct two_queues *q = state;
    return larder_ghosts_bytes(&q->out);
}

static const struct larder_param params[] = {
    {.name = "in_share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.25",
     .minimum = 0,
     .maximum = 1,
     .help = "part of the capacity for entries seen once"},
    {.name = "ghost_share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.5",
     .minimum = 0,
     .maximum = 1,
     .help = "how much of what has gone is remembered, as a part of the capacity"},
    {0},
};

LARDER_EVICTION("2q", "entries seen once pass through a queue, those asked for again are kept", params, .hit_max = 0,
                .slot_bytes = sizeof(struct larder_link) + sizeof(struct entry), .open = open_2q, .close = close_2q,
                .evict = evict_2q, .insert = insert_2q, .remove = remove_2q, .hit = hit_2q, .prepare = prepare_2q,
                .update = update_2q, .extra_bytes = extra_bytes_2q);
