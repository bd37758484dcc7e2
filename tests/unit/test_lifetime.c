/* When entries expire: a client's ttl is kept to exactly, all other lifetimes are spread, and none is longer than it was to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/node/node.h"

#define SECOND (1000 * LARDER_NS_PER_MS)

enum { KEYS = 10000, TTL_MS = 60000, NEGATIVE_MS = 20000, STEPS = 100 };

/* A node alone on virtual time, where everything that is written is written at the same moment. */
static struct {
    const struct larder_runtime *runtime;
    struct larder_node *node;
    struct larder_group *handle;
    struct ldr_group *group;
    uint64_t loaded[KEYS]; /* when the origin answered for a key */
} world;

static struct larder_slice key_of(unsigned number, char key[16])
{
    return ldr_slice(key, (size_t)snprintf(key, 16, "%u", number));
}

/* Odd keys are unknown to the origin; it gives no ttl for keys that can be divided by 4, else half the group's. */
static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    unsigned number = 0;
    (void)arg;
    (void)timeout_ms;
    for (size_t i = 0; i < key_size; i++)
        number = number * 10 + (unsigned)(((const char *)key)[i] - '0');
    world.loaded[number] = larder_now(world.runtime);
    return number % 2 == 1 ? LARDER_NOT_FOUND : larder_loaded_set(loaded, "630", 3, number % 4 == 0 ? 0 : TTL_MS / 2);
}

static void open_world(uint64_t seed)
{
    world.runtime = ldr_sim_open(seed);
    world.node = ldr_node_open_on(NULL, world.runtime);
    assert_non_null(world.node);
    world.handle = larder_group_open(
        world.node, "g",
        &(struct larder_group_options){
            .ttl_ms = TTL_MS, .negative_ttl_ms = NEGATIVE_MS, .load = load, .max_loads = KEYS});
    assert_non_null(world.handle);
    world.group = ldr_node_find_group(world.node, ldr_slice_text("g"));
}

static void close_world(void)
{
    ldr_group_release(world.group);
    larder_group_close(world.handle);
    larder_node_close(world.node);
    ldr_sim_close(world.runtime);
}

static void set(unsigned number, int64_t ttl_ms)
{
    char key[16];
    struct larder_slice slice = key_of(number, key);
    assert_int_equal(larder_set(world.handle, slice.data, slice.size, "630", 3, ttl_ms, 0), LARDER_OK);
}

static void touch(unsigned number, int64_t ttl_ms)
{
    char key[16];
    struct larder_slice slice = key_of(number, key);
    assert_int_equal(larder_touch(world.handle, slice.data, slice.size, ttl_ms, 0), LARDER_OK);
}

static void ignore(void *arg, enum larder_status status, struct larder_value *value)
{
    (void)arg;
    (void)status;
    larder_value_release(value);
}

static void begin_get(unsigned number)
{
    char key[16];
    struct larder_slice slice = key_of(number, key);
    larder_get_async(world.handle, slice.data, slice.size, 0, ignore, NULL);
}

static uint64_t expires(unsigned number)
{
    char key[16];
    struct ldr_entry *entry = ldr_store_peek(world.group->store, key_of(number, key), larder_now(world.runtime));
    assert_non_null(entry);
    uint64_t at = ldr_entry_expires(entry);
    ldr_entry_release(entry);
    return at;
}

/* The last 5 % of a lifetime in 100 steps: in how many of them keys expire, and how many do in the fullest. */
struct spread {
    unsigned counts[STEPS], used, fullest;
};

static void add(struct spread *spread, uint64_t at, uint64_t written, uint64_t ttl_ms)
{
    uint64_t end = written + ttl_ms * LARDER_NS_PER_MS, most = ttl_ms * LARDER_NS_PER_MS / 20;
    assert_in_range(at, end - most, end);
    unsigned *count = &spread->counts[(end - at) * STEPS / (most + 1)];
    spread->used += *count == 0;
    if (++*count > spread->fullest)
        spread->fullest = *count;
}

static void keys_set_together_do_not_expire_together(void **state)
{
    (void)state;
    open_world(1);
    struct spread spread = {0};
    uint64_t written = larder_now(world.runtime), end = written + TTL_MS * LARDER_NS_PER_MS;
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 0);
    for (unsigned i = 0; i < KEYS; i++)
        add(&spread, expires(i), written, TTL_MS);
    assert_int_equal(spread.used, STEPS);
    assert_in_range(spread.fullest, 1, 2 * KEYS / STEPS);

    struct ldr_store_stats stats;
    ldr_sim_run(world.runtime, end - 3 * SECOND);
    ldr_store_stats(world.group->store, &stats);
    assert_int_equal(stats.entries, KEYS);
    ldr_sim_run(world.runtime, end - SECOND);
    ldr_store_stats(world.group->store, &stats);
    assert_in_range(stats.entries, KEYS / 4, KEYS / 2);
    ldr_sim_run(world.runtime, end + SECOND);
    ldr_store_stats(world.group->store, &stats);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.expirations, KEYS);
    close_world();
}

static void what_is_loaded_together_does_not_expire_together(void **state)
{
    (void)state;
    open_world(2);
    struct spread own = {0}, given = {0}, unknown = {0};
    for (unsigned i = 0; i < KEYS; i++)
        begin_get(i);
    ldr_sim_run(world.runtime, larder_now(world.runtime) + SECOND);
    for (unsigned i = 0; i < KEYS; i++) {
        if (i % 2 == 1)
            add(&unknown, expires(i), world.loaded[i], NEGATIVE_MS);
        else if (i % 4 == 0)
            add(&own, expires(i), world.loaded[i], TTL_MS);
        else
            add(&given, expires(i), world.loaded[i], TTL_MS / 2);
    }
    assert_int_equal(own.used, STEPS);
    assert_int_equal(given.used, STEPS);
    assert_int_equal(unknown.used, STEPS);
    close_world();
}

static void the_ttl_of_a_client_is_kept_to_exactly(void **state)
{
    (void)state;
    open_world(3);
    for (unsigned i = 0; i < 100; i++) {
        set(i, TTL_MS);
        touch(i, 1 + i);
        assert_int_equal(expires(i), larder_now(world.runtime) + (1 + i) * LARDER_NS_PER_MS);
        set(i, TTL_MS + i);
        assert_int_equal(expires(i), larder_now(world.runtime) + (TTL_MS + i) * LARDER_NS_PER_MS);
        set(i, LARDER_TTL_NONE);
        assert_int_equal(expires(i), LARDER_NEVER);
    }
    close_world();
}

static void a_key_has_its_own_part_whatever_wrote_it(void **state)
{
    (void)state;
    open_world(4);
    for (unsigned i = 0; i < 100; i++) {
        set(i, 0);
        uint64_t at = expires(i);
        touch(i, LARDER_TTL_NONE);
        touch(i, 0);
        assert_int_equal(expires(i), at);
    }
    close_world();
}

static void the_shortest_and_the_longest_lifetime_hold(void **state)
{
    (void)state;
    static const int64_t lifetimes[] = {1, LARDER_TTL_MAX};
    open_world(5);
    for (size_t i = 0; i < 2; i++) {
        world.group->ttl_ms = lifetimes[i];
        uint64_t end = larder_now(world.runtime) + (uint64_t)lifetimes[i] * LARDER_NS_PER_MS;
        for (unsigned key = 0; key < 1000; key++) {
            set(key, 0);
            assert_in_range(expires(key), end - (uint64_t)lifetimes[i] * LARDER_NS_PER_MS / 20, end);
        }
    }
    world.group->ttl_ms = LARDER_TTL_NONE;
    set(0, 0);
    assert_int_equal(expires(0), LARDER_NEVER);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_set_together_do_not_expire_together),
        cmocka_unit_test(what_is_loaded_together_does_not_expire_together),
        cmocka_unit_test(the_ttl_of_a_client_is_kept_to_exactly),
        cmocka_unit_test(a_key_has_its_own_part_whatever_wrote_it),
        cmocka_unit_test(the_shortest_and_the_longest_lifetime_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
