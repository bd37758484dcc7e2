/* A get with copies, best effort: which of the members that hold the key are asked, one after the other, and how often. */
#include "core/group/group.h"
#include "core/group/registry.h"
#include "node_ask.h"

static void pass(uint64_t ms)
{
    ldr_sim_run(runtime, larder_now(runtime) + ms * LARDER_NS_PER_MS);
}

/* So many requests to peers for one of a client are `retries` and one. */
static void start(const char *retries)
{
    memset(net_places, 0, sizeof net_places);
    runtime = ldr_sim_open(7);
    assert_non_null(runtime);
    for (size_t i = 0; i < NET_PLACES; i++) {
        struct larder_config *config = net_config(i);
        assert_int_equal(larder_config_set(config, "cluster.replicas=3"), LARDER_OK);
        assert_int_equal(larder_config_set(config, "cluster.suspend_after=3"), LARDER_OK);
        assert_int_equal(larder_config_set(config, "cluster.probe_interval=1s"), LARDER_OK);
        assert_int_equal(larder_config_set(config, retries), LARDER_OK);
        net_places[i].node = ldr_node_open_on(config, runtime);
        assert_non_null(net_places[i].node);
        larder_config_free(config);
    }
    pass(3000); /* copies are sent to those that have told their clock */
}

/* The members in the order in which they hold the key, which all have now. */
static void place_key(size_t order[NET_MEMBERS])
{
    struct ldr_placement placement;
    assert_int_equal(ask(NET_GATEWAY, LARDER_OP_SET, "key", "value").status, LARDER_OK);
    pass(100);
    ldr_cluster_place(net_places[NET_GATEWAY].node->context.cluster, ldr_slice_text("g"), ldr_slice_text("key"),
                      &placement);
    assert_int_equal(placement.count, NET_MEMBERS);
    for (size_t i = 0; i < NET_MEMBERS; i++)
        order[i] = net_place_of(ldr_peer_name(placement.peers[i]));
    ldr_placement_release(&placement);
}

/* As an eviction does it. */
static void lose(size_t place)
{
    const struct ldr_group *group = ldr_registry_find(net_places[place].node->registry, ldr_slice_text("g"));
    assert_non_null(group);
    ldr_store_clear(group->store);
}

static void those_behind_this_node_are_asked_too(void **unused)
{
    (void)unused;
    size_t order[NET_MEMBERS];
    start("cluster.retries=2");
    place_key(order);
    lose(order[1]);
    net_places[order[0]].failure = "cut off";
    const struct answer answer = ask(order[1], LARDER_OP_GET, "key", "");
    assert_int_equal(answer.status, LARDER_OK);
    assert_int_equal(answer.source, LARDER_SOURCE_REPLICA);
}

/* What it has itself it answers first. That is no hit: it was counted as a miss when the owner was asked. */
static void this_node_comes_before_those_behind_it(void **unused)
{
    (void)unused;
    size_t order[NET_MEMBERS];
    start("cluster.retries=2");
    place_key(order);
    lose(order[2]);
    net_places[order[0]].failure = "cut off";
    const struct answer answer = ask(order[1], LARDER_OP_GET, "key", "");
    assert_int_equal(answer.status, LARDER_OK);
    assert_int_equal(answer.source, LARDER_SOURCE_LOCAL);
    const struct larder_statistics stats = stats_of(order[1]);
    assert_int_equal(stats.gets, 1);
    assert_int_equal(stats.hits + stats.misses, 1);
}

/* The owner is suspended, so the second one is asked first: after it the third, and not the second once more. */
static void who_was_asked_first_is_not_asked_again(void **unused)
{
    (void)unused;
    size_t order[NET_MEMBERS];
    start("cluster.retries=1");
    place_key(order);
    net_places[order[0]].failure = "cut off";
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask(NET_GATEWAY, LARDER_OP_GET, "key", "").status, LARDER_OK);
    assert_int_equal(net_places[order[0]].failures, 3);
    net_places[order[1]].failure = "cut off, too";
    assert_int_equal(ask(NET_GATEWAY, LARDER_OP_GET, "key", "").status, LARDER_OK);
    assert_int_equal(net_places[order[0]].failures, 3);
    assert_int_equal(net_places[order[1]].failures, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(those_behind_this_node_are_asked_too, tear_down),
        cmocka_unit_test_teardown(this_node_comes_before_those_behind_it, tear_down),
        cmocka_unit_test_teardown(who_was_asked_first_is_not_asked_again, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
