/*
 * The store against a simple reference, in every shape and over millions of operations of one thread. Before each operation
 * the reference looks whether the key was evicted; for all else it knows what the store must answer.
 */
#include "store_shapes.h"

#include "store_seal.h"

enum { KEYS = 600, PINS = 12, BATCH = 16, VALUE_MAX = 64 << 10, KEY_SIZE = 2100 };

/* What the reference knows of a key. An entry counts as there until the store was seen to have evicted it. */
struct known {
    bool there, negative;
    struct seal seal; /* of the value */
    struct larder_version version;
    uint64_t expires; /* as it was put, or touched */
};

struct model {
    struct ldr_store *store;
    uint64_t random, now, serial, limit;
    struct known keys[KEYS];
    uint64_t lost, expired; /* how many entries were found to be evicted before their time; how many outlived it */
    struct ldr_entry *pins[PINS];
    struct known pinned[PINS];
    unsigned char value[VALUE_MAX], copies[BATCH][512];
    char key[KEY_SIZE], batch_keys[BATCH][KEY_SIZE];
};

static uint32_t below(struct model *model, uint32_t limit)
{
    return shape_below(&model->random, limit);
}

/* Some are longer than most values. */
static struct larder_slice key_in(unsigned k, char buffer[KEY_SIZE])
{
    int length = snprintf(buffer, KEY_SIZE, "%u:%*s", k, k % 50 == 0 ? 2000 : (int)(k % 40), "");
    return ldr_slice(buffer, (size_t)length);
}

static struct larder_slice key_of(struct model *model, unsigned k)
{
    return key_in(k, model->key);
}

static bool present(const struct known *known)
{
    return known->there && !known->negative;
}

/* ---- comparing */

static void check_value(struct larder_slice value, const struct known *known)
{
    struct seal seal = {0};
    if (known->negative) {
        assert_int_equal(value.size, 0);
        return;
    }
    assert_true(seal_read(value, &seal));
    assert_int_equal(seal.key, known->seal.key);
    assert_int_equal(seal.serial, known->seal.serial);
}

static void check_entry(const struct ldr_entry *entry, const struct known *known)
{
    assert_int_equal(ldr_entry_negative(entry), known->negative);
    assert_int_equal(ldr_entry_version(entry).epoch, known->version.epoch);
    assert_int_equal(ldr_entry_version(entry).clock, known->version.clock);
    check_value(ldr_entry_value(entry), known);
}

/* Compares one key, and notices when it was evicted. */
static void look(struct model *model, unsigned k)
{
    struct known *known = &model->keys[k];
    struct larder_slice key = key_of(model, k);
    struct ldr_entry *entry = ldr_store_peek(model->store, key, model->now);
    if (entry == NULL) {
        model->lost += known->there;
        known->there = false;
        return;
    }
    assert_true(known->there);
    assert_true(ldr_slice_equal(ldr_entry_key(entry), key));
    assert_int_equal(ldr_entry_expires(entry), known->expires);
    check_entry(entry, known);
    ldr_entry_release(entry);
}

/* Compares all keys and all sums. Afterwards nothing is there whose time has passed. */
static void compare(struct model *model)
{
    uint64_t entries = 0, bytes = 0, due = LARDER_NEVER;
    /* What pins held and let go counts again when it is taken back: then something may have to go. */
    (void)ldr_store_expire(model->store, model->now, SIZE_MAX);
    for (unsigned k = 0; k < KEYS; k++) {
        look(model, k);
        if (!model->keys[k].there)
            continue;
        entries++;
        bytes += key_of(model, k).size + (model->keys[k].negative ? 0 : model->keys[k].seal.size);
        due = model->keys[k].expires < due ? model->keys[k].expires : due;
    }
    assert_int_equal(ldr_store_expire(model->store, model->now, SIZE_MAX), due);
    struct ldr_store_stats stats = kit_stats(model->store);
    assert_int_equal(stats.entries, entries);
    assert_int_equal(stats.value_bytes, bytes);
    /* A shard knows the time by what its writers tell: it may take one for evicted in time that was not. */
    assert_int_equal(stats.expirations + stats.evictions, model->lost + model->expired);
    assert_in_range(stats.evictions_unexpired, model->lost, model->lost + model->expired / 4 + 4);
    assert_int_equal(stats.policy_faults, 0);
}

/* ---- operations */

static void unpin(struct model *model, unsigned i)
{
    if (model->pins[i] != NULL)
        check_entry(model->pins[i], &model->pinned[i]);
    ldr_entry_release(model->pins[i]);
    model->pins[i] = NULL;
}

/* An entry that a lookup gave: the one that is known, pinned until another takes its place. */
static void keep(struct model *model, unsigned k, struct ldr_entry *entry)
{
    assert_int_equal(entry != NULL, model->keys[k].there);
    if (entry == NULL)
        return;
    check_entry(entry, &model->keys[k]);
    unsigned pin = below(model, PINS);
    unpin(model, pin);
    model->pins[pin] = entry;
    model->pinned[pin] = model->keys[k];
}

static void try_get(struct model *model, unsigned k)
{
    keep(model, k, ldr_store_get(model->store, key_of(model, k), model->now));
}

static void check_copy(const struct ldr_copy *copy, const struct known *known)
{
    if (!known->there) {
        assert_int_equal(copy->found, LDR_ABSENT);
    } else if (known->negative) {
        assert_int_equal(copy->found, LDR_FOUND_NEGATIVE);
    } else {
        assert_int_equal(copy->size, known->seal.size);
        assert_int_equal(copy->found, copy->size <= copy->capacity ? LDR_FOUND : LDR_FOUND_LARGER);
        if (copy->found == LDR_FOUND)
            check_value(ldr_slice(copy->buffer, copy->size), known);
    }
}

static void try_copy(struct model *model, unsigned k)
{
    struct ldr_copy copy = {
        .key = key_of(model, k), .buffer = model->copies[0], .capacity = below(model, sizeof model->copies[0])};
    enum ldr_found found = ldr_store_copy(model->store, &copy, model->now);
    assert_int_equal(found, copy.found);
    check_copy(&copy, &model->keys[k]);
}

/* Of any number of keys up to a batch, the same one twice perhaps. */
static void try_batch(struct model *model)
{
    unsigned count = below(model, BATCH + 1), ks[BATCH];
    struct larder_slice keys[BATCH];
    struct ldr_copy copies[BATCH];
    struct ldr_entry *entries[BATCH];
    for (unsigned i = 0; i < count; i++) {
        ks[i] = below(model, KEYS);
        look(model, ks[i]);
        keys[i] = key_in(ks[i], model->batch_keys[i]);
        copies[i] = (struct ldr_copy){keys[i], model->copies[i], sizeof model->copies[i], 0, LDR_ABSENT};
    }
    if (below(model, 2) == 0) {
        ldr_store_copy_many(model->store, copies, count, model->now);
        for (unsigned i = 0; i < count; i++)
            check_copy(&copies[i], &model->keys[ks[i]]);
        return;
    }
    ldr_store_get_many(model->store, keys, count, model->now, entries);
    for (unsigned i = 0; i < count; i++)
        keep(model, ks[i], entries[i]);
}

static uint64_t some_time(struct model *model)
{
    return below(model, 2) == 0 ? LARDER_NEVER : model->now + 1 + below(model, 20);
}

static struct larder_version some_version(struct model *model)
{
    static const uint64_t epochs[] = {0, 0, 1, 1, 2, UINT64_C(0x0123456789abcdef)};
    static const uint64_t clocks[] = {0, 1, 1000, UINT64_MAX};
    uint64_t clock = below(model, 2) == 0 ? model->serial : clocks[below(model, 4)];
    return (struct larder_version){epochs[below(model, 6)], clock};
}

static bool same(struct larder_version a, struct larder_version b)
{
    return a.epoch == b.epoch && a.clock == b.clock;
}

static bool newer(struct larder_version a, struct larder_version b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.clock > b.clock;
}

static uint32_t some_size(struct model *model)
{
    switch (below(model, 40)) {
    case 0: return below(model, VALUE_MAX - 100);
    case 1: return (uint32_t)(model->limit < VALUE_MAX ? model->limit / 2 : VALUE_MAX / 2) - 48;
    case 2:
    case 3: return below(model, 3000);
    default: return below(model, 250);
    }
}

static enum larder_status expected_status(const struct known *known, const struct ldr_put *put, bool *effect)
{
    *effect = false;
    if (((put->flags & LDR_PUT_IF_ABSENT) != 0 && present(known)) ||
        ((put->flags & LDR_PUT_IF_PRESENT) != 0 && !present(known)) ||
        ((put->flags & LDR_PUT_IF_VERSION) != 0 && !(present(known) && same(known->version, put->expected))))
        return LARDER_PRECONDITION;
    *effect = (put->flags & LDR_PUT_NEWER) == 0 || !known->there || newer(put->version, known->version);
    return LARDER_OK;
}

static void try_put(struct model *model, unsigned k)
{
    enum { ABSENT = LDR_PUT_IF_ABSENT, PRESENT = LDR_PUT_IF_PRESENT, NEWER = LDR_PUT_NEWER, NOT = LDR_PUT_NEGATIVE };
    static const uint32_t flags[] = {
        0, 0, 0, 0, 0, ABSENT, PRESENT, LDR_PUT_IF_VERSION, NEWER, NOT, NOT | NEWER, NOT | ABSENT, PRESENT | NEWER};
    struct known *known = &model->keys[k];
    struct known next = {.there = true, .expires = some_time(model), .version = some_version(model)};
    struct ldr_put put = {.key = key_of(model, k), .expires = next.expires, .version = next.version};
    put.flags = flags[below(model, sizeof flags / sizeof *flags)];
    put.expected = below(model, 3) != 0 ? known->version : some_version(model);
    next.negative = (put.flags & LDR_PUT_NEGATIVE) != 0;
    next.seal = (struct seal){.key = k, .serial = ++model->serial, .size = sizeof next.seal + some_size(model)};
    seal_write(model->value, next.seal);
    put.value = ldr_slice(model->value, next.negative ? 0 : next.seal.size);
    bool effect, created = true;
    enum larder_status expected = expected_status(known, &put, &effect);
    enum larder_status status = ldr_store_put(model->store, &put, model->now, &created);
    if (status == LARDER_PRECONDITION && effect && (put.flags & (LDR_PUT_IF_PRESENT | LDR_PUT_IF_VERSION)) != 0) {
        effect = false; /* all had to go for it, what the condition wants among them */
    } else if (status == LARDER_NO_ROOM && effect) {
        /* Pins, and shards far smaller than any real one, take their part. */
        /* Pins, and shards far smaller than any real one. */
        if (kit_stats(model->store).shards == 1 && put.key.size + put.value.size <= model->limit / 8)
            fail_msg("of %llu bytes, of which %llu are used: %s", (unsigned long long)model->limit,
                     (unsigned long long)kit_stats(model->store).bytes_used, larder_last_error());
        effect = false;
    } else {
        assert_int_equal(status, expected);
    }
    assert_true(status != LARDER_OK || !effect || put.value.size <= model->limit);
    assert_int_equal(created, effect && !present(known));
    if (effect)
        *known = next;
}

static void try_remove(struct model *model, unsigned k)
{
    struct known *known = &model->keys[k];
    bool conditional = below(model, 3) == 0;
    struct larder_version version = below(model, 2) == 0 ? known->version : some_version(model);
    enum larder_status expected = present(known) ? LARDER_OK : LARDER_NOT_FOUND;
    if (expected == LARDER_OK && conditional && !same(version, known->version))
        expected = LARDER_PRECONDITION;
    assert_int_equal(
        ldr_store_remove(model->store, key_of(model, k), conditional ? LDR_PUT_IF_VERSION : 0, version, model->now),
        expected);
    if (expected != LARDER_PRECONDITION)
        known->there = false;
}

static void try_touch(struct model *model, unsigned k)
{
    struct known *known = &model->keys[k];
    struct larder_version version = {7, 7};
    uint64_t expires = some_time(model);
    assert_int_equal(
        ldr_store_touch(model->store, key_of(model, k), expires, model->now, below(model, 4) == 0 ? NULL : &version),
        present(known) ? LARDER_OK : LARDER_NOT_FOUND);
    if (!present(known))
        return;
    assert_true(same(version, known->version) || same(version, (struct larder_version){7, 7}));
    known->expires = expires;
}

/* Time goes on only after a comparison: so each entry's fate is known, to be evicted or to expire. */
static void tick(struct model *model)
{
    compare(model);
    model->now += 1 + below(model, 5);
    for (unsigned k = 0; k < KEYS; k++) {
        if (!model->keys[k].there || model->keys[k].expires > model->now)
            continue;
        model->keys[k].there = false;
        model->expired++;
    }
}

/* None of these is told the time: nothing is there that has expired when they begin. */
static void try_rare(struct model *model)
{
    static const uint64_t limits[] = {20000, 50000, 100000, 150000};
    const struct larder_eviction *eviction = shape_policies[below(model, SHAPE_POLICIES)];
    compare(model);
    uint64_t limit = limits[below(model, 4)];
    enum larder_status status = LARDER_OK;
    switch (below(model, 8)) {
    case 0:
        ldr_store_clear(model->store);
        for (unsigned k = 0; k < KEYS; k++)
            model->keys[k].there = false;
        return;
    case 1:
    case 2:
    case 3: status = ldr_store_set_max_bytes(model->store, limit); break;
    case 4: status = ldr_store_set(model->store, eviction, NULL, limit, 0); break;
    default: assert_int_equal(ldr_store_set_eviction(model->store, eviction, NULL), LARDER_OK); return;
    }
    /* Only a budget with no room for so many shards, or for what larger ones before it have left, may be refused. */
    if (status == LARDER_OK)
        model->limit = limit;
    else
        assert_true(status == LARDER_NO_ROOM &&
                    (limit < UINT64_C(4096) * kit_stats(model->store).shards || limit < 1 << 17));
}

static void step(struct model *model)
{
    unsigned k = below(model, KEYS), action = below(model, 1000);
    look(model, k);
    if (action < 220)
        try_get(model, k);
    else if (action < 320)
        try_copy(model, k);
    else if (action < 360)
        try_batch(model);
    else if (action < 440)
        try_remove(model, k);
    else if (action < 540)
        try_touch(model, k);
    else if (action < 600)
        unpin(model, action % PINS);
    else
        try_put(model, k);
    if (below(model, 300) == 0)
        tick(model);
    if (below(model, 2000) == 0)
        try_rare(model);
    struct ldr_store_stats stats = kit_stats(model->store);
    assert_int_equal(stats.bytes_limit, model->limit);
    /* Spans that pins keep, and maps that a larger budget has left. */
    if (stats.bytes_used > stats.bytes_limit + 8192)
        fail_msg("after action %u: %llu bytes are used of %llu, %llu retired; %llu entries", action,
                 (unsigned long long)stats.bytes_used, (unsigned long long)stats.bytes_limit,
                 (unsigned long long)stats.retired_bytes, (unsigned long long)stats.entries);
}

static void run(const struct shape *shape, uint64_t seed)
{
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    shape_print(shape);
    model->random = seed;
    model->limit = shape->max_bytes;
    model->store = shape_open(shape);
    for (unsigned i = 0; i < (SHAPE_SANITIZED ? 40000 : 200000); i++)
        step(model);
    compare(model);
    assert_true(model->lost > 50 && model->expired > 50);
    ldr_store_close(model->store);
    for (unsigned pin = 0; pin < PINS; pin++)
        unpin(model, pin);
    free(model);
}

static void random_operations_agree_with_a_reference_in_every_shape(void **unused)
{
    (void)unused;
    uint64_t seed = 20260101;
    for (size_t policy = 0; policy < SHAPE_POLICIES; policy++)
        for (unsigned exact = 0; exact < 2; exact++)
            for (uint32_t shards = 1; shards <= 16; shards *= 4) {
                const struct shape shape = {.eviction = shape_policies[policy],
                                            .max_bytes = 100000,
                                            .shards = shards,
                                            .exact_hits = exact == 1};
                run(&shape, seed++);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_reference_in_every_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
