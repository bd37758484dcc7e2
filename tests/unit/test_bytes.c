/* Growing buffers, checked sizes and the keyed hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/bytes.h"

static void buffer_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct ldr_buffer buffer = {0};
    for (int i = 0; i < 1000; i++) {
        ldr_buffer_append(&buffer, "ab", 2);
        ldr_buffer_printf(&buffer, "%03d", i);
        assert_false(buffer.failed);
        assert_int_equal(buffer.size, (i + 1) * 5);
        assert_int_equal(strlen(buffer.data), buffer.size);
    }
    assert_memory_equal(buffer.data + 999 * 5, "ab999", 6);
    ldr_buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.size, 0);
}

static void buffer_takes_any_bytes(void **state)
{
    (void)state;
    struct ldr_buffer buffer = {0};
    ldr_buffer_append(&buffer, NULL, 0);
    assert_string_equal(buffer.data, "");
    ldr_buffer_append(&buffer, "a\0b", 3);
    assert_int_equal(buffer.size, 3);
    assert_memory_equal(buffer.data, "a\0b", 4);
    ldr_buffer_free(&buffer);
}

static void buffer_remembers_that_it_failed(void **state)
{
    (void)state;
    struct ldr_buffer buffer = {0};
    ldr_buffer_append(&buffer, "kept", 4);
    ldr_buffer_append(&buffer, "x", SIZE_MAX - 2);
    assert_true(buffer.failed);
    ldr_buffer_append(&buffer, "y", 1);
    ldr_buffer_printf(&buffer, "%d", 7);
    assert_true(buffer.failed);
    assert_string_equal(buffer.data, "kept");
    ldr_buffer_free(&buffer);
}

static void sizes_are_checked(void **state)
{
    (void)state;
    size_t result = 0;
    assert_true(ldr_add(SIZE_MAX - 1, 1, &result));
    assert_true(result == SIZE_MAX);
    assert_false(ldr_add(SIZE_MAX, 1, &result));
    assert_true(ldr_multiply(3, 5, &result));
    assert_int_equal(result, 15);
    assert_false(ldr_multiply(SIZE_MAX / 2, 3, &result));
}

static void slices_compare_by_bytes(void **state)
{
    (void)state;
    assert_true(ldr_slice_equal(ldr_slice(NULL, 0), ldr_slice_text("")));
    assert_true(ldr_slice_equal(ldr_slice("a\0b", 3), ldr_slice("a\0b", 3)));
    assert_false(ldr_slice_equal(ldr_slice("a\0b", 3), ldr_slice("a\0c", 3)));
    assert_false(ldr_slice_equal(ldr_slice_text("a"), ldr_slice_text("ab")));
}

static void hash_is_xxh3(void **state)
{
    (void)state;
    /* The published value of XXH3_64bits for no input and seed 0. */
    assert_true(ldr_hash(ldr_slice(NULL, 0), 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(ldr_hash(ldr_slice_text("tom"), 1) != ldr_hash(ldr_slice_text("tom"), 2));
    assert_true(ldr_hash(ldr_slice_text("tom"), 1) != ldr_hash(ldr_slice_text("tim"), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_grows_and_stays_terminated), cmocka_unit_test(buffer_takes_any_bytes),
        cmocka_unit_test(buffer_remembers_that_it_failed),   cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(slices_compare_by_bytes),           cmocka_unit_test(hash_is_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
