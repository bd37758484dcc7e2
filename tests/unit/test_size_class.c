/* Size classes and the map of runs: small things that everything stands on, tried against the obvious. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/run.h"
#include "core/store/size_class.h"

static void check_classes(const struct ldr_sizes *sizes, bool packed)
{
    size_t unit = (size_t)1 << sizes->unit_shift, before = 0;
    assert_true(sizes->classes <= LDR_CLASSES_MAX);
    for (uint32_t i = 0; i < sizes->classes; i++) {
        const struct ldr_size_class *class = &sizes->table[i];
        size_t cell = ldr_sizes_cell(sizes, i), span = (size_t) class->span_grains << sizes->grain_shift;
        assert_int_equal(cell % unit, 0);
        assert_int_equal(ldr_sizes_class(sizes, cell), i);
        assert_int_equal(ldr_sizes_class(sizes, before + 1), i);
        assert_true(cell - before <= unit || (cell - before) * 16 <= cell);
        assert_true(class->span_grains >= 1 && class->span_grains <= sizes->span_max);
        assert_int_equal(class->cells, span / cell);
        assert_true(class->cells >= 2);
        /* A third at most, with two cells of just over a third; hardly ever that, as there are spans of many lengths. */
        assert_true((packed ? 8 : 3) * (span - class->cells * cell) <= span);
        for (uint32_t other = i; other < sizes->classes; other++)
            assert_int_equal(other < class->borrow_end, 4 * ldr_sizes_cell(sizes, other) <= 5 * cell);
        before = cell;
    }
    assert_int_equal(ldr_sizes_class(sizes, before + 1), LDR_CLASS_LARGE);
    assert_int_equal(ldr_sizes_class(sizes, SIZE_MAX), LDR_CLASS_LARGE);
}

static void classes_hold_their_sizes_with_little_left_over(void **state)
{
    (void)state;
    struct ldr_size_class table[LDR_CLASSES_MAX];
    for (unsigned shift = 3; shift <= 10; shift++)
        for (uint64_t quota = 1; quota < UINT64_C(1) << 40; quota += 1 + quota / 3) {
            struct ldr_sizes sizes = ldr_sizes_for(quota, shift);
            assert_true(sizes.classes <= LDR_CLASSES_MAX);
            ldr_sizes_fill(&sizes, table);
            check_classes(&sizes, shift == 3 && quota >= 1024);
        }
}

static void spans_follow_the_quota(void **state)
{
    (void)state;
    for (uint64_t quota = 1024; quota < UINT64_C(1) << 40; quota *= 2) {
        struct ldr_sizes sizes = ldr_sizes_for(quota, 3);
        uint64_t grain = UINT64_C(1) << sizes.grain_shift;
        assert_true(grain >= 64 && grain <= 4096);
        assert_true(quota < 1 << 20 || grain == 4096);
        assert_true(sizes.span_max * grain <= quota / 4);
        assert_true(sizes.span_max * grain <= 64 << 10);
        assert_true(quota < 16 << 20 || sizes.span_target * grain == 64 << 10);
        assert_int_equal(ldr_sizes_grains(&sizes, grain), 1);
        assert_int_equal(ldr_sizes_grains(&sizes, grain + 1), 2);
    }
}

#define GRAINS 1000u

/* The same by looking at every grain. */
static uint32_t find_slowly(const bool *used, uint32_t from, uint32_t length)
{
    for (uint32_t first = from; first + length <= GRAINS; first++) {
        uint32_t i = 0;
        while (i < length && !used[first + i])
            i++;
        if (i == length)
            return first;
    }
    return 0;
}

static void runs_are_found_where_they_are(void **state)
{
    (void)state;
    uint64_t map[GRAINS / 64 + 1] = {1};
    bool used[GRAINS] = {true};
    uint32_t high = 1;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        uint32_t length = 1 + (uint32_t)rand() % (round % 10 == 0 ? 150 : 12), from = (uint32_t)rand() % 300;
        uint32_t first = ldr_run_find(map, from, high, GRAINS, length);
        assert_int_equal(first, find_slowly(used, from, length));
        if (first != 0 && rand() % 2 == 0) {
            ldr_run_mark(map, first, length, true);
            memset(used + first, true, length);
            high = first + length > high ? first + length : high;
        } else {
            first = 1 + (uint32_t)rand() % (GRAINS - length);
            bool free = true;
            for (uint32_t i = first; i < first + length; i++)
                free = free && !used[i];
            assert_int_equal(ldr_run_is_free(map, first, first + length), free);
            if (round % 3 == 0) {
                ldr_run_mark(map, first, length, false);
                memset(used + first, false, length);
            }
        }
    }
    assert_int_equal(ldr_run_find(map, 1, high, GRAINS, GRAINS), 0);
    assert_int_equal(ldr_run_find(map, GRAINS, high, GRAINS, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_hold_their_sizes_with_little_left_over),
        cmocka_unit_test(spans_follow_the_quota),
        cmocka_unit_test(runs_are_found_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
