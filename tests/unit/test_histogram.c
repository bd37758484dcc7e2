/* Latency histograms: their resolution from 100 ns to 100 s, percentiles, and counting from many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/base/histogram.h"

/* The percentile of a single value is the upper bound of its bucket. */
static uint64_t bound_of(uint64_t ns)
{
    struct ldr_histogram histogram = {0};
    struct larder_latency latency;
    ldr_histogram_add(&histogram, ns);
    ldr_histogram_read(&histogram, &latency);
    assert_int_equal(latency.count, 1);
    assert_true(latency.sum_ns == ns);
    assert_true(latency.p50_ns == latency.p999_ns);
    assert_int_equal(ldr_histogram_below(&histogram, latency.p50_ns), 1);
    assert_int_equal(ldr_histogram_below(&histogram, latency.p50_ns - 1), 0);
    return latency.p50_ns;
}

static void fault_30_resolution_from_100_ns_to_100_s(void **state)
{
    (void)state;
    uint64_t previous = 0;
    for (uint64_t ns = 100; ns <= UINT64_C(100000000000); ns += 1 + ns / 50) {
        uint64_t bound = bound_of(ns);
        assert_true(bound >= ns);
        assert_true(bound - ns <= ns / 16);
        assert_true(bound >= previous);
        previous = bound;
    }
}

static void values_out_of_range_are_counted(void **state)
{
    (void)state;
    assert_true(bound_of(0) < 100);
    assert_true(bound_of(UINT64_MAX) > UINT64_C(100000000000));
}

static void percentiles_of_a_known_distribution(void **state)
{
    (void)state;
    struct ldr_histogram histogram = {0};
    struct larder_latency latency;
    ldr_histogram_read(&histogram, &latency);
    assert_int_equal(latency.count, 0);
    assert_int_equal(latency.p50_ns, 0);
    for (uint64_t us = 1; us <= 10000; us++)
        ldr_histogram_add(&histogram, us * 1000);
    ldr_histogram_read(&histogram, &latency);
    assert_int_equal(latency.count, 10000);
    assert_int_equal(latency.sum_ns, UINT64_C(50005000000));
    assert_in_range(latency.p50_ns, 5000000, 5000000 / 16 * 17);
    assert_in_range(latency.p95_ns, 9500000, 9500000 / 16 * 17);
    assert_in_range(latency.p99_ns, 9900000, 9900000 / 16 * 17);
    assert_in_range(latency.p999_ns, 9990000, 9990000 / 16 * 17);
}

static void below_is_cumulative(void **state)
{
    (void)state;
    struct ldr_histogram histogram = {0};
    for (int i = 0; i < 30; i++)
        ldr_histogram_add(&histogram, i < 10 ? 500 : i < 25 ? 2000000 : UINT64_C(3000000000));
    assert_int_equal(ldr_histogram_below(&histogram, 0), 0);
    assert_int_equal(ldr_histogram_below(&histogram, 1000), 10);
    assert_int_equal(ldr_histogram_below(&histogram, 100000000), 25);
    assert_int_equal(ldr_histogram_below(&histogram, UINT64_MAX), 30);
}

static void *count_many(void *arg)
{
    for (uint64_t i = 0; i < 50000; i++)
        ldr_histogram_add(arg, i);
    return NULL;
}

static void no_count_is_lost_between_threads(void **state)
{
    (void)state;
    struct ldr_histogram histogram = {0};
    struct larder_latency latency;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, &histogram), 0);
    ldr_histogram_read(&histogram, &latency);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ldr_histogram_read(&histogram, &latency);
    assert_int_equal(latency.count, 200000);
    assert_true(latency.sum_ns == UINT64_C(4) * 49999 * 25000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_30_resolution_from_100_ns_to_100_s), cmocka_unit_test(values_out_of_range_are_counted),
        cmocka_unit_test(percentiles_of_a_known_distribution),      cmocka_unit_test(below_is_cumulative),
        cmocka_unit_test(no_count_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
