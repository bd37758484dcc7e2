/* Whichever allocation fails, opening, a new list and a call say so, leak nothing, and the cluster goes on afterwards. */
#include "tests/unit/cluster_world.h"
#include "tests/unit/failing.h"

FAILING(void *, malloc, (size_t size), size)
FAILING(void *, calloc, (size_t count, size_t size), count, size)
FAILING(char *, strdup, (const char *text), text)

static void opening_fails_cleanly(void **state)
{
    (void)state;
    struct ldr_cluster_options options = {.self = "a",
                                          .ring = {&fnv, 0, 256},
                                          .transport_name = "net",
                                          .peer_timeout_ms = 1,
                                          .probe_ms = 1,
                                          .suspend_after = 1};
    bool met = true;
    for (size_t n = 0; met; n++) {
        fail_from(n, false);
        struct ldr_cluster *cluster = ldr_cluster_open(&options);
        met = stop_failing();
        assert_int_equal(cluster == NULL, met);
        if (met)
            assert_int_equal(larder_last_status(), LARDER_NO_MEMORY);
        else
            assert_int_equal(n, 3);
        ldr_cluster_close(cluster);
    }
}

static void a_list_that_does_not_fit_leaves_the_old_one(void **state)
{
    (void)state;
    const struct larder_member moved[] = {
        abc[0], {.name = "b", .weight = 2, .address_count = 1, .addresses = &addresses[5]}, abc[2], abc[3]};
    for (int round = 0; round < 2; round++) {
        struct world world;
        bool met = true;
        world_open(&world, NULL);
        join(&world, 1, abc, 3);
        struct larder_ring_view before = ldr_cluster_ring(world.cluster);
        for (size_t n = 0; met; n++) {
            fail_from(n, round == 1);
            enum larder_status status = ldr_cluster_set_members(world.cluster, 2, moved, 4);
            met = stop_failing();
            assert_int_equal(status, met ? LARDER_NO_MEMORY : LARDER_OK);
            struct larder_ring_view now = ldr_cluster_ring(world.cluster);
            assert_int_equal(now.epoch, met ? 1 : 2);
            if (met)
                assert_memory_equal(&now, &before, sizeof now);
            else
                assert_in_range(n, 10, 30);
            ldr_peer_release(peer_of(&world, "c"));
            run_ms(&world, 10);
        }
        assert_int_equal(net_node(&world.net, "b:9")->handles_opened - net_node(&world.net, "b:9")->handles_closed, 1);
        world_close(&world);
    }
}

static void a_call_without_memory_says_so(void **state)
{
    (void)state;
    struct world world;
    bool met = true;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    for (size_t n = 0; met; n++) {
        struct outcome outcome = {.runtime = world.runtime};
        struct larder_request request = get_within(&world, 100);
        struct ldr_peer *peer = peer_of(&world, "b");
        fail_from(n, false);
        ldr_cluster_call(world.cluster, peer, &request, completed, &outcome);
        met = stop_failing();
        assert_true(outcome.done);
        assert_int_equal(outcome.status, met ? LARDER_NO_MEMORY : LARDER_OK);
        assert_int_equal(n < 2, met); /* the call's own, and the transport's */
        if (met)
            assert_string_equal(state_of(&world, "b"), "unknown"); /* which is not the peer's doing, nor its answer */
    }
    assert_string_equal(state_of(&world, "b"), "up");
    world_close(&world);
}

struct round {
    struct ldr_fanout fanout;
    unsigned each, all, without_memory;
};

static void round_each(struct ldr_fanout *fanout, const char *name, struct larder_reply *reply)
{
    struct round *round = (struct round *)fanout;
    assert_true(name[0] == 'b' || name[0] == 'c');
    round->each++;
    round->without_memory += reply->status == LARDER_NO_MEMORY;
    larder_reply_release(reply);
}

static void round_all(struct ldr_fanout *fanout)
{
    ((struct round *)fanout)->all++;
}

static void everybody_is_told_of_without_memory(void **state)
{
    (void)state;
    struct world world;
    bool met = true;
    world_open(&world, NULL);
    join(&world, 1, abc, 3);
    for (size_t n = 0; met; n++) {
        struct round round = {.fanout = {round_each, round_all}};
        struct larder_request request = {.operation = LARDER_OP_GROUP_CLEAR, .deadline = LARDER_NEVER};
        fail_from(n, false);
        ldr_cluster_call_all(world.cluster, &request, &round.fanout);
        met = stop_failing();
        assert_int_equal(round.each, 2);
        assert_int_equal(round.all, 1);
        assert_int_equal(round.without_memory, n == 0 ? 2 : met);
        assert_int_equal(n < 5, met);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_fails_cleanly),
        cmocka_unit_test(a_list_that_does_not_fit_leaves_the_old_one),
        cmocka_unit_test(a_call_without_memory_says_so),
        cmocka_unit_test(everybody_is_told_of_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
