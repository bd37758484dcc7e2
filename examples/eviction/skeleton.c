/*
 * A policy to start from: FIFO with second chances. Entries stand in the order of their arrival, and the oldest one goes,
 * unless it was used: then it stands at the end again, once for each hit, up to `rounds`. That is the generalised CLOCK of
 * A. J. Smith, "Sequentiality and Prefetching in Database Systems", ACM Transactions on Database Systems 3, 1978.
 */
#include <larder/plugin/eviction.h>

#include <stdlib.h>

/* Hits that the host counts for each entry, in a byte that readers raise without any lock. */
#define HIT_MAX 3

/* One shard of a group. The host calls one function of a state at a time: no locks here, and no globals. */
struct skeleton {
    uint8_t *hits;             /* the host's byte for each slot */
    uint8_t rounds;            /* our parameter */
    struct larder_link *links; /* one a slot */
    struct larder_list list;   /* from the newest to the oldest */
};

static void skeleton_close(void *state)
{
    struct skeleton *skeleton = state;
    free(skeleton->links);
    free(skeleton);
}

/* Slots are 0 to max_slots - 1. What stands in *env is copied; only the bytes of hits stay. */
static void *skeleton_open(const struct larder_eviction_env *env)
{
    struct skeleton *skeleton = calloc(1, sizeof *skeleton);
    if (skeleton == NULL)
        return NULL;
    skeleton->hits = env->hits;
    skeleton->rounds = (uint8_t)env->params[0].integer;
    skeleton->links = calloc(env->max_slots, sizeof *skeleton->links);
    if (skeleton->links == NULL) {
        skeleton_close(skeleton);
        return NULL;
    }
    return skeleton;
}

/* An entry has come, under a slot that is free. Its digest and charge are for policies that want them. */
static void skeleton_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct skeleton *skeleton = state;
    (void)object;
    larder_list_push(&skeleton->list, skeleton->links, slot);
}

/* An entry was deleted or has expired. */
static void skeleton_remove(void *state, uint32_t slot)
{
    struct skeleton *skeleton = state;
    larder_list_remove(&skeleton->list, skeleton->links, slot);
}

/* Whether the entry has another round, for which it pays with a hit. */
static bool another_round(struct skeleton *skeleton, uint32_t slot)
{
    uint8_t hits = larder_hits_get(skeleton->hits, slot);
    if (hits == 0)
        return false;
    if (hits > skeleton->rounds)
        hits = skeleton->rounds;
    larder_hits_set(skeleton->hits, slot, (uint8_t)(hits - 1));
    return true;
}

/*
 * Room is needed: which entry goes? Readers raise hits while we look, so the rounds are counted: when they are up, the
 * next one goes whatever was done with it meanwhile.
 */
static uint32_t skeleton_evict(void *state)
{
    struct skeleton *skeleton = state;
    uint64_t left = (uint64_t)skeleton->list.count * skeleton->rounds;
    uint32_t slot = larder_list_pop(&skeleton->list, skeleton->links);
    while (slot != LARDER_NO_SLOT && left-- > 0 && another_round(skeleton, slot)) {
        larder_list_push(&skeleton->list, skeleton->links, slot);
        slot = larder_list_pop(&skeleton->list, skeleton->links);
    }
    return slot;
}

static const struct larder_param skeleton_params[] = {
    {.name = "rounds",
     .type = LARDER_PARAM_INT,
     .default_text = "1",
     .minimum = 1,
     .maximum = HIT_MAX,
     .help = "most rounds that an entry gets for its hits"},
    {.name = NULL},
};

LARDER_EVICTION("skeleton", "the oldest entry goes first, after a round for each of its hits", skeleton_params,
                .hit_max = HIT_MAX, .slot_bytes = sizeof(struct larder_link), .open = skeleton_open,
                .close = skeleton_close, .evict = skeleton_evict, .insert = skeleton_insert, .remove = skeleton_remove);
