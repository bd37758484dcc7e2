/* What the benchmark's figures rest on: its keys, its streams, and its percentiles. */
#include "bench/latency.h"
#include "bench/workload.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 1000u

static int compare_keys(const void *left, const void *right)
{
    return memcmp(left, right, KEY_SIZE);
}

static void keys_are_printable_and_all_different(void **state)
{
    const size_t count = 100000;
    char(*keys)[KEY_SIZE] = malloc(count * sizeof *keys);
    (void)state;
    assert_non_null(keys);
    for (size_t i = 0; i < count; i++) {
        workload_key((uint32_t)i, keys[i]);
        for (unsigned c = 0; c < KEY_SIZE; c++)
            assert_in_range(keys[i][c], 'a', 'p');
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        assert_memory_not_equal(keys[i - 1], keys[i], KEY_SIZE);
    free(keys);
}

static void values_tell_whose_they_are(void **state)
{
    char value[16];
    (void)state;
    workload_stamp(7, value);
    assert_true(workload_stamped(7, value));
    assert_false(workload_stamped(8, value));
}

static int compare_counts(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a < b) - (a > b);
}

/* Ranks are known by their counts: six standard deviations hold for all that are looked at. */
static void streams_follow_the_law_of_zipf(void **state)
{
    struct workload workload;
    uint32_t counts[KEYS] = {0};
    double sum = 0;
    (void)state;
    assert_true(workload_open(&workload, KEYS));
    for (uint32_t i = 0; i < STREAM_LENGTH; i++) {
        uint32_t number = workload.streams[0][i] & REQUEST_NUMBER_MASK;
        assert_in_range(number, 0, KEYS - 1);
        counts[number]++;
    }
    qsort(counts, KEYS, sizeof counts[0], compare_counts);
    for (unsigned rank = 1; rank <= KEYS; rank++)
        sum += pow(rank, -0.99);
    for (unsigned rank = 1; rank <= KEYS; rank = rank * 3 / 2 + 1) {
        double expected = STREAM_LENGTH * pow(rank, -0.99) / sum;
        assert_true(fabs(counts[rank - 1] - expected) < 6 * sqrt(expected));
    }
    workload_close(&workload);
}

static void streams_differ_and_are_the_same_each_time(void **state)
{
    struct workload one, other;
    (void)state;
    assert_true(workload_open(&one, KEYS));
    assert_true(workload_open(&other, KEYS));
    for (unsigned t = 0; t < THREADS_MAX; t++)
        assert_memory_equal(one.streams[t], other.streams[t], STREAM_LENGTH * sizeof(uint32_t));
    assert_memory_not_equal(one.streams[0], one.streams[1], 1000 * sizeof(uint32_t));
    workload_close(&one);
    workload_close(&other);
}

static void dice_of_requests_are_even(void **state)
{
    struct workload workload;
    uint32_t counts[100] = {0};
    const double expected = STREAM_LENGTH / 100.0;
    (void)state;
    assert_true(workload_open(&workload, KEYS));
    for (uint32_t i = 0; i < STREAM_LENGTH; i++) {
        assert_in_range(workload.streams[1][i] >> REQUEST_NUMBER_BITS, 0, 99);
        counts[workload.streams[1][i] >> REQUEST_NUMBER_BITS]++;
    }
    for (unsigned die = 0; die < 100; die++)
        assert_true(fabs(counts[die] - expected) < 6 * sqrt(expected));
    workload_close(&workload);
}

static void percentiles_are_within_a_bucket(void **state)
{
    const struct latency_timer timer = {.tick_ns = 0.5, .overhead = 0};
    struct latency *latency = calloc(1, sizeof *latency);
    (void)state;
    assert_non_null(latency);
    for (uint64_t ticks = 1; ticks <= 100000; ticks++)
        latency_add(latency, ticks);
    struct percentiles ns = latency_read(latency, &timer);
    assert_true(ns.p50 >= 25000 && ns.p50 <= 25000 * 1.04);
    assert_true(ns.p99 >= 49500 && ns.p99 <= 50000);
    assert_true(ns.p9999 >= 49995 && ns.p9999 <= 50000);
    assert_true(ns.worst > 49999.9 && ns.worst < 50000.1);
    free(latency);
}

static void latencies_are_less_the_timers_overhead_and_add_up(void **state)
{
    const struct latency_timer timer = {.tick_ns = 1, .overhead = 20};
    struct latency *one = calloc(1, sizeof *one), *other = calloc(1, sizeof *other);
    (void)state;
    assert_non_null(one);
    assert_non_null(other);
    assert_true(latency_read(one, &timer).worst == 0);
    latency_add(one, 30);
    latency_add(other, UINT64_C(1) << 40);
    latency_add(other, 0);
    latency_merge(one, other);
    assert_int_equal(one->total, 3);
    struct percentiles ns = latency_read(one, &timer);
    assert_true(ns.p50 == 10);
    assert_true(ns.worst == 0x1p40 - 20);
    free(one);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_printable_and_all_different),
        cmocka_unit_test(values_tell_whose_they_are),
        cmocka_unit_test(streams_follow_the_law_of_zipf),
        cmocka_unit_test(streams_differ_and_are_the_same_each_time),
        cmocka_unit_test(dice_of_requests_are_even),
        cmocka_unit_test(percentiles_are_within_a_bucket),
        cmocka_unit_test(latencies_are_less_the_timers_overhead_and_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
