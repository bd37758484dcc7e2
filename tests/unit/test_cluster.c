/* The member list, and what the cluster tells about itself and to its peers. */
#include "tests/unit/cluster_world.h"

static void be_b(struct ldr_cluster_options *options)
{
    options->self = "b";
}

/* Fault 8: before the first list this node neither answers for keys nor sends them anywhere. */
static void fault_8_not_ready_before_the_first_list(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    assert_false(ldr_cluster_ready(world.cluster));
    struct ldr_route route = route_of(&world, "k");
    assert_null(route.peer);
    assert_false(route.owner);
    assert_int_equal(ldr_cluster_ring(world.cluster).checksum, 0);
    assert_int_not_equal(ldr_cluster_ring(world.cluster).settings, 0);
    assert_int_equal(stats_of(&world).members, 0);
    join(&world, 1, abc, 3);
    assert_true(ldr_cluster_ready(world.cluster));
    assert_int_equal(ldr_cluster_ring(world.cluster).epoch, 1);
    assert_int_equal(stats_of(&world).members, 3);
    world_close(&world);
}

static void a_list_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 5, abc, 3);
    struct larder_ring_view before = ldr_cluster_ring(world.cluster);
    const struct larder_member doubled[] = {
        {.name = "a", .weight = 1}, {.name = "b", .weight = 1}, {.name = "a", .weight = 1}};
    const struct larder_member weightless[] = {{.name = "a", .weight = 0}};
    const struct larder_member heavy[] = {{.name = "a", .weight = 101}};
    const struct larder_member unnamed[] = {{.name = "", .weight = 1}};
    const struct larder_member odd[] = {{.name = "a b", .weight = 1}};
    const struct larder_member long_name[] = {
        {.name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .weight = 1}};
    const struct {
        const struct larder_member *members;
        size_t count;
        uint64_t epoch;
        const char *message;
    } lists[] = {
        {abc, 0, 6, "member list: it is empty, wanted at least one member"},
        {doubled, 3, 6, "member list: two members are named \"a\""},
        {weightless, 1, 6, "member list: member \"a\" has weight 0, wanted 1 to 100"},
        {heavy, 1, 6, "member list: member \"a\" has weight 101, wanted 1 to 100"},
        {unnamed, 1, 6, "member list: member name \"\", wanted 1 to 64 of A-Z a-z 0-9 . _ -"},
        {odd, 1, 6, "member list: member name \"a b\", wanted 1 to 64 of A-Z a-z 0-9 . _ -"},
        {long_name, 1, 6,
         "member list: member name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", wanted 1 to "
         "64 "
         "of A-Z a-z 0-9 . _ -"},
        {abc, 3, 4, "member list: epoch 4 is older than epoch 5, which is in use"},
        {abc, 2, 5, "member list: epoch 5 was already given with other members"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(ldr_cluster_set_members(world.cluster, lists[i].epoch, lists[i].members, lists[i].count),
                         LARDER_INVALID);
        assert_string_equal(larder_last_error(), lists[i].message);
        struct larder_ring_view now = ldr_cluster_ring(world.cluster);
        assert_memory_equal(&now, &before, sizeof now);
    }
    /* The same list again is no news and no fault. */
    assert_int_equal(ldr_cluster_set_members(world.cluster, 5, abc, 3), LARDER_OK);
    world_close(&world);
}

/* Fault 4: a member is its name. This node is registered under an address it was never told, and another member under
   the very text that this node listens on. */
static void fault_4_identity_is_the_name(void **state)
{
    (void)state;
    const struct larder_address other[] = {{"net", "10.0.0.7:8001"}, {"net", ":8001"}};
    const struct larder_member members[] = {{.name = "a", .weight = 1, .address_count = 1, .addresses = &other[0]},
                                            {.name = "b", .weight = 1, .address_count = 1, .addresses = &other[1]}};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, members, 2);
    char key[32];
    key_of(members, 2, "a", key);
    struct ldr_route route = route_of(&world, key);
    assert_null(route.peer);
    assert_true(route.owner);
    key_of(members, 2, "b", key);
    route = route_of(&world, key);
    assert_non_null(route.peer);
    struct outcome outcome = {.runtime = world.runtime};
    struct larder_request request = get_within(&world, 100);
    ldr_cluster_call(world.cluster, route.peer, &request, completed, &outcome);
    assert_true(outcome.done);
    run_ms(&world, 5000);
    assert_int_equal(net_node(&world.net, "10.0.0.7:8001")->pings, 0);
    assert_int_equal(net_node(&world.net, ":8001")->calls, 1);
    assert_string_equal(state_of(&world, "a"), "self");
    assert_string_equal(state_of(&world, "b"), "up");
    world_close(&world);
}

/* Fault 5: every node is in its own ring, and all see the same one, in whatever order their lists come. */
static void fault_5_nodes_agree_on_every_owner(void **state)
{
    (void)state;
    const struct larder_member reversed[] = {abc[2], abc[1], abc[0]};
    struct world a, b;
    world_open(&a, NULL);
    world_open(&b, be_b);
    join(&a, 1, abc, 3);
    join(&b, 1, reversed, 3);
    assert_int_equal(ldr_cluster_ring(a.cluster).checksum, ldr_cluster_ring(b.cluster).checksum);
    unsigned own_a = 0, own_b = 0;
    for (unsigned i = 0; i < 3000; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        struct ldr_route at_a = route_of(&a, key), at_b = route_of(&b, key);
        assert_true(at_a.owner && at_b.owner);
        assert_true(at_a.peer != NULL || at_b.peer != NULL); /* never both their own */
        own_a += at_a.peer == NULL;
        own_b += at_b.peer == NULL;
        ldr_peer_release(at_a.peer);
        ldr_peer_release(at_b.peer);
    }
    assert_in_range(own_a, 850, 1150);
    assert_in_range(own_b, 850, 1150);
    world_close(&a);
    world_close(&b);
}

static void peers_that_stay_keep_their_handle(void **state)
{
    (void)state;
    const struct larder_member moved[] = {
        abc[0], {.name = "b", .weight = 1, .address_count = 1, .addresses = &addresses[5]}, abc[2], abc[3]};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1"), *c = net_node(&world.net, "c:1");
    run_ms(&world, 3000);
    suspend_b(&world);
    join(&world, 2, abc, 4);
    assert_int_equal(b->handles_opened, 1);
    assert_int_equal(c->handles_opened, 1);
    assert_string_equal(state_of(&world, "b"), "suspended"); /* the breaker stays too */
    assert_string_equal(state_of(&world, "d"), "unknown");

    /* A call that is under way ends, although the peer moves meanwhile; then its old handle is closed. */
    b->mode = b->ping_mode = NET_ANSWER;
    run_ms(&world, 5000);
    b->delay_ms = 500;
    struct outcome outcome = {.runtime = world.runtime};
    struct larder_request request = get_within(&world, 0);
    ldr_cluster_call(world.cluster, peer_of(&world, "b"), &request, completed, &outcome);
    join(&world, 3, moved, 4);
    assert_string_equal(state_of(&world, "b"), "unknown");
    assert_string_equal(member(&world, "b").address, "b:9");
    run_ms(&world, 100);
    assert_false(outcome.done);
    assert_int_equal(b->handles_closed, 0);
    unsigned pings = b->pings;
    run_ms(&world, 5000);
    assert_true(outcome.done);
    assert_int_equal(outcome.status, LARDER_OK);
    assert_int_equal(b->handles_closed, 1);
    assert_int_equal(b->pings, pings); /* nobody asks there any more */
    assert_int_equal(net_node(&world.net, "b:9")->handles_opened, 1);
    assert_string_equal(state_of(&world, "b"), "up");
    assert_int_equal(c->handles_opened, 1);
    world_close(&world);
}

static void a_peer_without_a_usable_address_is_suspended(void **state)
{
    (void)state;
    const struct larder_member members[] = {abc[0],
                                            {.name = "b", .weight = 1, .address_count = 1, .addresses = &addresses[4]},
                                            {.name = "c", .weight = 1, .address_count = 1, .addresses = &addresses[6]}};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, members, 3);
    const char *text = logged(&world);
    assert_non_null(strstr(text, "peer b: it has no address for transport"));
    assert_non_null(strstr(text, "peer c: bad address: address"));
    run_ms(&world, 10000);
    assert_string_equal(state_of(&world, "b"), "suspended");
    assert_string_equal(member(&world, "b").reason, "it has no address for transport \"net\"");
    assert_string_equal(member(&world, "b").address, "");
    assert_string_equal(state_of(&world, "c"), "suspended");
    join(&world, 2, members, 3); /* the same peers */
    assert_string_equal(state_of(&world, "b"), "suspended");
    assert_string_equal(state_of(&world, "c"), "suspended");
    char key[32];
    key_of(members, 3, "b", key);
    assert_null(route_of(&world, key).peer);
    world_close(&world);
}

static void a_list_without_this_node_leaves_it_nothing(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc + 1, 2);
    assert_non_null(strstr(logged(&world), "has no member a: this node owns nothing"));
    for (unsigned i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        struct ldr_route route = route_of(&world, key);
        assert_non_null(route.peer);
        assert_true(route.owner);
        ldr_peer_release(route.peer);
    }
    world_close(&world);
}

static void requests_of_peers_are_looked_at(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    struct larder_request request = {.operation = LARDER_OP_PING,
                                     .flags = LARDER_REQUEST_PEER,
                                     .sender = ldr_slice_text("b"),
                                     .ring = {1, 5, ldr_cluster_ring(world.cluster).settings}};
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK); /* no list yet: no ring to compare */
    assert_int_equal(stats_of(&world).ring_mismatches, 0);
    join(&world, 1, abc, 3);
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK); /* served, but counted */
    assert_int_equal(stats_of(&world).ring_mismatches, 1);
    request.ring = ldr_cluster_ring(world.cluster);
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK);
    assert_int_equal(stats_of(&world).ring_mismatches, 1);
    request.ring.settings++;
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_REFUSED);
    assert_non_null(strstr(larder_last_error(), "ring settings differ: node a has hash=fnv seed=0 virtual_nodes=256"));
    assert_non_null(strstr(larder_last_error(), "of node b has digest"));
    request.flags = 0; /* from a client: nothing to compare */
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK);
    /* A suspended peer that asks is not re-admitted by that. */
    suspend_b(&world);
    request.flags = LARDER_REQUEST_PEER;
    request.ring = ldr_cluster_ring(world.cluster);
    assert_int_equal(ldr_cluster_accept(world.cluster, &request), LARDER_OK);
    assert_string_equal(state_of(&world, "b"), "suspended");
    world_close(&world);
}

static void members_are_described(void **state)
{
    (void)state;
    const struct larder_member members[] = {{.name = "a", .weight = 1, .address_count = 1, .addresses = &addresses[0]},
                                            {.name = "b", .weight = 3, .address_count = 1, .addresses = &addresses[1]}};
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, members, 2);
    assert_string_equal(state_of(&world, "b"), "unknown");
    run_ms(&world, 1000);
    struct seen a = member(&world, "a"), b = member(&world, "b");
    assert_true(a.info.self && !b.info.self);
    assert_string_equal(a.state, "self");
    assert_string_equal(a.address, "a:1");
    assert_string_equal(b.state, "up");
    assert_string_equal(b.reason, "");
    assert_int_equal(b.info.weight, 3);
    assert_true(b.info.share > 0.7 && b.info.share < 0.8);
    assert_true(a.info.share + b.info.share > 0.999 && a.info.share + b.info.share < 1.001);
    suspend_b(&world);
    b = member(&world, "b");
    assert_string_equal(b.reason, "connection reset");
    assert_int_equal(b.info.requests, 3);
    assert_int_equal(b.info.failures, 3);
    assert_string_equal(ldr_cluster_settings_text(world.cluster), "hash=fnv seed=0 virtual_nodes=256");
    world_close(&world);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct ldr_cluster_options options = {.self = "a", .transport_name = "net", .ring = {&fnv, 0, 0}};
    assert_null(ldr_cluster_open(&options));
    assert_string_equal(larder_last_error(), "cluster: virtual_nodes is 0, wanted 1 to 4096");
    options.ring.virtual_nodes = 256;
    assert_null(ldr_cluster_open(&options));
    assert_int_equal(larder_last_status(), LARDER_INVALID);
    ldr_cluster_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_8_not_ready_before_the_first_list),
        cmocka_unit_test(a_list_that_makes_no_sense_is_refused),
        cmocka_unit_test(fault_4_identity_is_the_name),
        cmocka_unit_test(fault_5_nodes_agree_on_every_owner),
        cmocka_unit_test(peers_that_stay_keep_their_handle),
        cmocka_unit_test(a_peer_without_a_usable_address_is_suspended),
        cmocka_unit_test(a_list_without_this_node_leaves_it_nothing),
        cmocka_unit_test(requests_of_peers_are_looked_at),
        cmocka_unit_test(members_are_described),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
