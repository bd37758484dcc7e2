/* The ring of hits, its marks, and what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/store/hits.h"

enum { SLOTS = 2048 + 70, UNMARKED = 2047, RING = LDR_HITS_RING, MANY = 1000000 };

static struct ldr_hits *opened(uint32_t hit_max, uint32_t slots)
{
    struct ldr_hits *hits = ldr_hits_open(hit_max, slots);
    assert_non_null(hits);
    return hits;
}

/* Takes all, in an order that is checked. `entries` says when a generation is over. */
static void take(struct ldr_hits *hits, uint32_t entries, uint32_t count, const uint32_t *wanted)
{
    uint32_t taken[LDR_HITS_RING];
    assert_int_equal(ldr_hits_take(hits, entries, hits->slots, taken), count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(taken[i], wanted[i]);
}

static void a_slot_is_told_of_once_in_a_generation(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, SLOTS);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ldr_hits_add(hits, 5));
        assert_true(ldr_hits_add(hits, 64 + 5));
        assert_true(ldr_hits_add(hits, SLOTS - 1));
    }
    take(hits, MANY, 3, (uint32_t[]){5, 64 + 5, SLOTS - 1});
    assert_true(ldr_hits_add(hits, 5));
    take(hits, MANY, 0, NULL);
    take(hits, 1, 0, NULL); /* three are more than half of one entry: the generation is over */
    assert_true(ldr_hits_add(hits, SLOTS - 1));
    assert_true(ldr_hits_add(hits, 5));
    take(hits, MANY, 2, (uint32_t[]){SLOTS - 1, 5});
    ldr_hits_close(hits);
}

static void a_new_entry_is_not_marked_and_its_neighbours_are(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, SLOTS);
    for (uint32_t slot = 63; slot < 66; slot++)
        assert_true(ldr_hits_add(hits, slot));
    ldr_hits_reset(hits, 64);
    for (uint32_t slot = 63; slot < 66; slot++)
        assert_true(ldr_hits_add(hits, slot));
    take(hits, MANY, 4, (uint32_t[]){63, 64, 65, 64});
    ldr_hits_close(hits);
}

static void new_entries_end_a_generation(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, SLOTS);
    assert_true(ldr_hits_add(hits, 0));
    for (uint32_t i = 0; i < 100; i++)
        ldr_hits_reset(hits, 100 + i);
    take(hits, 800, 1, (uint32_t[]){0}); /* an eighth, and no more */
    assert_false(ldr_hits_due(hits, 800));
    ldr_hits_reset(hits, 300);
    assert_true(ldr_hits_due(hits, 800));
    take(hits, 800, 0, NULL);
    assert_true(ldr_hits_add(hits, 0));
    take(hits, MANY, 1, (uint32_t[]){0});
    ldr_hits_close(hits);
}

/* Slots that were never in use are not wiped: what a late reader left there goes when an entry comes. */
static void only_slots_that_were_in_use_are_wiped(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, SLOTS);
    uint32_t taken[LDR_HITS_RING];
    for (uint32_t slot = 64; slot <= 128; slot += 64)
        assert_true(ldr_hits_add(hits, slot));
    assert_int_equal(ldr_hits_take(hits, 1, 65, taken), 2); /* of which one lies in the last word that was in use */
    assert_true(ldr_hits_add(hits, 64));
    assert_true(ldr_hits_add(hits, 128));
    take(hits, MANY, 1, (uint32_t[]){64});
    ldr_hits_reset(hits, 128);
    assert_true(ldr_hits_add(hits, 128));
    take(hits, MANY, 1, (uint32_t[]){128});
    ldr_hits_close(hits);
}

/* By a reader that was held up between its load and its store. */
static void marks_that_were_set_back_last_for_a_generation(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, SLOTS);
    atomic_store(&hits->marks[0], UINT64_MAX);
    assert_true(ldr_hits_add(hits, 3));
    take(hits, MANY, 0, NULL);
    ldr_hits_reset(hits, 100);
    take(hits, 1, 0, NULL); /* one newcomer is more than an eighth of one entry */
    assert_true(ldr_hits_add(hits, 3));
    take(hits, MANY, 1, (uint32_t[]){3});
    ldr_hits_close(hits);
}

static void small_shards_tell_of_every_hit(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, UNMARKED);
    for (unsigned i = 0; i < 3; i++)
        assert_true(ldr_hits_add(hits, 7));
    take(hits, MANY, 3, (uint32_t[]){7, 7, 7});
    ldr_hits_close(hits);
}

static void what_was_dropped_is_not_marked(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(0, SLOTS);
    uint32_t all[RING];
    for (uint32_t i = 0; i < RING; i++) {
        all[i] = i;
        assert_int_equal(ldr_hits_add(hits, i), i + 1 < RING); /* who fills it is told so */
    }
    assert_false(ldr_hits_add(hits, 500));
    assert_true(ldr_hits_add(hits, 3)); /* it waits */
    assert_int_equal(atomic_load(&hits->dropped), 1);
    take(hits, MANY, RING, all);
    assert_true(ldr_hits_add(hits, 500));
    take(hits, MANY, 1, (uint32_t[]){500});
    ldr_hits_close(hits);
}

/* By a reader that was held up while others went on and the ring was emptied. */
static void a_ring_whose_end_was_set_back_is_emptied(void **state)
{
    (void)state;
    for (uint32_t back = 1; back <= 2; back++) {
        struct ldr_hits *hits = opened(0, SLOTS);
        atomic_store(&hits->end, atomic_load(&hits->first) - back);
        assert_false(ldr_hits_add(hits, 9));
        assert_true(ldr_hits_due(hits, MANY));
        take(hits, MANY, 0, NULL);
        assert_true(ldr_hits_add(hits, 9));
        take(hits, MANY, 1, (uint32_t[]){9});
        ldr_hits_close(hits);
    }
}

static void slots_that_do_not_exist_are_ignored(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {0, 1, 15};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct ldr_hits *hits = opened(kinds[i], SLOTS);
        assert_true(ldr_hits_add(hits, SLOTS));
        assert_true(ldr_hits_add(hits, UINT32_MAX));
        take(hits, MANY, 0, NULL);
        for (uint32_t slot = 0; kinds[i] != 0 && slot < SLOTS; slot++)
            assert_int_equal(hits->bytes[slot], 0);
        ldr_hits_close(hits);
    }
}

static void counted_hits_stop_at_the_most(void **state)
{
    (void)state;
    struct ldr_hits *hits = opened(3, SLOTS);
    for (unsigned i = 1; i <= 5; i++) {
        assert_true(ldr_hits_add(hits, 8));
        assert_int_equal(hits->bytes[8], i < 3 ? i : 3);
    }
    assert_int_equal(hits->bytes[7] | hits->bytes[9], 0);
    ldr_hits_reset(hits, 8);
    assert_int_equal(hits->bytes[8], 0);
    ldr_hits_close(hits);
}

static void costs(void **state)
{
    (void)state;
    assert_int_equal(ldr_hits_bytes(0, UNMARKED), 0);
    assert_int_equal(ldr_hits_bytes(0, UNMARKED + 1), 2048 / 8);
    assert_int_equal(ldr_hits_bytes(0, SLOTS), 34 * 8); /* in words of 64 slots */
    assert_int_equal(ldr_hits_bytes(1, SLOTS), SLOTS);
    assert_int_equal(ldr_hits_bytes(15, 10), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_told_of_once_in_a_generation),
        cmocka_unit_test(a_new_entry_is_not_marked_and_its_neighbours_are),
        cmocka_unit_test(new_entries_end_a_generation),
        cmocka_unit_test(only_slots_that_were_in_use_are_wiped),
        cmocka_unit_test(marks_that_were_set_back_last_for_a_generation),
        cmocka_unit_test(small_shards_tell_of_every_hit),
        cmocka_unit_test(what_was_dropped_is_not_marked),
        cmocka_unit_test(a_ring_whose_end_was_set_back_is_emptied),
        cmocka_unit_test(slots_that_do_not_exist_are_ignored),
        cmocka_unit_test(counted_hits_stop_at_the_most),
        cmocka_unit_test(costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
