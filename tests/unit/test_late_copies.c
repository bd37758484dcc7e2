/* What keeps an older copy from coming, or from being sent, when a newer one is there no more, or was never stored. */
#include "core/cluster/wire.h"
#include "core/group/copies.h"
#include "core/group/registry.h"
#include "node_ask.h"
#include "origin_kit.h"

static const struct larder_slice group_name = {"g", 1};

/* ------------------------------------------------------------------------------------------------ what does not fit */

static bool take(struct ldr_group *group, const char *key, const char *value, uint64_t clock)
{
    bool news = false;
    const struct ldr_wire_copy copy = {
        .key = ldr_slice_text(key), .value = ldr_slice_text(value), .version = {1, clock}, .ttl_ms = LARDER_TTL_NONE};
    assert_int_equal(ldr_group_take_copy(group, group_name, &copy, 0, &news), LARDER_OK);
    return news;
}

static void of_what_does_not_fit_a_trace_keeps_older_copies_out(void **unused)
{
    (void)unused;
    origin_strict_open("node.log_level=error", "max_value: 8B");
    struct ldr_group *group = ldr_node_find_group(kit.node, group_name);
    assert_true(take(group, "k", "one", 1 << 8));
    assert_false(take(group, "k", "larger than 8 bytes", 3 << 8));
    assert_false(take(group, "k", "two", 2 << 8));
    assert_null(ldr_store_peek(group->store, ldr_slice_text("k"), larder_now(kit.runtime)));
    struct ldr_entry *trace = ldr_store_peek(group->store, ldr_slice_text("k"), 0);
    assert_true(ldr_entry_trace(trace) && ldr_entry_negative(trace) && !ldr_entry_tombstone(trace));
    ldr_entry_release(trace);
    assert_true(take(group, "k", "three", 3 << 8)); /* the same again, when it fits */
    kit_run(LDR_KEPT_TIMEOUTS * 1000 + LDR_KEPT_MORE_MS + 500);
    assert_false(take(group, "l", "larger than 8 bytes", 3 << 8));
    kit_run(LDR_KEPT_TIMEOUTS * 1000 + LDR_KEPT_MORE_MS + 500);
    assert_true(take(group, "l", "two", 2 << 8)); /* nobody sends it any more */
    ldr_group_release(group);
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ what is pushed */

static unsigned pushes;

/* In the middle of a hand-off all is gone that was offered. */
static void count_push(const struct larder_request *request)
{
    struct ldr_header header;
    if (request->operation != LARDER_OP_EXCHANGE || !ldr_header_decode(request->cluster, &header) ||
        header.kind != LDR_EXCHANGE_PUSH || !ldr_slice_equal(request->sender, ldr_slice_text("a")))
        return;
    const struct ldr_group *group = ldr_registry_find(net_places[NET_A].node->registry, group_name);
    ldr_store_clear(group->store);
    pushes++;
}

static void what_is_stored_no_more_is_not_pushed(void **unused)
{
    (void)unused;
    enum { LARGE = 200 << 10 }; /* two do not go in one message */
    static char value[LARGE + 1];
    static const char *const keys[] = {"one", "two", "three"};
    memset(value, 'x', LARGE);
    memset(net_places, 0, sizeof net_places);
    runtime = ldr_sim_open(7);
    for (size_t i = 0; i < NET_PLACES; i++) {
        struct larder_config *config = net_config(i);
        assert_int_equal(larder_config_set(config, "cluster.replicas=3"), LARDER_OK);
        assert_int_equal(larder_config_set(config, "cluster.probe_interval=1s"), LARDER_OK);
        assert_int_equal(larder_config_set(config, "cluster.suspend=1s"), LARDER_OK);
        net_places[i].node = ldr_node_open_on(config, runtime);
        larder_config_free(config);
    }
    ldr_sim_run(runtime, larder_deadline_in(runtime, 3000));
    net_places[NET_B].failure = "cut off";
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_int_equal(ask(NET_A, LARDER_OP_SET, keys[i], value).status, LARDER_OK);
    net_places[NET_B].failure = NULL;
    net_places[NET_B].before = count_push;
    pushes = 0;
    ldr_sim_run(runtime, larder_deadline_in(runtime, 30000));
    assert_int_equal(pushes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_what_does_not_fit_a_trace_keeps_older_copies_out),
        cmocka_unit_test_teardown(what_is_stored_no_more_is_not_pushed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
