/* Peers that fail, refuse and come back: who stands in for them, and what pings decide. */
#include "core/cluster/wire.h"
#include "tests/unit/cluster_world.h"

static void be_gateway(struct ldr_cluster_options *options)
{
    options->self = "g";
    options->gateway = true;
}

static void ping_rarely(struct ldr_cluster_options *options)
{
    options->probe_ms = 3600 * 1000;
}

static void the_next_in_ring_order_stands_in(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    suspend_b(&world);
    const struct larder_member rest[] = {abc[0], abc[2]};
    const struct ldr_ring_settings settings = {&fnv, 0, 256};
    struct ldr_ring *whole = ldr_ring_build(&settings, abc, 3), *without = ldr_ring_build(&settings, rest, 2);
    unsigned from_a = 0, from_c = 0;
    for (unsigned i = 0; i < 300; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        uint64_t digest = ldr_ring_key(&settings, ldr_ring_group(&settings, ldr_slice_text("g")), ldr_slice_text(key));
        size_t owner, heir;
        bool is_owner;
        ldr_ring_walk(whole, digest, &owner, 1);
        ldr_ring_walk(without, digest, &heir, 1);
        assert_string_equal(name_of_route(&world, key, &is_owner), rest[heir].name);
        assert_int_equal(is_owner, owner != 1);
        from_a += owner == 1 && heir == 0;
        from_c += owner == 1 && heir == 1;
    }
    assert_true(from_a > 20 && from_c > 20);
    ldr_ring_free(whole);
    ldr_ring_free(without);
    world_close(&world);
}

static void with_all_suspended_a_member_answers_and_a_gateway_asks_the_owner(void **state)
{
    (void)state;
    for (int gateway = 0; gateway < 2; gateway++) {
        struct world world;
        world_open(&world, gateway ? be_gateway : NULL);
        join(&world, 1, abc, 3);
        for (size_t i = 0; i < 3; i++)
            net_node(&world.net, abc[i].addresses[0].address)->ping_mode = NET_FAIL;
        run_ms(&world, 20000);
        assert_int_equal(stats_of(&world).peer_suspended, gateway ? 3 : 2);
        char key[32];
        key_of(abc, 3, "b", key);
        struct ldr_route route = route_of(&world, key);
        assert_int_equal(route.owner, gateway);
        assert_int_equal(route.peer != NULL, gateway);
        if (gateway) {
            struct outcome outcome = {.runtime = world.runtime};
            struct larder_request request = get_within(&world, 100);
            net_node(&world.net, "b:1")->mode = NET_FAIL;
            ldr_cluster_call(world.cluster, route.peer, &request, completed, &outcome);
            assert_true(outcome.done); /* one attempt, without retries */
            assert_int_equal(net_node(&world.net, "b:1")->calls, 1);
        }
        world_close(&world);
    }
}

static void a_gateway_owns_nothing_even_by_name(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, be_gateway);
    const struct larder_member members[] = {{.name = "g", .weight = 1, .address_count = 1, .addresses = &addresses[1]}};
    join(&world, 1, members, 1);
    struct ldr_route route = route_of(&world, "k");
    assert_non_null(route.peer);
    ldr_peer_release(route.peer);
    assert_false(member(&world, "g").info.self);
    world_close(&world);
}

static void a_ping_readmits_before_the_time(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    suspend_b(&world);
    uint64_t begin = larder_now(world.runtime);
    net_node(&world.net, "b:1")->ping_mode = NET_ANSWER;
    while (strcmp(state_of(&world, "b"), "suspended") == 0)
        assert_true(ldr_sim_step(world.runtime));
    assert_true(larder_now(world.runtime) - begin <= 1250 * LARDER_NS_PER_MS);
    assert_string_equal(state_of(&world, "b"), "up");
    assert_non_null(strstr(logged(&world), "peer b answers again"));
    ldr_peer_release(peer_of(&world, "b"));
    world_close(&world);
}

/* What b is taken to have on its clock, after it has said so. */
static uint64_t told(struct world *world, struct ldr_peer *b, uint64_t boot, uint64_t clock)
{
    unsigned char bytes[LDR_HEADER_SIZE];
    ldr_header_encode(&(struct ldr_header){.boot = boot, .stamp = clock}, bytes);
    const struct larder_reply reply = {.cluster = {bytes, sizeof bytes}, .ring = world->net.ring};
    ldr_cluster_heard(world->cluster, b, &reply);
    uint64_t stamp, age;
    assert_true(ldr_cluster_stamp(world->cluster, b, &stamp, &age));
    return stamp + age;
}

static void what_was_long_on_its_way_does_not_set_a_clock_back(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, ping_rarely);
    join(&world, 1, abc, 3);
    struct ldr_peer *b = peer_of(&world, "b");
    const uint64_t ms = LARDER_NS_PER_MS, begin = 5000 * ms;
    assert_int_equal(told(&world, b, 1, begin), begin);
    run_ms(&world, 300);
    assert_int_equal(told(&world, b, 1, begin + 100 * ms), begin + 300 * ms); /* said 200 ms ago */
    run_ms(&world, 300);
    assert_int_equal(told(&world, b, 1, begin + 650 * ms), begin + 650 * ms); /* all before was on its way for longer */
    run_ms(&world, 1001);
    assert_int_equal(told(&world, b, 1, begin), begin); /* a clock that stood still */
    run_ms(&world, 10);
    assert_int_equal(told(&world, b, 2, 10 * ms), 10 * ms); /* another process, maybe on another machine */
    ldr_peer_release(b);
    world_close(&world);
}

/* A door that has no room says neither that the peer fails nor that it does well. */
static void a_door_without_room_says_nothing_of_the_peer(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = b->ping_mode = NET_TURN_AWAY;
    struct larder_request request = get_within(&world, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(call_b(&world, &request).status, LARDER_BUSY);
        run_ms(&world, 1000);
    }
    assert_int_equal(b->calls, 20); /* nobody tries again */
    assert_in_range(b->pings, 10, 30);
    assert_int_equal(stats_of(&world).peer_failures, 0);
    assert_int_equal(stats_of(&world).peer_suspended, 0);
    b->ping_mode = NET_ANSWER;
    run_ms(&world, 2000);
    suspend_b(&world);
    b->ping_mode = NET_TURN_AWAY;
    run_ms(&world, 30000);
    assert_string_equal(state_of(&world, "b"), "suspended");
    b->ping_mode = NET_ANSWER;
    run_ms(&world, 6000);
    assert_string_equal(state_of(&world, "b"), "up");
    world_close(&world);
}

static void at_the_end_of_a_suspension_one_ping_decides(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, ping_rarely);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->mode = b->ping_mode = NET_FAIL;
    run_ms(&world, 3600 * 1000); /* the first ping has failed */
    unsigned pings = b->pings;
    assert_true(pings >= 1);
    struct larder_request request = get_within(&world, 0);
    call_b(&world, &request);
    assert_string_equal(state_of(&world, "b"), "suspended");
    char key[32];
    key_of(abc, 3, "b", key);
    /* The ping that finds b suspended is an hour away; from then on each suspension ends with one. */
    while (b->pings < pings + 1)
        assert_true(ldr_sim_step(world.runtime));
    uint64_t begin = larder_now(world.runtime);
    for (unsigned i = 2; i < 6; i++) {
        while (b->pings < pings + i)
            assert_true(ldr_sim_step(world.runtime));
        assert_int_equal(larder_now(world.runtime) - begin, 5000 * LARDER_NS_PER_MS * (i - 1));
        struct ldr_route route = route_of(&world, key);
        assert_false(route.owner); /* no request tries it */
        ldr_peer_release(route.peer);
    }
    b->mode = b->ping_mode = NET_ANSWER;
    run_ms(&world, 5000);
    struct ldr_route route = route_of(&world, key);
    assert_true(route.owner);
    ldr_peer_release(route.peer);
    world_close(&world);
}

static void a_peer_that_refuses_is_told_once_and_tried_by_pings(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->status = b->ping_status = LARDER_REFUSED;
    b->message = "ring settings differ: node b has hash=crc32 seed=0 virtual_nodes=128";
    run_ms(&world, 20000);
    const char *text = logged(&world);
    assert_int_equal(occurrences(text, "level=error"), 1);
    assert_non_null(strstr(
        text,
        "peer b and this node refuse each other: ring settings differ: node b has hash=crc32 seed=0 virtual_nodes=128; "
        "this node has hash=fnv seed=0 virtual_nodes=256"));
    assert_string_equal(state_of(&world, "b"), "refused");
    assert_string_equal(member(&world, "b").reason, b->message);
    assert_int_equal(stats_of(&world).peer_suspended, 1);
    char key[32];
    key_of(abc, 3, "b", key);
    struct ldr_route route = route_of(&world, key);
    assert_false(route.owner);
    ldr_peer_release(route.peer);
    b->status = b->ping_status = LARDER_OK;
    run_ms(&world, 1300);
    assert_string_equal(state_of(&world, "b"), "up");
    world_close(&world);
}

static void an_answer_with_other_settings_is_a_refusal(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1");
    b->ring = (struct larder_ring_view){1, 2, 3};
    run_ms(&world, 2000);
    assert_string_equal(state_of(&world, "b"), "refused");
    assert_string_equal(member(&world, "b").reason, "ring settings differ");
    world_close(&world);
}

static void pings_compare_rings(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    struct net_node *b = net_node(&world.net, "b:1"), *c = net_node(&world.net, "c:1");
    struct larder_ring_view ring = ldr_cluster_ring(world.cluster);
    b->ring = (struct larder_ring_view){ring.epoch + 1, ring.checksum ^ 1, ring.settings};
    run_ms(&world, 10000);
    assert_false(member(&world, "b").info.agrees);
    assert_true(member(&world, "c").info.agrees);
    assert_string_equal(state_of(&world, "b"), "up");
    const char *text = logged(&world);
    assert_int_equal(occurrences(text, "peer b sees another ring: epoch 2"), 1);
    assert_int_equal(occurrences(text, "peer c sees"), 0);
    b->ring = ring;
    run_ms(&world, 2000);
    assert_true(member(&world, "b").info.agrees);
    assert_int_equal(occurrences(logged(&world), "peer b sees the same ring again"), 1);
    /* A difference that is gone with the next ping is what every change of the list looks like: not worth a line. */
    unsigned pings = b->pings;
    b->ring.checksum ^= 1;
    while (b->pings == pings)
        assert_true(ldr_sim_step(world.runtime));
    b->ring = ring;
    run_ms(&world, 3000);
    assert_int_equal(occurrences(logged(&world), "peer b sees"), 0);
    /* The pings say who asks, and go out about once a second, not in step. */
    assert_int_equal(c->last.operation, LARDER_OP_PING);
    assert_int_equal(c->last.flags, LARDER_REQUEST_PEER);
    assert_true(ldr_slice_equal(c->last.sender, ldr_slice_text("a")));
    assert_memory_equal(&c->last.ring, &ring, sizeof ring);
    assert_in_range(c->pings, 12, 22);
    assert_int_equal(stats_of(&world).peer_probes, b->pings + c->pings);
    assert_int_equal(stats_of(&world).peer_requests, 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_in_ring_order_stands_in),
        cmocka_unit_test(with_all_suspended_a_member_answers_and_a_gateway_asks_the_owner),
        cmocka_unit_test(a_gateway_owns_nothing_even_by_name),
        cmocka_unit_test(a_ping_readmits_before_the_time),
        cmocka_unit_test(what_was_long_on_its_way_does_not_set_a_clock_back),
        cmocka_unit_test(a_door_without_room_says_nothing_of_the_peer),
        cmocka_unit_test(at_the_end_of_a_suspension_one_ping_decides),
        cmocka_unit_test(a_peer_that_refuses_is_told_once_and_tried_by_pings),
        cmocka_unit_test(an_answer_with_other_settings_is_a_refusal),
        cmocka_unit_test(pings_compare_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
