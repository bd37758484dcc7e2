/* An entry gives back what was put into it, in as few bytes as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/store/entry.h"

#define CLOCK_NOW (UINT64_C(1763650000000) << 16 | 7)

static struct ldr_put put_of(uint64_t expires, uint64_t epoch, uint64_t clock)
{
    return (struct ldr_put){.key = ldr_slice_text("key"),
                            .value = ldr_slice_text("the value"),
                            .expires = expires,
                            .version = {.epoch = epoch, .clock = clock}};
}

/* Writes an entry into just enough bytes, and checks that it is what was put. */
static struct ldr_entry *written(const struct ldr_put *put)
{
    size_t size = ldr_entry_bytes_of(put, ldr_entry_layout(put));
    struct ldr_entry *entry = malloc(size);
    assert_non_null(entry);
    memset(entry, 0xaa, size);
    ldr_entry_write(entry, put, ldr_entry_layout(put), 42);
    assert_int_equal(ldr_entry_size(entry), size);
    assert_true(ldr_slice_equal(ldr_entry_key(entry), put->key));
    assert_true(ldr_slice_equal(ldr_entry_value(entry), put->value));
    assert_int_equal(ldr_entry_version(entry).epoch, put->version.epoch);
    assert_int_equal(ldr_entry_version(entry).clock, put->version.clock);
    assert_int_equal(ldr_entry_expires(entry), put->expires);
    assert_int_equal(ldr_entry_negative(entry), (put->flags & LDR_PUT_NEGATIVE) != 0);
    assert_int_equal(atomic_load(&entry->slot), 42);
    assert_int_equal(atomic_exchange(&entry->pins, 0), LDR_ENTRY_NEW);
    return entry;
}

static void check(struct ldr_put put)
{
    free(written(&put));
}

static void every_version_comes_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t high = UINT64_C(1) << bit;
        check(put_of(LARDER_NEVER, high, 0));
        check(put_of(LARDER_NEVER, high - 1, CLOCK_NOW));
        check(put_of(LARDER_NEVER, high, CLOCK_NOW));
        check(put_of(bit, 0, high));
        check(put_of(bit, 5, high));
        check(put_of(bit, UINT64_MAX, high - 1));
        check(put_of(high, high, high));
    }
    check(put_of(LARDER_NEVER, UINT64_MAX, UINT64_MAX));
    check(put_of(0, 0, 0));
}

/* What is told back is at most what was put, and less by no more than one part in so many. */
#define PARTS 32768

static void assert_nearly(uint64_t told, uint64_t put)
{
    assert_in_range(told, put - put / PARTS, put);
}

static void numbers_of_aging_come_back_nearly(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 41; bit++) {
        uint64_t number = (UINT64_C(3) << bit) - 1;
        struct ldr_put put = put_of(7, 1000, CLOCK_NOW);
        put.aging = (struct ldr_aging){number, number / 2, number + 1};
        struct ldr_entry *entry = written(&put);
        struct ldr_aging aging = ldr_entry_aging(entry);
        assert_nearly(aging.revalidate_ms, number < LARDER_TTL_MAX ? number : LARDER_TTL_MAX);
        assert_nearly(aging.error_ms, number / 2);
        assert_nearly(aging.ahead_us, number + 1 < LARDER_TTL_MAX ? number + 1 : LARDER_TTL_MAX);
        free(entry);
    }
    struct ldr_put put = put_of(LARDER_NEVER, 1000, CLOCK_NOW);
    put.aging = (struct ldr_aging){1, 2, 3};
    struct ldr_entry *entry = written(&put);
    assert_int_equal(ldr_entry_aging(entry).error_ms, 0); /* of what never expires */
    assert_true(ldr_entry_end(entry) == LARDER_NEVER);
    free(entry);
}

static void assert_ages(struct ldr_entry *entry, uint64_t ripe, uint64_t stale, uint64_t past)
{
    assert_int_equal(ldr_entry_age(entry, 0), ripe == 0 ? LDR_RIPE : LDR_FRESH);
    assert_int_equal(ldr_entry_age(entry, ripe - (ripe != 0)), ripe == 0 ? LDR_RIPE : LDR_FRESH);
    assert_int_equal(ldr_entry_age(entry, stale - 1), ripe < stale ? LDR_RIPE : LDR_FRESH);
    assert_int_equal(ldr_entry_age(entry, stale), stale < past ? LDR_STALE : LDR_PAST);
    assert_int_equal(ldr_entry_age(entry, past - 1), stale < past ? LDR_STALE : ripe < stale ? LDR_RIPE : LDR_FRESH);
    assert_int_equal(ldr_entry_age(entry, past), LDR_PAST);
    assert_int_equal(ldr_entry_end(entry), past);
    free(entry);
}

static void an_entry_becomes_ripe_then_stale_then_past(void **state)
{
    (void)state;
    const uint64_t second = 1000 * LARDER_NS_PER_MS;
    struct ldr_put put = put_of(100 * second, 1, CLOCK_NOW);
    assert_ages(written(&put), 100 * second, 100 * second, 100 * second);
    put.aging = (struct ldr_aging){.revalidate_ms = 5000};
    assert_ages(written(&put), 100 * second, 100 * second, 105 * second);
    put.aging = (struct ldr_aging){.revalidate_ms = 5000, .error_ms = 7000};
    assert_ages(written(&put), 100 * second, 100 * second, 107 * second);
    put.aging = (struct ldr_aging){.revalidate_ms = 9000, .error_ms = 7000};
    assert_ages(written(&put), 100 * second, 100 * second, 109 * second);
    put.aging = (struct ldr_aging){.ahead_us = 1000000};
    assert_ages(written(&put), (100 - LDR_RIPE_TIMES) * second + 1, 100 * second, 100 * second);
    put.aging = (struct ldr_aging){.ahead_us = 100000000, .error_ms = 1000};
    assert_ages(written(&put), 0, 100 * second, 101 * second);
    put.expires = LARDER_NEVER - 5; /* beyond the clock */
    put.aging = (struct ldr_aging){.error_ms = LARDER_TTL_MAX};
    struct ldr_entry *entry = written(&put);
    assert_true(ldr_entry_end(entry) == LARDER_NEVER);
    free(entry);
}

static size_t cost(struct ldr_put put)
{
    return ldr_entry_bytes_of(&put, ldr_entry_layout(&put)) - put.key.size - put.value.size;
}

static void an_entry_costs_what_it_needs(void **state)
{
    (void)state;
    assert_int_equal(cost(put_of(LARDER_NEVER, 0, 0)), 16);
    assert_int_equal(cost(put_of(1, 0, 0)), 24);
    assert_int_equal(cost(put_of(LARDER_NEVER, 0, CLOCK_NOW)), 24);
    assert_int_equal(cost(put_of(LARDER_NEVER, 63, CLOCK_NOW)), 24);
    assert_int_equal(cost(put_of(LARDER_NEVER, 64, CLOCK_NOW)), 25);
    assert_int_equal(cost(put_of(LARDER_NEVER, 16383, CLOCK_NOW)), 25);
    assert_int_equal(cost(put_of(LARDER_NEVER, 16384, CLOCK_NOW)), 26);
    assert_int_equal(cost(put_of(1, UINT64_MAX, UINT64_MAX)), 40);
    struct ldr_put put = put_of(1, 63, CLOCK_NOW);
    put.aging.error_ms = 1;
    assert_int_equal(cost(put), 40);
    put.expires = LARDER_NEVER;
    assert_int_equal(cost(put), 24);
}

static void keys_and_values_are_any_bytes(void **state)
{
    (void)state;
    static unsigned char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    struct ldr_put put = put_of(7, 1000, CLOCK_NOW);
    put.key = ldr_slice(bytes, LARDER_KEY_MAX);
    put.value = ldr_slice(bytes + 1, sizeof bytes - 1);
    check(put);
    put.value = ldr_slice(NULL, 0);
    put.flags = LDR_PUT_NEGATIVE;
    check(put);
    put.key = ldr_slice("\0", 1);
    check(put);
}

static void only_a_time_that_has_a_word_changes(void **state)
{
    (void)state;
    struct ldr_put put = put_of(5, 100, CLOCK_NOW);
    struct ldr_entry *entry = written(&put);
    assert_true(ldr_entry_set_expires(entry, 6));
    assert_int_equal(ldr_entry_expires(entry), 6);
    assert_true(ldr_entry_set_expires(entry, LARDER_NEVER));
    assert_int_equal(ldr_entry_expires(entry), LARDER_NEVER);
    assert_int_equal(ldr_entry_version(entry).epoch, 100);
    free(entry);
    put = put_of(5, 100, CLOCK_NOW);
    put.aging.error_ms = 8;
    entry = written(&put);
    assert_true(ldr_entry_set_expires(entry, 6));
    assert_int_equal(ldr_entry_expires(entry), 6);
    assert_int_equal(ldr_entry_aging(entry).error_ms, 8); /* the window follows the time */
    assert_int_equal(ldr_entry_end(entry), 6 + 8 * LARDER_NS_PER_MS);
    free(entry);
    put = put_of(LARDER_NEVER, 100, CLOCK_NOW);
    entry = written(&put);
    assert_false(ldr_entry_set_expires(entry, 6));
    assert_true(ldr_entry_set_expires(entry, LARDER_NEVER));
    assert_int_equal(ldr_entry_expires(entry), LARDER_NEVER);
    free(entry);
}

static void a_copy_is_the_same_but_for_the_pins(void **state)
{
    (void)state;
    struct ldr_put put = put_of(5, 100, CLOCK_NOW);
    struct ldr_entry *entry = written(&put), *copy = malloc(ldr_entry_size(entry));
    assert_non_null(copy);
    ldr_entry_pin(entry);
    ldr_entry_set_expires(entry, 9);
    ldr_entry_copy(copy, entry);
    assert_int_equal(atomic_load(&copy->pins), 0);
    assert_int_equal(atomic_load(&copy->slot), 42);
    assert_int_equal(ldr_entry_expires(copy), 9);
    assert_int_equal(ldr_entry_version(copy).epoch, 100);
    assert_true(ldr_entry_is(copy, put.key));
    assert_true(ldr_slice_equal(ldr_entry_value(copy), put.value));
    ldr_entry_release(entry);
    ldr_entry_release(NULL);
    free(entry);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_comes_back),
        cmocka_unit_test(numbers_of_aging_come_back_nearly),
        cmocka_unit_test(an_entry_becomes_ripe_then_stale_then_past),
        cmocka_unit_test(an_entry_costs_what_it_needs),
        cmocka_unit_test(keys_and_values_are_any_bytes),
        cmocka_unit_test(only_a_time_that_has_a_word_changes),
        cmocka_unit_test(a_copy_is_the_same_but_for_the_pins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
