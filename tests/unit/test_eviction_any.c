/* What holds for every policy: no slot is lost or invented, their order is carried over, and ghosts are bounded. */
#include "tests/unit/eviction_kit.h"

#include "tests/unit/eviction_walk.h"

/* Of each test in turn. */
static struct box box, other;

static void every_slot_comes_back_once(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < POLICIES; i++) {
        static const uint32_t slots[] = {1, 2, 3, 17, BOX_SLOTS};
        for (size_t j = 0; j < sizeof slots / sizeof *slots; j++) {
            box_open(&box, policies[i], slots[j], slots[j] * UINT64_C(20));
            box_walk(&box, 20000);
            box_drain(&box);
            box_walk(&box, 1000);
            box_close(&box);
        }
    }
}

/* A capacity far beyond what slots can use, and one that is used up by few. */
static void slots_or_the_capacity_may_run_out(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < POLICIES; i++) {
        box_open(&box, policies[i], 16, UINT64_MAX / 4);
        box_walk(&box, 5000);
        box_drain(&box);
        box_close(&box);
        box_open(&box, policies[i], BOX_SLOTS, WALK_CHARGE_MAX);
        box_walk(&box, 5000);
        box_drain(&box);
        box_close(&box);
    }
}

/* Whoever swaps policies evicts until nothing is left and inserts in that order. */
static void entries_move_in_their_order(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < POLICIES; i++) {
        for (size_t j = 0; j < POLICIES; j++) {
            uint32_t order[BOX_SLOTS], count = 0;
            box_open(&box, policies[i], 100, 100);
            box_open(&other, policies[j], 200, 200);
            for (uint32_t k = 0; k < 2000; k++)
                box_use(&box, k * k % 331, 1);
            while (box.count > 0) {
                order[count] = box_evict(&box);
                box_insert(&other, order[count++], 1);
            }
            assert_int_equal(count, 100);
            for (uint32_t k = 0; k < count; k++)
                assert_int_equal(box_evict(&other), order[k]);
            box_close(&box);
            box_close(&other);
        }
    }
}

/* Those that were used all the time, and a moment ago, go after those that were used once. */
static void the_coldest_move_first(void **unused)
{
    (void)unused;
    enum { HOT = 20 };
    for (size_t i = 0; i < POLICIES; i++) {
        if (policies[i]->hit_max == LARDER_HITS_NONE)
            continue;
        box_open(&box, policies[i], 100, 100);
        for (uint32_t round = 0; round < 200; round++) {
            for (uint32_t key = 0; key < HOT; key++)
                box_use(&box, key, 1);
            box_use(&box, HOT + 2 * round, 1);
            box_use(&box, HOT + 2 * round + 1, 1);
        }
        for (uint32_t key = 0; key < HOT; key++)
            box_use(&box, key, 1);
        uint32_t hot = 0;
        for (uint32_t left = 100; left > HOT; left--)
            hot += box_evict(&box) < HOT;
        assert_int_equal(hot, 0);
        box_close(&box);
    }
}

/* As many newcomers as it takes: what a policy keeps besides its slots levels off at a few bytes a slot. */
static void ghosts_are_bounded_by_slots(void **unused)
{
    (void)unused;
    enum { SLOTS = 100, A_SLOT = 80, BESIDES = 1024 };
    for (size_t i = 0; i < POLICIES; i++) {
        if (policies[i]->extra_bytes == NULL)
            continue;
        box_open(&box, policies[i], SLOTS, UINT64_C(1) << 40); /* so charges are no bound */
        for (uint32_t k = 0; k < 200000; k++)
            box_use(&box, (k * k + k / 7) % (BOX_KEYS - 1), 1);
        assert_in_range(policies[i]->extra_bytes(box.state), 1, SLOTS * A_SLOT + BESIDES);
        box_close(&box);
    }
}

/* Few large entries leave few ghosts, however many slots there are. */
static void ghosts_are_bounded_by_charge(void **unused)
{
    (void)unused;
    const struct larder_eviction *const remembering[] = {
        &larder_plugin_table__eviction_2q, &larder_plugin_table__eviction_s3fifo, &larder_plugin_table__eviction_arc};
    for (size_t i = 0; i < 3; i++) {
        box_open(&box, remembering[i], BOX_SLOTS, 1000);
        for (uint32_t k = 0; k < 20000; k++)
            box_use(&box, (k * k + k / 7) % (BOX_KEYS - 1), 100);
        assert_in_range(remembering[i]->extra_bytes(box.state), 1, 2048);
        box_close(&box);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_comes_back_once),  cmocka_unit_test(slots_or_the_capacity_may_run_out),
        cmocka_unit_test(entries_move_in_their_order), cmocka_unit_test(the_coldest_move_first),
        cmocka_unit_test(ghosts_are_bounded_by_slots), cmocka_unit_test(ghosts_are_bounded_by_charge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
