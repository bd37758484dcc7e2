/* A hot key in a cluster of whole nodes: the load on its owner, what others answer, and for how long when nobody is told. */
#include "node_ask.h"

static int set_up(void **unused)
{
    (void)unused;
    memset(net_places, 0, sizeof net_places);
    runtime = ldr_sim_open(7);
    assert_non_null(runtime);
    for (size_t i = 0; i < NET_PLACES; i++) {
        struct larder_config *config = net_config(i);
        assert_int_equal(larder_config_set(config, "cluster.suspend_after=100"), LARDER_OK);
        net_places[i].node = ldr_node_open_on(config, runtime);
        assert_non_null(net_places[i].node);
        larder_config_free(config);
    }
    return 0;
}

static void pass(uint64_t us)
{
    ldr_sim_run(runtime, larder_now(runtime) + us * 1000);
}

static size_t owner_of(const char *key)
{
    char name[LARDER_MEMBER_NAME_MAX + 1];
    ldr_cluster_owner(net_places[0].node->context.cluster, ldr_slice_text("g"), ldr_slice_text(key), name);
    return net_place_of(name);
}

/* A population of clients that asks every member in turn: so many gets at each of them. */
static void ask_all(const char *key, unsigned gets, uint64_t us)
{
    for (unsigned i = 0; i < gets; i++)
        for (size_t place = 0; place < NET_MEMBERS; place++, pass(us / NET_MEMBERS))
            assert_int_equal(ask(place, LARDER_OP_GET, key, "").status, LARDER_OK);
}

static void the_owners_load_falls_to_its_share(void **unused)
{
    (void)unused;
    const size_t owner = owner_of("hot");
    ask(0, LARDER_OP_SET, "hot", "value");
    ask_all("hot", 100, 1000);
    uint64_t before = stats_of(owner).gets, near = 0;
    const unsigned gets = 5000; /* at each, in five seconds: ten times near_ttl */
    ask_all("hot", gets, 1000);
    uint64_t load = stats_of(owner).gets - before;
    assert_in_range(load, gets, gets + (NET_MEMBERS - 1) * 11);
    for (size_t place = 0; place < NET_MEMBERS; place++)
        near += stats_of(place).near_hits;
    assert_true(near >= (NET_MEMBERS - 1) * (gets - 11));
}

static void a_write_anywhere_is_seen_everywhere_at_once(void **unused)
{
    (void)unused;
    const size_t owner = owner_of("hot");
    ask(0, LARDER_OP_SET, "hot", "first");
    ask_all("hot", 100, 1000);
    for (size_t writer = 0; writer < NET_MEMBERS; writer++) {
        char value[8];
        snprintf(value, sizeof value, "by %zu", writer);
        for (size_t place = 0; place < NET_MEMBERS; place++)
            assert_int_equal(ask(place, LARDER_OP_GET, "hot", "").source,
                             place == owner ? LARDER_SOURCE_LOCAL : LARDER_SOURCE_NEAR);
        assert_int_equal(ask(writer, LARDER_OP_SET, "hot", value).status, LARDER_OK);
        for (size_t place = 0; place < NET_MEMBERS; place++)
            assert_string_equal(ask(place, LARDER_OP_GET, "hot", "").value, value);
        ask_all("hot", 10, 1000);
    }
    assert_int_equal(ask(NET_GATEWAY, LARDER_OP_DELETE, "hot", "").status, LARDER_OK);
    for (size_t place = 0; place < NET_MEMBERS; place++)
        assert_int_equal(ask(place, LARDER_OP_GET, "hot", "").status, LARDER_NOT_FOUND);
}

/* The network from the owner to the others is cut; the other way round all is well. */
static void who_cannot_be_told_answers_old_values_for_near_ttl_at_most(void **unused)
{
    (void)unused;
    const size_t owner = owner_of("hot");
    ask(0, LARDER_OP_SET, "hot", "old");
    ask_all("hot", 100, 1000);
    for (size_t place = 0; place < NET_MEMBERS; place++)
        if (place != owner)
            net_places[place].failure = "cut";
    assert_int_equal(ask(owner, LARDER_OP_SET, "hot", "new").status, LARDER_OK);
    uint64_t written = larder_now(runtime);
    unsigned old = 0;
    while (larder_now(runtime) < written + 1000 * LARDER_NS_PER_MS) {
        for (size_t place = 0; place < NET_MEMBERS; place++) {
            struct answer answer = ask(place, LARDER_OP_GET, "hot", "");
            if (strcmp(answer.value, "old") != 0) {
                assert_string_equal(answer.value, "new");
                continue;
            }
            old++;
            assert_int_not_equal(place, owner);
            assert_true(larder_now(runtime) < written + 500 * LARDER_NS_PER_MS);
        }
        pass(1000);
    }
    assert_true(old > 0); /* else nothing was tried */
}

int main(void)
{
#define NODES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        NODES_TEST(the_owners_load_falls_to_its_share),
        NODES_TEST(a_write_anywhere_is_seen_everywhere_at_once),
        NODES_TEST(who_cannot_be_told_answers_old_values_for_near_ttl_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
