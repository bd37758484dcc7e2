/* What the header gives to authors of policies: lists, ghosts and the sketch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "larder/plugin/eviction.h"

/* ---- lists */

static void a_touched_slot_is_the_newest(void **unused)
{
    (void)unused;
    struct larder_link links[4] = {{0}};
    struct larder_list list = {0};
    for (uint32_t slot = 0; slot < 4; slot++)
        larder_list_push(&list, links, slot);
    larder_list_touch(&list, links, 3); /* is it already */
    larder_list_touch(&list, links, 0); /* the oldest */
    larder_list_touch(&list, links, 2); /* one between */
    assert_int_equal(list.count, 4);
    static const uint32_t order[] = {1, 3, 0, 2};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(larder_list_pop(&list, links), order[i]);
    assert_int_equal(larder_list_pop(&list, links), LARDER_NO_SLOT);
    larder_list_push(&list, links, 1);
    larder_list_touch(&list, links, 1); /* alone */
    assert_int_equal(larder_list_pop(&list, links), 1);
}

/* ---- ghosts */

static void ghosts_go_first_in_first_out(void **unused)
{
    (void)unused;
    struct larder_ghosts ghosts;
    larder_ghosts_init(&ghosts, 3, 100);
    assert_int_equal(larder_ghosts_bytes(&ghosts), 0);
    assert_int_equal(larder_ghosts_remove(&ghosts, 1), 0);
    for (uint64_t digest = 1; digest <= 5; digest++)
        larder_ghosts_push(&ghosts, digest, 10);
    assert_int_equal(ghosts.count, 3);
    assert_int_equal(ghosts.charge, 30);
    assert_true(larder_ghosts_bytes(&ghosts) > 0);
    assert_int_equal(larder_ghosts_remove(&ghosts, 2), 0);
    assert_int_equal(larder_ghosts_remove(&ghosts, 4), 10);
    assert_int_equal(larder_ghosts_remove(&ghosts, 4), 0);
    larder_ghosts_push(&ghosts, 6, 80); /* 3 and 5 are 20 */
    assert_int_equal(ghosts.count, 3);
    assert_int_equal(ghosts.charge, 100);
    larder_ghosts_push(&ghosts, 7, 11); /* in the place of 3 and 5 */
    assert_int_equal(larder_ghosts_remove(&ghosts, 3), 0);
    assert_int_equal(larder_ghosts_remove(&ghosts, 5), 0);
    assert_int_equal(ghosts.charge, 91);
    larder_ghosts_push(&ghosts, 8, 101); /* never fits: changes nothing */
    assert_int_equal(ghosts.count, 2);
    larder_ghosts_forget(&ghosts);
    assert_int_equal(larder_ghosts_remove(&ghosts, 6), 0);
    assert_int_equal(larder_ghosts_remove(&ghosts, 7), 11);
    assert_int_equal(ghosts.count + ghosts.charge, 0);
    larder_ghosts_free(&ghosts);
}

static void no_ghosts_where_none_are_wanted(void **unused)
{
    (void)unused;
    struct larder_ghosts ghosts;
    larder_ghosts_init(&ghosts, 0, 100);
    larder_ghosts_push(&ghosts, 1, 1);
    assert_int_equal(ghosts.count, 0);
    larder_ghosts_init(&ghosts, 100, 0);
    larder_ghosts_push(&ghosts, 1, 1);
    assert_int_equal(ghosts.count, 0);
    assert_int_equal(larder_ghosts_bytes(&ghosts), 0);
    larder_ghosts_free(&ghosts);
}

/* Against an array in which nothing is clever; digests in a row, and a third is taken out of the middle. */
static void ghosts_are_those_of_a_plain_array(void **unused)
{
    (void)unused;
    enum { MOST = 500, DIGESTS = 2000, STEPS = 200000 };
    static uint64_t order[MOST];
    static bool in[DIGESTS];
    uint32_t count = 0;
    uint64_t random = 7, largest = 0;
    struct larder_ghosts ghosts;
    larder_ghosts_init(&ghosts, MOST, UINT64_MAX);
    for (uint32_t step = 0; step < STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t digest = (random >> 33) % DIGESTS;
        assert_int_equal(larder_ghosts_remove(&ghosts, digest), in[digest]);
        if (in[digest]) {
            uint32_t at = 0;
            while (order[at] != digest)
                at++;
            for (count--; at < count; at++)
                order[at] = order[at + 1];
            in[digest] = false;
            continue;
        }
        if (count == MOST) {
            in[order[0]] = false;
            for (uint32_t i = 1; i < MOST; i++)
                order[i - 1] = order[i];
            count--;
        }
        larder_ghosts_push(&ghosts, digest, 1);
        order[count++] = digest;
        in[digest] = true;
        assert_int_equal(ghosts.count, count);
        assert_int_equal(ghosts.charge, count);
        largest = largest > larder_ghosts_bytes(&ghosts) ? largest : larder_ghosts_bytes(&ghosts);
    }
    assert_in_range(largest, MOST * 16, MOST * 33);
    larder_ghosts_free(&ghosts);
}

static void a_claim_is_redeemed_or_put_back(void **unused)
{
    (void)unused;
    struct larder_ghosts ghosts;
    larder_ghosts_init(&ghosts, 10, 100);
    larder_ghosts_push(&ghosts, 1, 5);
    larder_ghosts_push(&ghosts, 2, 6);
    assert_true(larder_ghosts_claim(&ghosts, 1));
    assert_int_equal(ghosts.charge, 6); /* its room is for others */
    assert_false(larder_ghosts_claim(&ghosts, 3));
    assert_int_equal(ghosts.charge, 11); /* 1 has not come */
    assert_true(larder_ghosts_claim(&ghosts, 1));
    assert_true(larder_ghosts_claim(&ghosts, 1));
    assert_true(larder_ghosts_redeem(&ghosts, 2)); /* unannounced, in between */
    assert_true(larder_ghosts_redeem(&ghosts, 1));
    assert_false(larder_ghosts_redeem(&ghosts, 1));
    assert_false(larder_ghosts_claim(&ghosts, 4));
    assert_false(larder_ghosts_redeem(&ghosts, 4));
    assert_int_equal(ghosts.count, 0);
    larder_ghosts_free(&ghosts);
}

/* ---- the sketch */

static void a_sketch_counts_up_to_15(void **unused)
{
    (void)unused;
    struct larder_sketch sketch = {0};
    assert_int_equal(larder_sketch_bytes(&sketch), 0);
    assert_true(larder_sketch_reserve(&sketch, 1000));
    assert_in_range(larder_sketch_bytes(&sketch), 8000, 16000);
    for (uint32_t i = 1; i <= 20; i++) {
        larder_sketch_add(&sketch, 12345);
        assert_int_equal(larder_sketch_count(&sketch, 12345), i < LARDER_SKETCH_MAX ? i : LARDER_SKETCH_MAX);
    }
    assert_int_equal(larder_sketch_count(&sketch, 54321), 0);
    larder_sketch_free(&sketch);
}

/* Never too few; too many for a few only, though as many digests are counted as there is room for. */
static void a_sketch_errs_on_one_side_and_seldom(void **unused)
{
    (void)unused;
    enum { DIGESTS = 1024 };
    struct larder_sketch sketch = {0};
    assert_true(larder_sketch_reserve(&sketch, DIGESTS));
    for (uint64_t digest = 0; digest < DIGESTS; digest++)
        for (uint64_t i = 0; i < digest % 8; i++)
            larder_sketch_add(&sketch, digest);
    uint32_t wrong = 0;
    for (uint64_t digest = 0; digest < DIGESTS; digest++) {
        uint32_t count = larder_sketch_count(&sketch, digest);
        assert_true(count >= digest % 8);
        wrong += count != digest % 8;
    }
    assert_in_range(wrong, 0, DIGESTS / 50);
    larder_sketch_free(&sketch);
}

static void a_sketch_ages(void **unused)
{
    (void)unused;
    struct larder_sketch sketch = {0};
    assert_true(larder_sketch_reserve(&sketch, 64));
    for (uint32_t i = 0; i < 12; i++)
        larder_sketch_add(&sketch, 1);
    uint32_t additions = 12;
    for (; larder_sketch_count(&sketch, 1) >= 12; additions++)
        larder_sketch_add(&sketch, 1000 + additions);
    assert_int_equal(additions, 10 * 64);
    assert_in_range(larder_sketch_count(&sketch, 1), 6, 7);
    /* A heavy load keeps ageing it, and it neither overflows nor stands still. */
    for (uint32_t i = 0; i < 100000; i++)
        larder_sketch_add(&sketch, i);
    assert_in_range(larder_sketch_count(&sketch, 1), 0, 14);
    larder_sketch_free(&sketch);
}

static void a_sketch_grows_with_what_it_has_counted(void **unused)
{
    (void)unused;
    struct larder_sketch sketch = {0};
    assert_true(larder_sketch_reserve(&sketch, 0));
    for (uint64_t digest = 0; digest < 4; digest++)
        for (uint64_t i = 0; i < 2 * digest; i++)
            larder_sketch_add(&sketch, digest);
    assert_true(larder_sketch_reserve(&sketch, 5000));
    assert_true(larder_sketch_reserve(&sketch, 10));
    assert_in_range(larder_sketch_bytes(&sketch), 5000 * 8, 10000 * 8);
    for (uint64_t digest = 0; digest < 4; digest++)
        assert_int_equal(larder_sketch_count(&sketch, digest), 2 * digest);
    for (uint64_t i = 0; i < 200000; i++)
        larder_sketch_add(&sketch, i % 3000);
    assert_in_range(larder_sketch_count(&sketch, 1), 5, 15);
    larder_sketch_free(&sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_touched_slot_is_the_newest),
        cmocka_unit_test(ghosts_go_first_in_first_out),
        cmocka_unit_test(no_ghosts_where_none_are_wanted),
        cmocka_unit_test(ghosts_are_those_of_a_plain_array),
        cmocka_unit_test(a_claim_is_redeemed_or_put_back),
        cmocka_unit_test(a_sketch_counts_up_to_15),
        cmocka_unit_test(a_sketch_errs_on_one_side_and_seldom),
        cmocka_unit_test(a_sketch_ages),
        cmocka_unit_test(a_sketch_grows_with_what_it_has_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
