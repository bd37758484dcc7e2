/* What a module sees of the store, and what the store makes of a module that answers nonsense. */
#include "store_kit.h"

#include <stdlib.h>

#include "core/base/fail.h"

/* ---- a policy that says what it sees: FIFO with parameters, hit bytes, charges and something besides its slots */

enum { SLOTS = 4096 };

struct witness {
    const struct larder_eviction_env *env;
    uint8_t *hits;
    uint32_t max_slots;
    uint64_t capacity, charged, extra;
    struct larder_object objects[SLOTS];
    struct larder_link links[SLOTS];
    struct larder_list list;
    unsigned prepared, updated;
};

static struct witness *last_witness; /* the state opened last */

static void *witness_open(const struct larder_eviction_env *env)
{
    struct witness *witness = calloc(1, sizeof *witness);
    assert_non_null(witness);
    assert_int_equal(env->size, sizeof *env);
    assert_in_range(env->max_slots, 1, SLOTS);
    assert_string_equal(env->params[0].string, "text");
    assert_int_equal(env->params[1].count, 2);
    assert_string_equal(env->params[1].items[1].string, "second");
    assert_int_equal(env->params[2].integer, 7);
    witness->hits = env->hits;
    witness->max_slots = env->max_slots;
    witness->capacity = env->capacity;
    last_witness = witness;
    return witness;
}

static void witness_close(void *state)
{
    free(state);
}

static void witness_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct witness *witness = state;
    assert_in_range(slot, 0, witness->max_slots - 1);
    assert_int_equal(witness->objects[slot].charge, 0);
    assert_int_equal(larder_hits_get(witness->hits, slot), 0);
    witness->objects[slot] = *object;
    witness->charged += object->charge;
    assert_in_range(witness->charged, 1, witness->capacity);
    larder_list_push(&witness->list, witness->links, slot);
}

static void witness_remove(void *state, uint32_t slot)
{
    struct witness *witness = state;
    assert_int_not_equal(witness->objects[slot].charge, 0);
    witness->charged -= witness->objects[slot].charge;
    witness->objects[slot].charge = 0;
    larder_list_remove(&witness->list, witness->links, slot);
}

static uint32_t witness_evict(void *state)
{
    struct witness *witness = state;
    if (witness->list.oldest == 0)
        return LARDER_NO_SLOT;
    uint32_t slot = witness->list.oldest - 1;
    witness_remove(state, slot);
    witness->extra += 16; /* a ghost, so to say */
    return slot;
}

static void witness_prepare(void *state, const struct larder_object *object)
{
    struct witness *witness = state;
    assert_in_range(object->charge, 1, witness->capacity);
    witness->prepared++;
}

static void witness_update(void *state, uint32_t slot, const struct larder_object *object)
{
    struct witness *witness = state;
    assert_true(witness->objects[slot].digest == object->digest);
    witness->charged += object->charge;
    witness->charged -= witness->objects[slot].charge;
    witness->objects[slot] = *object;
    assert_in_range(witness->charged, 1, witness->capacity);
    witness->updated++;
}

static uint64_t witness_extra(const void *state)
{
    return ((const struct witness *)state)->extra;
}

static const struct larder_param witness_params[] = {
    {.name = "text", .type = LARDER_PARAM_STRING},
    {.name = "list", .type = LARDER_PARAM_STRINGS},
    {.name = "number", .type = LARDER_PARAM_INT},
    {.name = NULL},
};

static const struct larder_eviction witness_table = {
    .head = {.name = "witness", .params = witness_params},
    .hit_max = 3,
    .slot_bytes = 24,
    .open = witness_open,
    .close = witness_close,
    .evict = witness_evict,
    .insert = witness_insert,
    .remove = witness_remove,
    .prepare = witness_prepare,
    .update = witness_update,
    .extra_bytes = witness_extra,
};

/* The parameters are gone after open, as the contract allows. */
static struct ldr_store *open_witness(uint64_t max_bytes)
{
    char text[] = "text", first[] = "first", second[] = "second";
    struct larder_param_value items[] = {{.string = first}, {.string = second}};
    struct larder_param_value values[] = {{.name = "text", .string = text},
                                          {.name = "list", .count = 2, .items = items},
                                          {.name = "number", .integer = 7}};
    const struct ldr_store_options options = {
        .max_bytes = max_bytes, .max_value = 1 << 20, .eviction = &witness_table, .params = values};
    struct ldr_store *store = ldr_store_open(&options);
    assert_non_null(store);
    memset(text, 'x', sizeof text - 1);
    memset(second, 'x', sizeof second - 1);
    memset(values, 0, sizeof values);
    return store;
}

static void a_policy_is_told_what_the_contract_says(void **unused)
{
    (void)unused;
    struct ldr_store *store = open_witness(1 << 16);
    unsigned count = kit_fill(store);
    struct witness *witness = last_witness;
    assert_int_equal(witness->prepared, count);
    assert_int_equal(witness->list.count, kit_stats(store).entries);
    uint32_t newest = witness->list.newest - 1;
    for (uint8_t i = 0; i < 5; i++) {
        assert_int_equal(larder_hits_get(witness->hits, newest), i < 3 ? i : 3);
        kit_use_number(store, count - 1);
    }
    kit_put_number(store, count - 1);
    assert_int_equal(witness->updated, 1);
    assert_int_equal(witness->prepared, count);
    /* A rewrite that needs so much room that the policy evicts the rewritten entry itself. */
    char key[16], value[20000] = {0};
    snprintf(key, sizeof key, "%06u", 1u);
    assert_int_equal(kit_put(store, key, value, sizeof value), LARDER_OK);
    assert_true(kit_has_number(store, 1));
    assert_int_equal(last_witness->list.count, kit_stats(store).entries);
    assert_int_equal(ldr_store_set_max_bytes(store, 1 << 15), LARDER_OK);
    assert_int_equal(last_witness->list.count, kit_stats(store).entries);
    for (unsigned i = 0; i < 20000; i++)
        kit_put_number(store, i % 999);
    uint64_t entries = kit_stats(store).entries;
    assert_int_equal(ldr_store_set_eviction(store, LRU, NULL), LARDER_OK);
    assert_int_equal(kit_stats(store).entries, entries);
    assert_int_equal(kit_stats(store).policy_faults, 0);
    ldr_store_close(store);
}

/* ---- modules that answer nonsense: LRU, but for its answer to evict */

enum nonsense { UNKNOWN_SLOT, HUGE_SLOT, NO_SLOT, SAME_AGAIN };
static enum nonsense nonsense;
static unsigned sane_answers;
static uint32_t last_victim;

static uint32_t nonsense_evict(void *state)
{
    if (sane_answers > 0) {
        sane_answers--;
        last_victim = LRU->evict(state);
        return last_victim;
    }
    switch (nonsense) {
    case UNKNOWN_SLOT: return 1000000;
    case HUGE_SLOT: return UINT32_MAX - 1;
    case SAME_AGAIN: return last_victim;
    default: return LARDER_NO_SLOT;
    }
}

static struct larder_eviction nonsense_table(enum nonsense kind, unsigned sane)
{
    struct larder_eviction table = *LRU;
    table.evict = nonsense_evict;
    nonsense = kind;
    sane_answers = sane;
    return table;
}

static void nonsense_is_caught_and_counted(void **unused)
{
    (void)unused;
    for (unsigned kind = UNKNOWN_SLOT; kind <= SAME_AGAIN; kind++) {
        const struct larder_eviction table = nonsense_table((enum nonsense)kind, 3);
        struct ldr_store *store = kit_open(&table, 1 << 15);
        char large[1 << 13] = {0};
        (void)kit_fill(store);
        assert_int_equal(kit_stats(store).policy_faults, 0);
        for (unsigned i = 0; i < 3000; i++) {
            kit_put_number(store, i);
            assert_true(kit_has_number(store, i));
        }
        assert_int_equal(kit_put(store, "large", large, sizeof large), LARDER_OK);
        assert_true(kit_has(store, "large"));
        assert_in_range(kit_stats(store).policy_faults, 1, 3);
        assert_true(kit_stats(store).entries > 100);
        /* A sane policy takes over everything. */
        uint64_t entries = kit_stats(store).entries;
        assert_int_equal(ldr_store_set_eviction(store, LRU, NULL), LARDER_OK);
        assert_int_equal(kit_stats(store).entries, entries);
        ldr_store_close(store);
    }
}

static void nonsense_during_a_change_of_policy_loses_nothing(void **unused)
{
    (void)unused;
    for (unsigned kind = UNKNOWN_SLOT; kind <= SAME_AGAIN; kind++) {
        const struct larder_eviction table = nonsense_table((enum nonsense)kind, 40);
        struct ldr_store *store = kit_open(&table, 1 << 16);
        for (unsigned i = 0; i < 100; i++)
            kit_put_number(store, i);
        assert_int_equal(ldr_store_set_eviction(store, LRU, NULL), LARDER_OK);
        kit_check(store);
        for (unsigned i = 0; i < 100; i++)
            assert_true(kit_has_number(store, i));
        assert_int_equal(kit_stats(store).policy_faults, 1);
        assert_int_equal(kit_stats(store).evictions, 0);
        ldr_store_close(store);
    }
}

/* Always the slot that came first. */
static uint32_t first_evict(void *state)
{
    (void)state;
    return 0;
}

static void a_rewritten_entry_is_not_evicted_twice(void **unused)
{
    (void)unused;
    struct larder_eviction table = *FIFO;
    table.evict = first_evict;
    struct ldr_store *store = kit_open(&table, 1 << 15);
    char large[1 << 14] = {0};
    unsigned count = 0;
    while (kit_stats(store).bytes_used < 30000)
        kit_put_number(store, count++);
    assert_int_equal(kit_put(store, "000000", large, sizeof large), LARDER_OK);
    struct ldr_entry *entry = ldr_store_peek(store, ldr_slice_text("000000"), 0);
    assert_non_null(entry);
    assert_int_equal(ldr_entry_value(entry).size, sizeof large);
    ldr_entry_release(entry);
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.policy_faults, 1);
    assert_int_equal(stats.entries + stats.evictions, count);
    ldr_store_close(store);
}

/* A policy during whose answer, as by another thread, an entry is used. */
static struct ldr_store *read_meanwhile;

static uint32_t read_evict(void *state)
{
    last_victim = LRU->evict(state);
    kit_use_number(read_meanwhile, 0);
    return last_victim;
}

static void read_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    if (slot == last_victim)
        last_victim = LARDER_NO_SLOT;
    LRU->insert(state, slot, object);
}

static void read_hit(void *state, uint32_t slot)
{
    assert_int_not_equal(slot, last_victim);
    LRU->hit(state, slot);
}

static void a_policy_hears_no_hit_of_what_it_has_given_up(void **unused)
{
    (void)unused;
    struct larder_eviction table = *LRU;
    table.evict = read_evict;
    table.insert = read_insert;
    table.hit = read_hit;
    last_victim = LARDER_NO_SLOT;
    struct ldr_store *store = read_meanwhile = kit_open(&table, 1 << 15);
    char large[1 << 14] = {0};
    unsigned count = 0;
    while (kit_stats(store).bytes_used < 30000)
        kit_put_number(store, count++);
    assert_int_equal(kit_put(store, "000000", large, sizeof large), LARDER_OK); /* the coldest goes, and comes back */
    struct ldr_store_stats stats = kit_stats(store);
    assert_true(stats.evictions > 0);
    assert_int_equal(stats.entries + stats.evictions, count);
    assert_int_equal(stats.policy_faults, 0);
    ldr_store_close(store);
}

static uint64_t absurd_extra(const void *state)
{
    (void)state;
    return last_victim == 0 ? 0 : UINT64_MAX;
}

static void an_absurd_size_of_a_policy_is_caught(void **unused)
{
    (void)unused;
    struct larder_eviction table = *LRU;
    table.extra_bytes = absurd_extra;
    last_victim = 0;
    struct ldr_store *store = kit_open(&table, 1 << 15);
    kit_put_number(store, 1);
    last_victim = 1;
    kit_put_number(store, 2);
    assert_true(kit_has_number(store, 2));
    assert_true(kit_stats(store).policy_faults > 0);
    for (unsigned i = 0; i < 1000; i++)
        kit_put_number(store, i);
    assert_true(kit_stats(store).entries > 100);
    ldr_store_close(store);
    const struct ldr_store_options options = {.max_bytes = 1 << 20, .max_value = 1, .eviction = &table};
    assert_null(ldr_store_open(&options));
    assert_int_equal(larder_last_status(), LARDER_NO_ROOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_is_told_what_the_contract_says),
        cmocka_unit_test(nonsense_is_caught_and_counted),
        cmocka_unit_test(nonsense_during_a_change_of_policy_loses_nothing),
        cmocka_unit_test(a_rewritten_entry_is_not_evicted_twice),
        cmocka_unit_test(a_policy_hears_no_hit_of_what_it_has_given_up),
        cmocka_unit_test(an_absurd_size_of_a_policy_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
