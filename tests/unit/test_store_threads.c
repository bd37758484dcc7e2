/*
 * Several threads do everything that a store can do to the same keys. Every value is sealed, and most keys have one writer,
 * who counts up: what a get finds was put last before it began, or was put or on its way while it ran.
 */
#include "store_shapes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "store_seal.h"

enum { THREADS = 4, PINS = 8, BATCH = 8, KEYS_MAX = 512, VALUE_MAX = 1 << 16, KEY_SIZE = 80 };

/* What is known of a key with one writer. */
struct owned {
    _Atomic uint64_t floor;   /* no older value may be found from now on */
    _Atomic uint64_t ceiling; /* the newest that a put has begun with */
};

struct world {
    struct ldr_store *store;
    unsigned keys, owned; /* numbers below `owned` have the writer number % THREADS; all write the others */
    unsigned rounds;
    unsigned pins;         /* that each thread holds at most */
    uint32_t small, large; /* bytes of most values, and of some */
    uint64_t budget;       /* as it is at least: between this and twice of it */
    bool steady;           /* the policy and the budget stay */
    _Atomic uint64_t now;
    _Atomic unsigned threads;
    _Atomic uint64_t over;    /* the most bytes above the limit that were seen */
    _Atomic unsigned refused; /* puts for which there was no room beside what readers held */
    struct owned of[KEYS_MAX];
};

struct pin {
    struct ldr_entry *entry;
    unsigned k;
    struct seal seal;
};

/* One thread. */
struct actor {
    struct world *world;
    unsigned id;
    uint64_t random, serial;
    struct pin pins[PINS];
    unsigned char value[VALUE_MAX];
    unsigned char copies[BATCH][1024];
};

/* The time as it is, or left to the store's clock: which is then this or later. */
struct moment {
    uint64_t before; /* what expired until then is not found */
    uint64_t told;
};

static uint64_t clock_of_world(void *arg)
{
    struct world *world = arg;
    return atomic_load(&world->now);
}

static struct moment moment(struct actor *actor)
{
    struct moment moment = {.before = atomic_load(&actor->world->now)};
    moment.told = moment.before;
    if (shape_below(&actor->random, 2) == 0)
        moment.told = LDR_NOW;
    return moment;
}

/* Lengths differ, up to beyond a cache line. */
static struct larder_slice key_of(unsigned k, char buffer[KEY_SIZE])
{
    return ldr_slice(buffer, (size_t)snprintf(buffer, KEY_SIZE, "%u.%.*s", k, (int)(k * 7 % 61),
                                              "-------------------------------------------------------------"));
}

/* Every second owned key is never touched, so that its seal tells when it expires. */
static bool may_be_touched(const struct world *world, unsigned k)
{
    return k >= world->owned || k / THREADS % 2 == 1;
}

static uint64_t floor_of(struct world *world, unsigned k)
{
    return atomic_load(&world->of[k].floor);
}

/* A value found by a lookup that began when the floor was this. */
static struct seal check_value(struct world *world, unsigned k, struct larder_slice value, uint64_t floor,
                               uint64_t before)
{
    struct seal seal;
    require(seal_read(value, &seal));
    require(seal.key == k);
    if (k < world->owned) {
        require(seal.writer == k % THREADS);
        require(seal.serial >= floor);
        require(seal.serial <= atomic_load(&world->of[k].ceiling));
    }
    if (!may_be_touched(world, k))
        require(seal.expires > before);
    return seal;
}

static void unpin(struct pin *pin)
{
    struct seal seal;
    if (pin->entry == NULL)
        return;
    char buffer[KEY_SIZE];
    require(seal_read(ldr_entry_value(pin->entry), &seal));
    require(memcmp(&seal, &pin->seal, sizeof seal) == 0);
    require(ldr_slice_equal(ldr_entry_key(pin->entry), key_of(pin->k, buffer)));
    ldr_entry_release(pin->entry);
    pin->entry = NULL;
}

/* Checks what was found, and keeps it now and then. */
static void take(struct actor *actor, unsigned k, struct ldr_entry *entry, uint64_t floor, uint64_t before)
{
    if (entry == NULL)
        return;
    char buffer[KEY_SIZE];
    require(ldr_slice_equal(ldr_entry_key(entry), key_of(k, buffer)));
    if (ldr_entry_negative(entry)) {
        require(k >= actor->world->owned && ldr_entry_value(entry).size == 0);
        ldr_entry_release(entry);
        return;
    }
    struct seal seal = check_value(actor->world, k, ldr_entry_value(entry), floor, before);
    require(ldr_entry_version(entry).clock == seal.serial);
    if (shape_below(&actor->random, 8) != 0) {
        ldr_entry_release(entry);
        return;
    }
    struct pin *pin = &actor->pins[shape_below(&actor->random, actor->world->pins)];
    unpin(pin);
    *pin = (struct pin){entry, k, seal};
}

static void act_get(struct actor *actor, unsigned k, bool peek)
{
    char buffer[KEY_SIZE];
    struct larder_slice key = key_of(k, buffer);
    uint64_t floor = floor_of(actor->world, k);
    struct moment when = moment(actor);
    struct ldr_entry *entry = peek ? ldr_store_peek(actor->world->store, key, when.told)
                                   : ldr_store_get(actor->world->store, key, when.told);
    take(actor, k, entry, floor, when.before);
}

static void check_copy(struct world *world, unsigned k, const struct ldr_copy *copy, uint64_t floor, uint64_t before)
{
    switch (copy->found) {
    case LDR_ABSENT: return;
    case LDR_FOUND_AGED: require(false); return; /* nothing is put with a window */
    case LDR_FOUND_NEGATIVE: require(k >= world->owned); return;
    case LDR_FOUND_LARGER: require(copy->size > copy->capacity); return;
    case LDR_FOUND:
        require(copy->size <= copy->capacity);
        (void)check_value(world, k, ldr_slice(copy->buffer, copy->size), floor, before);
        return;
    }
    require(false); /* there is no other way of being found */
}

/* A key may be asked for twice in one batch. */
static void act_copy(struct actor *actor, size_t count)
{
    struct world *world = actor->world;
    struct ldr_copy copies[BATCH];
    char keys[BATCH][KEY_SIZE];
    unsigned ks[BATCH];
    uint64_t floors[BATCH];
    for (size_t i = 0; i < count; i++) {
        ks[i] = shape_below(&actor->random, world->keys);
        floors[i] = floor_of(world, ks[i]);
        copies[i] = (struct ldr_copy){.key = key_of(ks[i], keys[i]),
                                      .buffer = actor->copies[i],
                                      .capacity = shape_below(&actor->random, 4) == 0 ? 100 : sizeof actor->copies[i]};
    }
    struct moment when = moment(actor);
    if (count > 1) {
        ldr_store_copy_many(world->store, copies, count, when.told);
    } else {
        enum ldr_found found = ldr_store_copy(world->store, &copies[0], when.told);
        require(found == copies[0].found);
    }
    for (size_t i = 0; i < count; i++)
        check_copy(world, ks[i], &copies[i], floors[i], when.before);
}

static void act_get_many(struct actor *actor)
{
    struct world *world = actor->world;
    struct larder_slice slices[BATCH];
    struct ldr_entry *entries[BATCH];
    char keys[BATCH][KEY_SIZE];
    unsigned ks[BATCH];
    uint64_t floors[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        ks[i] = shape_below(&actor->random, world->keys);
        floors[i] = floor_of(world, ks[i]);
        slices[i] = key_of(ks[i], keys[i]);
    }
    struct moment when = moment(actor);
    ldr_store_get_many(world->store, slices, BATCH, when.told, entries);
    for (size_t i = 0; i < BATCH; i++)
        take(actor, ks[i], entries[i], floors[i], when.before);
}

/* Others may hold entries all around the room that a large value wants, most of them for a moment: it is there later. */
static enum larder_status put_or_wait(struct actor *actor, const struct ldr_put *put, uint64_t now)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    enum larder_status status = ldr_store_put(actor->world->store, put, now, NULL);
    for (unsigned tries = 0; status == LARDER_NO_ROOM && tries < 500; tries++) {
        require(strstr(larder_last_error(), "no room beside what readers hold") != NULL);
        require(put->value.size > actor->world->budget / 8);
        atomic_fetch_add(&actor->world->refused, 1);
        for (size_t i = 0; i < PINS; i++)
            unpin(&actor->pins[i]);
        nanosleep(&pause, NULL);
        status = ldr_store_put(actor->world->store, put, now, NULL);
    }
    return status;
}

static void act_put(struct actor *actor, unsigned k)
{
    static const uint32_t flags[] = {0, 0, 0, 0, 0, LDR_PUT_IF_ABSENT, LDR_PUT_IF_PRESENT, LDR_PUT_NEWER};
    struct world *world = actor->world;
    char buffer[KEY_SIZE];
    uint64_t now = atomic_load(&world->now);
    bool own = k < world->owned && k % THREADS == actor->id, large = shape_below(&actor->random, 40) == 0;
    if (k < world->owned && !own)
        return;
    uint32_t most = large ? world->large : world->small;
    struct seal seal = {.key = k, .writer = actor->id, .serial = ++actor->serial};
    seal.size = sizeof seal + shape_below(&actor->random, most - (uint32_t)sizeof seal);
    seal.expires = shape_below(&actor->random, 3) == 0 ? LARDER_NEVER : now + 1 + shape_below(&actor->random, 30);
    seal_write(actor->value, seal);
    struct ldr_put put = {.key = key_of(k, buffer),
                          .value = ldr_slice(actor->value, seal.size),
                          .expires = seal.expires,
                          .version = {1, seal.serial},
                          .flags = flags[shape_below(&actor->random, sizeof flags / sizeof *flags)]};
    if (!own && shape_below(&actor->random, 10) == 0) {
        put.flags = LDR_PUT_NEGATIVE;
        put.value.size = 0;
    }
    if (own)
        atomic_store(&world->of[k].ceiling, seal.serial);
    enum larder_status status = put_or_wait(actor, &put, now);
    if (status != LARDER_OK && status != LARDER_PRECONDITION)
        fprintf(stderr, "a key of %zu and a value of %zu bytes: %s\n", put.key.size, put.value.size,
                larder_last_error());
    require(status == LARDER_OK || (status == LARDER_PRECONDITION && put.flags != 0 && put.flags != LDR_PUT_NEWER));
    if (own && status == LARDER_OK)
        atomic_store(&world->of[k].floor, seal.serial);
}

static void act_remove(struct actor *actor, unsigned k)
{
    struct world *world = actor->world;
    char buffer[KEY_SIZE];
    uint64_t now = atomic_load(&world->now);
    bool own = k < world->owned && k % THREADS == actor->id;
    enum larder_status status = ldr_store_remove(world->store, key_of(k, buffer), 0, (struct larder_version){0}, now);
    require(status == LARDER_OK || status == LARDER_NOT_FOUND);
    if (own)
        atomic_store(&world->of[k].floor, actor->serial + 1);
}

static void act_touch(struct actor *actor, unsigned k)
{
    struct world *world = actor->world;
    char buffer[KEY_SIZE];
    struct larder_version version = {0};
    uint64_t now = atomic_load(&world->now), floor = floor_of(world, k);
    if (!may_be_touched(world, k))
        return;
    enum larder_status status = ldr_store_touch(world->store, key_of(k, buffer),
                                                now + 1 + shape_below(&actor->random, 40), now, &version);
    require(status == LARDER_OK || status == LARDER_NOT_FOUND);
    if (status == LARDER_OK && k < world->owned)
        require(version.clock >= floor && version.clock <= atomic_load(&world->of[k].ceiling));
}

/* Others may be inside a put: each may hold an entry beside the budget, and a budget may be on its way down. */
static void act_look(struct actor *actor)
{
    struct world *world = actor->world;
    struct ldr_store_stats stats;
    ldr_store_stats(world->store, &stats);
    uint64_t limit = world->steady ? world->budget : world->budget * 2;
    uint64_t over = stats.bytes_used > limit ? stats.bytes_used - limit : 0, most = atomic_load(&world->over);
    while (over > most && !atomic_compare_exchange_weak(&world->over, &most, over))
        continue;
    require(over <= THREADS * (world->large + world->large / 4 + UINT64_C(4096)));
    require(stats.bytes_limit >= world->budget && stats.bytes_limit <= world->budget * 2);
    require(stats.policy_faults == 0);
}

static void act_rarely(struct actor *actor)
{
    struct world *world = actor->world;
    const struct larder_eviction *eviction = shape_policies[shape_below(&actor->random, SHAPE_POLICIES)];
    uint64_t budget = world->budget + shape_below(&actor->random, (uint32_t)world->budget);
    switch (world->steady ? 0 : shape_below(&actor->random, 4)) {
    case 0: ldr_store_clear(world->store); break;
    case 1: require(ldr_store_set_eviction(world->store, eviction, NULL) == LARDER_OK); break;
    case 2: require(ldr_store_set_max_bytes(world->store, budget) == LARDER_OK); break;
    default: require(ldr_store_set(world->store, eviction, NULL, budget, 0) == LARDER_OK);
    }
}

static void act_once(struct actor *actor)
{
    unsigned k = shape_below(&actor->random, actor->world->keys), action = shape_below(&actor->random, 1000);
    if (action < 330)
        act_get(actor, k, action < 30);
    else if (action < 480)
        act_copy(actor, 1);
    else if (action < 520)
        act_copy(actor, BATCH);
    else if (action < 560)
        act_get_many(actor);
    else if (action < 850)
        act_put(actor, k);
    else if (action < 900)
        act_remove(actor, k);
    else if (action < 950)
        act_touch(actor, k);
    else if (action < 980)
        act_look(actor);
    else if (action < 990)
        (void)ldr_store_expire(actor->world->store, atomic_load(&actor->world->now), action == 989 ? SIZE_MAX : 5);
    else if (action < 994)
        act_rarely(actor);
    else
        unpin(&actor->pins[action % PINS]);
}

static void *act(void *arg)
{
    struct world *world = arg;
    struct actor *actor = calloc(1, sizeof *actor);
    require(actor != NULL);
    actor->world = world;
    actor->id = atomic_fetch_add(&world->threads, 1);
    actor->random = 1000 + actor->id;
    for (unsigned i = 0; i < world->rounds; i++) {
        act_once(actor);
        if (actor->id == 0 && i % 50 == 0)
            atomic_fetch_add(&world->now, 1);
    }
    for (size_t i = 0; i < PINS; i++)
        unpin(&actor->pins[i]);
    free(actor);
    return NULL;
}

/* Once all threads are gone and every key is removed, a store holds about what it held at first. */
static void check_account(const struct world *world, const struct shape *shape)
{
    struct ldr_store *fresh = shape_open(shape);
    uint64_t empty = kit_stats(fresh).bytes_used;
    ldr_store_close(fresh);
    require(ldr_store_set(world->store, shape->eviction, NULL, shape->max_bytes, 0) == LARDER_OK);
    kit_check(world->store);
    char buffer[KEY_SIZE];
    for (unsigned k = 0; k < world->keys; k++) {
        (void)ldr_store_remove(world->store, key_of(k, buffer), 0, (struct larder_version){0}, 0);
        kit_check(world->store);
    }
    struct ldr_store_stats stats = kit_stats(world->store);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.value_bytes, 0);
    assert_in_range(stats.bytes_used, 1, empty + shape->max_bytes / 2);
}

static void run(const struct shape *of, const struct world *like)
{
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    memcpy(world, like, sizeof *world);
    struct shape shape = *of;
    shape.clock = clock_of_world;
    shape.clock_arg = world;
    shape_print(&shape);
    world->budget = shape.max_bytes;
    world->now = 1;
    world->store = shape_try(&shape);
    if (world->store == NULL) { /* so many shards need a larger budget */
        assert_true(larder_last_status() == LARDER_NO_ROOM && shape.shards > 1);
        free(world);
        return;
    }
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, act, world), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (world->over > 0)
        print_message("    at most %llu bytes over its budget\n", (unsigned long long)world->over);
    if (world->refused > 0)
        print_message("    %u puts refused\n", world->refused);
    assert_in_range(world->refused, 0, 100);
    check_account(world, &shape);
    ldr_store_close(world->store);
    free(world);
}

static void for_each_shape(const struct world *like, const uint64_t *budgets, size_t count)
{
    for (size_t policy = 0; policy < SHAPE_POLICIES; policy++)
        for (size_t budget = 0; budget < count; budget++)
            for (uint32_t shards = 1; shards <= 4; shards += 3) {
                struct shape shape = {
                    .eviction = shape_policies[policy], .max_bytes = budgets[budget], .shards = shards};
                run(&shape, like);
            }
    const struct shape exact = {.eviction = LRU, .max_bytes = budgets[0], .shards = 2, .exact_hits = true};
    run(&exact, like);
}

static void threads_find_whole_new_and_living_values_only(void **unused)
{
    (void)unused;
    static const uint64_t budgets[] = {32 << 10, 512 << 10};
    static const struct world like = {.keys = 400,
                                      .owned = 300,
                                      .rounds = SHAPE_SANITIZED ? 15000 : 150000,
                                      .pins = PINS,
                                      .small = 300,
                                      .large = 2000};
    for_each_shape(&like, budgets, 2);
}

/* Every put is a replacement, and of what others are just reading. */
static void threads_find_the_newest_of_a_hot_key(void **unused)
{
    (void)unused;
    static const uint64_t budgets[] = {256 << 10};
    static const struct world like = {.keys = 4,
                                      .owned = 3,
                                      .rounds = SHAPE_SANITIZED ? 15000 : 150000,
                                      .small = 64,
                                      .large = 4000,
                                      .pins = PINS,
                                      .steady = true};
    for_each_shape(&like, budgets, 1);
}

/*
 * Up to half of the budget, by several threads at a time. Of the smallest store few entries may be pinned: an entry keeps
 * the memory around it from being used for larger ones.
 */
static void values_of_half_the_budget_can_be_stored_by_all_threads_at_once(void **unused)
{
    (void)unused;
    static const uint64_t budgets[] = {16 << 10, 128 << 10};
    static const struct world small = {
        .keys = 64, .owned = 48, .pins = 1, .rounds = SHAPE_SANITIZED ? 3000 : 30000, .small = 200, .large = 8 << 10};
    static const struct world medium = {.keys = 256,
                                        .owned = 192,
                                        .pins = PINS,
                                        .rounds = SHAPE_SANITIZED ? 3000 : 30000,
                                        .small = 400,
                                        .large = 64 << 10};
    for_each_shape(&small, budgets, 1);
    for_each_shape(&medium, budgets + 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_find_whole_new_and_living_values_only),
        cmocka_unit_test(threads_find_the_newest_of_a_hot_key),
        cmocka_unit_test(values_of_half_the_budget_can_be_stored_by_all_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
