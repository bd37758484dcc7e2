/* Counters in lanes: exact whatever threads come and go, and however many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>

#include "core/base/lanes.h"

enum { CROWD = 3 * LDR_EPOCH_LANES, ROUNDS = 2000 };

static struct ldr_lanes *lanes;

/* One thread of a crowd: all are there at the same time. */
struct member {
    pthread_t thread;
    pthread_barrier_t *together;
    uint32_t lane;
};

static void count(uint64_t times)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    for (uint64_t i = 0; i < times; i++) {
        ldr_lane_add(ldr_lanes_mine(lanes), 0, 1);
        ldr_lane_add(ldr_lanes_mine(lanes), LDR_LANE_COUNTERS - 1, 3);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

static void assert_sums(uint64_t times)
{
    assert_int_equal(ldr_lanes_sum(lanes, 0), times);
    assert_int_equal(ldr_lanes_sum(lanes, LDR_LANE_COUNTERS - 1), 3 * times);
    assert_int_equal(ldr_lanes_sum(lanes, 1), 0);
}

static void *count_in_a_crowd(void *arg)
{
    struct member *member = arg;
    count(1);
    pthread_barrier_wait(member->together);
    member->lane = ldr_epoch_lane();
    count(ROUNDS - 1);
    pthread_barrier_wait(member->together);
    return NULL;
}

static void more_threads_than_lanes_count_exactly(void **state)
{
    (void)state;
    static struct member members[CROWD];
    pthread_barrier_t together;
    bool taken[LDR_EPOCH_LANES] = {false};
    unsigned without = 0;
    lanes = ldr_lanes_open();
    assert_non_null(lanes);
    pthread_barrier_init(&together, NULL, CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        members[i].together = &together;
        assert_int_equal(pthread_create(&members[i].thread, NULL, count_in_a_crowd, &members[i]), 0);
    }
    for (size_t i = 0; i < CROWD; i++)
        pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&together);
    assert_sums(CROWD * ROUNDS);
    for (size_t i = 0; i < CROWD; i++) {
        uint32_t lane = members[i].lane;
        assert_in_range(lane, 0, LDR_EPOCH_LANES - 1);
        assert_false(lane != 0 && taken[lane]);
        taken[lane] = true;
        without += lane == 0;
    }
    /* This thread may have one. */
    assert_in_range(without, CROWD - LDR_EPOCH_LANES + 1, CROWD - LDR_EPOCH_LANES + 2);
    ldr_lanes_close(lanes);
}

static void *count_alone(void *arg)
{
    count(1);
    *(uint32_t *)arg = ldr_epoch_lane();
    return NULL;
}

static void threads_hand_their_lane_on(void **state)
{
    (void)state;
    lanes = ldr_lanes_open();
    assert_non_null(lanes);
    for (uint64_t i = 1; i <= 10 * LDR_EPOCH_LANES; i++) {
        pthread_t thread;
        uint32_t lane = 0;
        assert_int_equal(pthread_create(&thread, NULL, count_alone, &lane), 0);
        pthread_join(thread, NULL);
        assert_true(lane != 0);
        assert_sums(i);
    }
    ldr_lanes_close(lanes);
}

static void *count_outside(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++)
        ldr_lane_add(ldr_lanes_mine(lanes), 0, 1);
    return NULL;
}

static void threads_that_were_in_no_section_share_a_lane(void **state)
{
    (void)state;
    pthread_t threads[4];
    lanes = ldr_lanes_open();
    assert_non_null(lanes);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_outside, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ldr_lanes_sum(lanes, 0), 4 * ROUNDS);
    ldr_lanes_close(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_threads_than_lanes_count_exactly),
        cmocka_unit_test(threads_hand_their_lane_on),
        cmocka_unit_test(threads_that_were_in_no_section_share_a_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
