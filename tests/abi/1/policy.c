/*
 * A policy that was written for the first published headers and is built with them only. It uses every member of the
 * table, every helper and every type of parameter, counts its calls where a test can read them, and ends the program when
 * the host does what those headers rule out.
 *
 * With KEPT_HIT_MAX 1 to 15 it is FIFO with as many second chances as there were hits, with 0 LRU, with LARDER_HITS_NONE
 * FIFO.
 */
#include <larder/plugin/eviction.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(truth)                                                                                                  \
    do {                                                                                                               \
        if (!(truth)) {                                                                                                \
            fprintf(stderr, "%s: %s: not so: %s\n", KEPT_NAME, __func__, #truth);                                      \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* In the order of the table, and how many newcomers were known from before. */
enum { OPEN, CLOSE, EVICT, INSERT, REMOVE, HIT, PREPARE, UPDATE, EXTRA_BYTES, GHOSTS, CALLS };
LARDER_API extern uint64_t kept_calls[CALLS];
uint64_t kept_calls[CALLS];

#define CALLED(which) ((void)__atomic_fetch_add(&kept_calls[which], 1, __ATOMIC_RELAXED))

enum { REMEMBERED = 64 };

struct kept {
    uint8_t *hits;
    uint32_t max_slots;
    uint64_t capacity, charged;
    struct larder_object *objects; /* a charge of 0: not resident */
    struct larder_link *links;
    struct larder_list list;
    uint64_t ghosts[REMEMBERED];
    uint32_t next_ghost;
};

/* ------------------------------------------------------------------------------------------------ parameters */

static const struct larder_param limit_fields[] = {
    {.name = "low", .type = LARDER_PARAM_INT, .default_text = "1", .minimum = 0, .maximum = 9, .help = "the low one"},
    {.name = "high", .type = LARDER_PARAM_INT, .required = true, .help = "the high one"},
    {.name = NULL},
};

static const struct larder_param kept_params[] = {
    {.name = "flag", .type = LARDER_PARAM_BOOL, .default_text = "true", .help = "a truth"},
    {.name = "count", .type = LARDER_PARAM_INT, .default_text = "3", .minimum = 1, .maximum = 9, .help = "a number"},
    {.name = "share",
     .type = LARDER_PARAM_FLOAT,
     .default_text = "0.25",
     .minimum = 0,
     .maximum = 1,
     .help = "a share"},
    {.name = "room", .type = LARDER_PARAM_SIZE, .default_text = "4KiB", .help = "a size"},
    {.name = "pause", .type = LARDER_PARAM_DURATION, .default_text = "250ms", .help = "a time"},
    {.name = "mode", .type = LARDER_PARAM_STRING, .default_text = "plain", .choices = "plain|fancy", .help = "a text"},
    {.name = "tags", .type = LARDER_PARAM_STRINGS, .help = "texts"},
    {.name = "limits", .type = LARDER_PARAM_RECORD, .fields = limit_fields, .help = "a mapping"},
    {.name = "rules", .type = LARDER_PARAM_RECORDS, .fields = limit_fields, .help = "mappings"},
    {.name = "names", .type = LARDER_PARAM_MAP, .help = "names and texts"},
    {.name = NULL},
};

static void expect_limits(const struct larder_param_value *limits, int64_t low, bool low_given, int64_t high)
{
    EXPECT(limits->count == 2);
    EXPECT(strcmp(limits->items[0].name, "low") == 0 && limits->items[0].integer == low);
    EXPECT(limits->items[0].given == low_given);
    EXPECT(strcmp(limits->items[1].name, "high") == 0 && limits->items[1].integer == high && limits->items[1].given);
}

/* They are the defaults; or, when `tags` are given, all the others are, too, as here. */
static void expect_params(const struct larder_param_value *params)
{
    bool given = params[6].given;
    for (size_t i = 0; kept_params[i].name != NULL; i++)
        EXPECT(strcmp(params[i].name, kept_params[i].name) == 0 && params[i].given == given);
    EXPECT(params[0].integer == (given ? 0 : 1));
    EXPECT(params[1].integer == (given ? 2 : 3) && params[1].number == (given ? 2 : 3));
    EXPECT(params[2].number == (given ? 0.5 : 0.25));
    EXPECT(params[3].integer == (given ? 1 << 20 : 4096));
    EXPECT(params[4].integer == (given ? 60000 : 250));
    EXPECT(strcmp(params[5].string, given ? "fancy" : "plain") == 0);
    EXPECT(params[6].count == (given ? 2 : 0) && params[8].count == (given ? 2 : 0) &&
           params[9].count == (given ? 1 : 0));
    if (!given)
        return;
    EXPECT(strcmp(params[6].items[0].string, "one") == 0 && strcmp(params[6].items[1].string, "two") == 0);
    expect_limits(&params[7], 2, true, 20);
    expect_limits(&params[8].items[0], 1, false, 30);
    expect_limits(&params[8].items[1], 4, true, 40);
    EXPECT(strcmp(params[9].items[0].name, "tom") == 0 && strcmp(params[9].items[0].string, "630") == 0);
}

/* ------------------------------------------------------------------------------------------------ callbacks */

static void kept_close(void *state)
{
    struct kept *kept = state;
    CALLED(CLOSE);
    free(kept->objects);
    free(kept->links);
    free(kept);
}

static void *kept_open(const struct larder_eviction_env *env)
{
    CALLED(OPEN);
    EXPECT(env->size >= sizeof *env && env->max_slots >= 1 && env->capacity >= 1);
    EXPECT((env->hits != NULL) == (KEPT_HIT_MAX >= 1 && KEPT_HIT_MAX <= 15));
    expect_params(env->params);
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return NULL;
    kept->hits = env->hits;
    kept->max_slots = env->max_slots;
    kept->capacity = env->capacity;
    kept->objects = calloc(env->max_slots, sizeof *kept->objects);
    kept->links = calloc(env->max_slots, sizeof *kept->links);
    if (kept->objects == NULL || kept->links == NULL) {
        kept_close(kept);
        return NULL;
    }
    return kept;
}

static void forget(struct kept *kept, uint32_t slot)
{
    EXPECT(slot < kept->max_slots && kept->objects[slot].charge != 0);
    kept->charged -= kept->objects[slot].charge;
    kept->objects[slot].charge = 0;
}

/* One hit less. False: there was none. */
static bool spend_hit(struct kept *kept, uint32_t slot)
{
    if (kept->hits == NULL)
        return false;
    uint8_t count = larder_hits_get(kept->hits, slot);
    EXPECT(count <= 15);
    if (count <= 1)
        return larder_hits_take(kept->hits, slot) != 0;
    larder_hits_set(kept->hits, slot, (uint8_t)(count - 1));
    return true;
}

static uint32_t kept_evict(void *state)
{
    struct kept *kept = state;
    CALLED(EVICT);
    for (uint64_t left = (uint64_t)kept->list.count * (kept->hits != NULL ? KEPT_HIT_MAX : 0);; left--) {
        uint32_t slot = larder_list_pop(&kept->list, kept->links);
        if (slot == LARDER_NO_SLOT)
            return slot;
        if (left > 0 && spend_hit(kept, slot)) {
            larder_list_push(&kept->list, kept->links, slot);
            continue;
        }
        kept->ghosts[kept->next_ghost++ % REMEMBERED] = kept->objects[slot].digest;
        forget(kept, slot);
        return slot;
    }
}

static void kept_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct kept *kept = state;
    CALLED(INSERT);
    EXPECT(slot < kept->max_slots && kept->objects[slot].charge == 0);
    EXPECT(object->charge >= 1);
    EXPECT(kept->hits == NULL || larder_hits_get(kept->hits, slot) == 0);
    kept->objects[slot] = *object;
    kept->charged += object->charge;
    larder_list_push(&kept->list, kept->links, slot);
}

static void kept_remove(void *state, uint32_t slot)
{
    struct kept *kept = state;
    CALLED(REMOVE);
    forget(kept, slot);
    larder_list_remove(&kept->list, kept->links, slot);
}

#if KEPT_HIT_MAX == 0
static void kept_hit(void *state, uint32_t slot)
{
    struct kept *kept = state;
    CALLED(HIT);
    EXPECT(slot < kept->max_slots && kept->objects[slot].charge != 0);
    larder_list_remove(&kept->list, kept->links, slot);
    larder_list_push(&kept->list, kept->links, slot);
}
#else
#define kept_hit NULL
#endif

static void kept_prepare(void *state, const struct larder_object *object)
{
    struct kept *kept = state;
    CALLED(PREPARE);
    EXPECT(object->charge >= 1 && object->charge <= kept->capacity);
    for (uint32_t i = 0; i < REMEMBERED; i++)
        if (kept->ghosts[i] == object->digest) {
            CALLED(GHOSTS);
            return;
        }
}

static void kept_update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct kept *kept = state;
    CALLED(UPDATE);
    EXPECT(kept->objects[slot].digest == object->digest);
    forget(kept, slot);
    kept->objects[slot] = *object;
    kept->charged += object->charge;
}

static uint64_t kept_extra_bytes(const void *state)
{
    const struct kept *kept = state;
    CALLED(EXTRA_BYTES);
    return sizeof kept->ghosts;
}

LARDER_EVICTION(KEPT_NAME, "a policy of the first published headers", kept_params, .hit_max = KEPT_HIT_MAX,
                .slot_bytes = sizeof(struct larder_link) + sizeof(struct larder_object), .open = kept_open,
                .close = kept_close, .evict = kept_evict, .insert = kept_insert, .remove = kept_remove, .hit = kept_hit,
                .prepare = kept_prepare, .update = kept_update, .extra_bytes = kept_extra_bytes);
