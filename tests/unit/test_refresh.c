/* Values that are asked for often are loaded anew before they expire, by chance, and once. */
#include "origin_kit.h"

#include <unistd.h>

enum { LOAD_MS = 100, TTL_MS = 10000 };

/* Lets 1 ms pass; what has been under way for LOAD_MS is answered. */
static uint64_t since;

static void pass(void)
{
    kit_run(1);
    if (origin.count == 0)
        since = larder_now(kit.runtime);
    else if (larder_now(kit.runtime) - since >= LOAD_MS * LARDER_NS_PER_MS)
        origin_answer("630");
}

struct waits {
    unsigned asked, waited;
};

/* Gets of one key, one every `every` ms for so long; each is answered before the next. */
static struct waits ask_for(const char *key, unsigned every, unsigned ms)
{
    struct waits waits = {0};
    struct larder_request request;
    struct kit_outcome outcome;
    since = larder_now(kit.runtime);
    for (unsigned i = 0; i < ms; i += every) {
        kit_ask(&request, LARDER_OP_GET, key, NULL, &outcome);
        waits.asked++;
        waits.waited += outcome.count == 0;
        for (unsigned j = 0; j < every || outcome.count == 0; j++)
            pass();
        assert_int_equal(outcome.status, LARDER_OK);
        assert_int_not_equal(outcome.ttl_ms, 0);
    }
    return waits;
}

/* A thousand gets a second over a hundred lifetimes. */
static void who_asks_for_a_popular_key_never_waits(void **state)
{
    (void)state;
    origin_kit_open("ttl: 10s");
    struct waits waits = ask_for("popular", 1, 100 * TTL_MS);
    assert_int_equal(waits.waited, 1);
    /* A lifetime is 95 to 100 % of the ttl; a load comes about ln(100) loads' times before its end, rarely 16. */
    assert_in_range(origin.begun, 100, 125);
    struct larder_statistics stats = origin_stats();
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.loads, origin.begun);
    assert_int_equal(stats.refreshes, origin.begun - 1);
    assert_int_equal(stats.expirations, 0);
    assert_int_equal(stats.stale_hits, 0);
    kit_end();
}

static void without_it_somebody_waits_each_time(void **state)
{
    (void)state;
    origin_kit_open("ttl: 10s, refresh_ahead: 0");
    struct waits waits = ask_for("popular", 10, 50 * TTL_MS);
    assert_in_range(waits.waited, 45, 55);
    assert_int_equal(origin_stats().refreshes, 0);
    kit_end();
}

/* Of 10 gets a second few are there in the time in which a load may be begun ahead: some of the loads are waited for. */
static void the_less_a_key_is_asked_for_the_later_it_is_loaded(void **state)
{
    (void)state;
    uint64_t refreshes[3];
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned every[] = {10, 100, 3000};
        origin_kit_open("ttl: 10s");
        ask_for("key", every[i], 100 * TTL_MS);
        refreshes[i] = origin_stats().refreshes;
        kit_end();
    }
    assert_in_range(refreshes[0], 95, 120);
    assert_in_range(refreshes[1], 30, 99);
    assert_in_range(refreshes[2], 0, 15);
}

static void the_factor_moves_the_loads_forward(void **state)
{
    (void)state;
    unsigned begun[2];
    for (unsigned i = 0; i < 2; i++) {
        origin_kit_open(i == 0 ? "ttl: 10s, refresh_ahead: 0.2" : "ttl: 10s, refresh_ahead: 5");
        ask_for("key", 1, 50 * TTL_MS);
        begun[i] = origin.begun;
        kit_end();
    }
    assert_in_range(begun[0], 50, 55);
    assert_in_range(begun[1], 62, 100); /* ln(500) times half a second, of ten */
}

static void a_group_is_told_while_it_runs(void **state)
{
    (void)state;
    bool created;
    origin_kit_open("ttl: 10s, refresh_ahead: 0");
    ask_for("key", 1, 2 * TTL_MS);
    assert_int_equal(origin_stats().refreshes, 0);
    assert_int_equal(ldr_node_put_group(kit.node, ldr_slice_text("g"), ldr_slice_text("{refresh_ahead: 1}"), &created),
                     LARDER_OK);
    ask_for("key", 1, 3 * TTL_MS);
    assert_in_range(origin_stats().refreshes, 1, 5);
    kit_end();
}

/* A load that failed while nobody waited is not tried again at once; what is there is answered up to its time. */
static void a_load_ahead_that_fails_is_tried_again_later(void **state)
{
    (void)state;
    struct larder_request request;
    struct kit_outcome outcome;
    origin_kit_open("ttl: 10s, refresh_ahead: 5");
    kit_ask(&request, LARDER_OP_GET, "key", NULL, &outcome);
    kit_run(LOAD_MS);
    origin_answer("630");
    unsigned waited = 0;
    for (unsigned i = 0; i < TTL_MS && waited == 0; i++) {
        kit_ask(&request, LARDER_OP_GET, "key", NULL, &outcome);
        waited += outcome.count == 0;
        while (origin.count > 0)
            origin_fail(LARDER_LOAD_FAILED);
        kit_run(1);
    }
    assert_int_equal(waited, 1); /* at the end of its time */
    assert_int_equal(outcome.status, LARDER_LOAD_FAILED);
    assert_in_range(origin.begun, 3, 10);
    kit_end();
}

/* A set while a load ahead is under way: what was set stays. */
static void a_write_overtakes_a_load_ahead(void **state)
{
    (void)state;
    struct larder_request request;
    struct kit_outcome outcome;
    origin_kit_open("ttl: 10s, refresh_ahead: 100");
    kit_ask(&request, LARDER_OP_GET, "key", NULL, &outcome);
    kit_run(LOAD_MS);
    origin_answer("one");
    while (origin.count == 0) {
        assert_get("key", "one", false);
        kit_run(1);
    }
    assert_int_equal(origin_do(LARDER_OP_SET, "key", "set"), LARDER_OK);
    origin_answer("two");
    assert_get("key", "set", false);
    kit_end();
}

/* Only the owner of a key loads it ahead: a member that is asked for another's key asks that. */
static void only_the_owner_loads_ahead(void **state)
{
    (void)state;
    static const char *const settings[] = {KIT_MEMBER,
                                           "groups=[{name: g, loader: origin, ttl: 10s, refresh_ahead: 100}]", NULL};
    struct larder_request request;
    struct kit_outcome outcome;
    char key[12];
    kit_open_with(&origin_loader.head, settings);
    kit_members(1, 2);
    kit_key(false, key);
    for (unsigned i = 0; i < 100; i++) {
        kit_ask(&request, LARDER_OP_GET, key, NULL, &outcome);
        assert_int_equal(kit.sent_count, 1);
        kit_answer(LARDER_OK, "630");
        kit_run(100);
    }
    assert_int_equal(origin.begun, 0);
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ the embedding API */

static enum larder_status load_slowly(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                                      struct larder_loaded *loaded)
{
    (void)arg;
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    usleep(20000);
    return larder_loaded_set(loaded, "630", 3, 0);
}

static void get(struct larder_group *group, unsigned way)
{
    struct larder_value *value;
    char buffer[8];
    size_t size;
    struct larder_item item = {.key = &way, .key_size = sizeof way};
    switch (way) {
    case 0: assert_int_equal(larder_get(group, &way, sizeof way, 60000, &value), LARDER_OK); break;
    case 1:
        assert_int_equal(larder_get_copy(group, &way, sizeof way, 60000, buffer, sizeof buffer, &size), LARDER_OK);
        return;
    default: assert_int_equal(larder_get_many(group, &item, 1, 60000), LARDER_OK); value = item.value;
    }
    larder_value_release(value);
}

/* A program's look into the store does not answer what may be due: with this factor all but at once. */
static void a_program_that_looks_has_values_loaded_ahead(void **state)
{
    (void)state;
    struct larder_node *node = larder_node_open(NULL);
    assert_non_null(node);
    struct larder_group *group = larder_group_open(
        node, "g", &(struct larder_group_options){.ttl_ms = 3600000, .refresh_ahead = 1000, .load = load_slowly});
    assert_null(group); /* a factor of 100 at most */
    assert_non_null(strstr(larder_last_error(), "refresh_ahead: got \"1000.000\", wanted 0 to 100"));
    group = larder_group_open(
        node, "g", &(struct larder_group_options){.ttl_ms = 10000, .refresh_ahead = 100, .load = load_slowly});
    assert_non_null(group);
    struct larder_statistics stats = {0};
    for (unsigned way = 0; way < 3; way++) {
        uint64_t before = stats.refreshes;
        for (unsigned i = 0; i < 10000 && stats.refreshes == before; i++) {
            get(group, way);
            usleep(1000);
            assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
        }
        assert_true(stats.refreshes > before);
    }
    larder_group_close(group);
    larder_node_close(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_for_a_popular_key_never_waits),
        cmocka_unit_test(without_it_somebody_waits_each_time),
        cmocka_unit_test(the_less_a_key_is_asked_for_the_later_it_is_loaded),
        cmocka_unit_test(the_factor_moves_the_loads_forward),
        cmocka_unit_test(a_group_is_told_while_it_runs),
        cmocka_unit_test(a_load_ahead_that_fails_is_tried_again_later),
        cmocka_unit_test(a_write_overtakes_a_load_ahead),
        cmocka_unit_test(only_the_owner_loads_ahead),
        cmocka_unit_test(a_program_that_looks_has_values_loaded_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
