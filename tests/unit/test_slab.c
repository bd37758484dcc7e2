/* Memory for entries: cells, spans, what comes back and when, and that it is counted to the byte. */
#include "slab_kit.h"

#include <sys/mman.h>

#include "core/base/pages.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static void cells_of_a_size_are_used_again_without_new_spans(void **state)
{
    (void)state;
    const uint32_t count = 20000;
    struct world *world = open_world(4 * MIB, 4 * MIB, count);
    for (uint32_t i = 0; i < count; i++)
        assert_true(put(world, i, 136));
    assert_int_equal(world->evicted, 0);
    uint64_t spans = ldr_slab_bytes(world->slab).spans;
    for (uint32_t i = 0; i < 10 * count; i++) {
        assert_true(put(world, (uint32_t)(draw(world) % count), 136));
        if (i % 64 == 0)
            settle(world);
        assert_true(ldr_slab_bytes(world->slab).spans <= spans + spans / 50);
    }
    check_slab(world->slab);
    check_budget(world);
    check_contents(world);
    /* 136 bytes cost 136 bytes: what spans leave over is below a hundredth. */
    assert_true(spans < count * 136 / 100 * 101 + 64 * KIB);
    close_world(world);
}

/* Log-uniform from `least` to `most`. */
static size_t draw_size(struct world *world, size_t least, size_t most)
{
    unsigned doublings = 0;
    while (least << doublings < most)
        doublings++;
    size_t base = least << draw(world) % doublings, size = base + draw(world) % base;
    return size < most ? size : most;
}

static void mixed_sizes_stay_within_the_budget(void **state)
{
    (void)state;
    struct world *world = open_world(16 * MIB, 4 * MIB, 16384);
    for (uint32_t i = 0; i < 60000; i++) {
        assert_true(put(world, (uint32_t)(draw(world) % world->capacity), draw_size(world, 64, 16 * KIB)));
        check_budget(world);
        if (i % 1000 == 0) {
            check_slab(world->slab);
            check_contents(world);
        }
    }
    assert_true(world->moved > 0);
    assert_true(world->evicted > 1000);
    assert_true(world->live_bytes > 13 * MIB);
    check_contents(world);
    close_world(world);
}

/* Replaces everything by entries of a size, and says how much of the budget they then have. */
static double shift_to(struct world *world, size_t size)
{
    uint64_t copied = world->moved_bytes;
    size_t count = 3 * ldr_budget_limit(&world->budget) / size;
    for (size_t i = 0; i < count; i++) {
        assert_true(put(world, (uint32_t)(draw(world) % world->capacity), size));
        check_budget(world);
    }
    copied = world->moved_bytes - copied;
    /* About as many bytes are copied as are freed. */
    assert_true(copied < 2 * ldr_budget_limit(&world->budget));
    check_slab(world->slab);
    check_contents(world);
    return (double)world->live_bytes / (double)ldr_budget_limit(&world->budget);
}

static void after_a_shift_of_sizes_the_budget_is_in_use_again(void **state)
{
    (void)state;
    struct world *world = open_world(16 * MIB, 4 * MIB, 200000);
    assert_true(shift_to(world, 136) > 0.95);
    assert_true(shift_to(world, 9 * KIB) > 0.95);
    assert_true(shift_to(world, 136) > 0.95);
    assert_true(shift_to(world, 1000) > 0.95);
    close_world(world);
}

static void half_of_the_reach_fits_whatever_lies_about(void **state)
{
    (void)state;
    struct world *world = open_world(16 * MIB, MIB, 100000);
    for (uint32_t round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < world->capacity - 8; i++)
            assert_true(put(world, 8 + (uint32_t)(draw(world) % (world->capacity - 8)), draw_size(world, 32, KIB)));
        assert_true(put(world, round, 8 * MIB));
        check_item(world, round);
        check_budget(world);
        check_slab(world->slab);
        assert_true(world->live > 1000);
    }
    check_contents(world);
    close_world(world);
}

static void large_entries_come_and_go(void **state)
{
    (void)state;
    struct world *world = open_world(64 * MIB, 64 * MIB, 256);
    for (uint32_t i = 0; i < 600; i++) {
        assert_true(put(world, (uint32_t)(draw(world) % world->capacity), draw_size(world, 16 * KIB, 32 * MIB)));
        check_budget(world);
    }
    check_slab(world->slab);
    check_contents(world);
    close_world(world);
}

static void tiny_heaps_hold_entries(void **state)
{
    (void)state;
    struct world *world = open_world(2 * KIB - 900, 2 * KIB, 64);
    uint64_t overhead = ldr_heap_overhead(world->heap);
    assert_true(overhead <= 1100);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(put(world, i % world->capacity, 124));
        check_budget(world);
        check_slab(world->slab);
    }
    assert_true(world->live >= 6);
    check_contents(world);
    assert_true(put(world, 0, 1050));
    check_budget(world);
    check_contents(world);
    assert_true(put(world, 0, LEAST_ENTRY));
    close_world(world);
}

static void every_size_of_heap_works(void **state)
{
    (void)state;
    for (uint64_t limit = KIB; limit <= 64 * MIB; limit *= 2) {
        struct world *world = open_world(limit, limit, 512);
        for (uint32_t i = 0; i < 3000; i++)
            assert_true(
                put(world, (uint32_t)(draw(world) % world->capacity),
                    draw_size(world, LEAST_ENTRY, (size_t)limit / 2 < 64 * KIB ? (size_t)limit / 2 : 64 * KIB)));
        check_budget(world);
        check_slab(world->slab);
        check_contents(world);
        close_world(world);
    }
}

static void a_cell_that_was_not_used_is_given_back(void **state)
{
    (void)state;
    struct world *world = open_world(MIB, MIB, 8);
    ldr_ref small = ldr_slab_take(world->slab, 100), large = ldr_slab_take(world->slab, 100 * KIB);
    assert_true(small != 0 && large != 0 && small != large);
    assert_int_equal(ldr_slab_cell_of(world->heap, small), ldr_slab_cell_size(world->heap, 100));
    assert_int_equal(ldr_slab_cell_of(world->heap, large), ldr_slab_cell_size(world->heap, 100 * KIB));
    ldr_slab_untake(world->slab, small);
    ldr_slab_untake(world->slab, large);
    assert_int_equal(ldr_slab_bytes(world->slab).spans, 0);
    assert_int_equal(ldr_slab_take(world->slab, 2 * MIB), 0);
    check_budget(world);
    close_world(world);
}

static void what_is_retired_is_not_used_while_a_section_is_open(void **state)
{
    (void)state;
    struct world *world = open_world(MIB, MIB, 8);
    assert_true(put(world, 0, 100));
    struct ldr_entry *entry = entry_of(world, 0);
    ldr_epoch_enter(LDR_EPOCH_STORE);
    drop(world, 0);
    for (int i = 0; i < 10; i++) {
        ldr_epoch_advance(LDR_EPOCH_STORE, true);
        assert_false(ldr_slab_collect(world->slab));
    }
    uint64_t id;
    assert_true(entry_is_whole(entry, &id));
    assert_true(ldr_slab_bytes(world->slab).retired > 0);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    settle(world);
    assert_int_equal(ldr_slab_bytes(world->slab).spans, 0);
    close_world(world);
}

/* Pins outlive everything. */
static void pinned_entries_are_out_of_the_budget_until_released(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 3 * KIB, 100 * KIB};
    struct world *world = open_world(MIB, MIB, 8);
    struct ldr_entry *held[3];
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(put(world, i, sizes[i]));
        ldr_entry_pin(held[i] = entry_of(world, i));
        drop(world, i);
    }
    settle(world);
    struct ldr_slab_bytes bytes = ldr_slab_bytes(world->slab);
    assert_int_equal(bytes.retired, 0);
    assert_true(bytes.pinned >= 103 * KIB);
    check_budget(world);
    check_slab(world->slab);
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t id;
        assert_true(entry_is_whole(held[i], &id));
        assert_int_equal(id, i);
        ldr_entry_release(held[i]);
        settle(world);
        check_budget(world);
    }
    assert_int_equal(ldr_slab_bytes(world->slab).spans, 0);
    close_world(world);
}

static void pinned_entries_do_not_move(void **state)
{
    (void)state;
    const uint32_t count = 20000;
    struct world *world = open_world(4 * MIB, 4 * MIB, count);
    for (uint32_t i = 0; i < count; i++)
        assert_true(put(world, i, 136));
    /* One in every span, and more: nothing can be emptied. */
    for (uint32_t i = 0; i < count; i += 8)
        ldr_entry_pin(entry_of(world, i));
    for (uint32_t i = 0; i < count; i++)
        if (i % 8 != 0 && i % 8 != 5)
            drop(world, i);
    settle(world);
    uint64_t spans = ldr_slab_bytes(world->slab).spans;
    for (int i = 0; i < 1000; i++)
        compact(world, 4 * KIB);
    check_slab(world->slab);
    check_contents(world);
    settle(world);
    assert_int_equal(ldr_slab_bytes(world->slab).spans, spans);
    for (uint32_t i = 0; i < count; i += 8)
        ldr_entry_release(entry_of(world, i));
    /* Spans that pins held are tried again only when no other is left, some at a time. */
    for (int i = 0; i < 5000 && ldr_slab_bytes(world->slab).spans >= spans / 2; i++) {
        compact(world, 4 * KIB);
        settle(world);
    }
    check_slab(world->slab);
    check_contents(world);
    assert_true(ldr_slab_bytes(world->slab).spans < spans / 2);
    close_world(world);
}

static void a_cell_that_is_not_written_yet_does_not_move(void **state)
{
    (void)state;
    const uint32_t count = 2000;
    struct world *world = open_world(4 * MIB, 4 * MIB, count);
    ldr_ref taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(put(world, i, 136));
        if (i == count / 2)
            taken = ldr_slab_take(world->slab, 136);
    }
    for (uint32_t i = 0; i < count; i++)
        if (i % 10 != 0)
            drop(world, i);
    settle(world);
    while (compact(world, KIB))
        settle(world);
    check_slab(world->slab);
    check_contents(world);
    assert_true(world->moved > 0);
    write_entry(ldr_entry_at(world->place, taken), NO_ITEM, 7, 136);
    ldr_slab_untake(world->slab, taken);
    check_slab(world->slab);
    close_world(world);
}

static void the_last_free_cells_of_a_class_are_given_even_while_their_span_is_emptied(void **state)
{
    (void)state;
    const uint32_t count = 30000;
    struct world *world = open_world(4 * MIB, 4 * MIB, count);
    for (uint32_t i = 0; i < count; i++)
        assert_true(put(world, i, 136));
    for (uint32_t i = 0; i < count; i += 10)
        if (atomic_load(&world->items[i].ref) != 0)
            drop(world, i);
    settle(world);
    /* The budget is full, so that there is nothing else to take from. */
    while (ldr_budget_take(&world->budget, 4 * KIB))
        ;
    assert_true(compact(world, 1));
    uint64_t cells = ldr_slab_bytes(world->slab).free / 136, taken = 0;
    while (ldr_slab_take(world->slab, 136) != 0)
        taken++;
    assert_int_equal(taken, cells);
    check_slab(world->slab);
    ldr_budget_give(&world->budget, ldr_budget_used(&world->budget) - ldr_slab_bytes(world->slab).spans -
                                        atomic_load(&world->heap->kept_bytes));
    close_world(world);
}

static void entries_outlive_their_heap_while_pinned(void **state)
{
    (void)state;
    struct world *world = open_world(4 * MIB, 4 * MIB, 2000);
    struct ldr_entry *held[4];
    uint64_t ids[4];
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(put(world, i, i % 7 == 0 ? 70 * KIB / 2 : 500));
    for (uint32_t i = 0, number = 0; i < 4; i++, number++) {
        number = oldest(world);
        ldr_entry_pin(held[i] = entry_of(world, number));
        ids[i] = world->items[number].id;
        if (i == 1)
            drop(world, number); /* retired, not collected */
        if (i == 2) {
            drop(world, number);
            settle(world); /* set aside */
        }
    }
    ldr_entry_pin(held[3]); /* twice */
    close_world(world);
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t id;
        assert_true(entry_is_whole(held[i], &id));
        assert_int_equal(id, ids[i]);
        ldr_entry_release(held[i]);
    }
    uint64_t id;
    assert_true(entry_is_whole(held[3], &id));
    ldr_entry_release(held[3]);
}

static void a_lower_limit_is_reached_by_eviction_and_compaction(void **state)
{
    (void)state;
    struct world *world = open_world(8 * MIB, 2 * MIB, 100000);
    for (uint32_t i = 0; i < 100000; i++)
        assert_true(put(world, (uint32_t)(draw(world) % world->capacity), draw_size(world, 32, KIB)));
    atomic_store(&world->budget.limit, 3 * MIB);
    while (ldr_budget_lacks(&world->budget, 0))
        assert_true(make_room(world, 0));
    check_budget(world);
    check_slab(world->slab);
    check_contents(world);
    assert_true(world->live_bytes > 9 * MIB / 4);
    close_world(world);
}

static void spans_go_back_for_the_sake_of_others(void **state)
{
    (void)state;
    struct world *world = open_world(16 * MIB, 4 * MIB, 100000);
    for (uint32_t i = 0; i < 100000; i++)
        assert_true(put(world, (uint32_t)(draw(world) % world->capacity), draw_size(world, 32, KIB)));
    /* The budget is kept all the time; somebody wants to have 8 MiB of it. */
    assert_false(ldr_budget_lacks(&world->budget, 0));
    while (ldr_budget_lacks(&world->budget, 8 * MIB))
        assert_true(make_room(world, 0));
    assert_true(world->live_bytes > 7 * MIB);
    check_budget(world);
    check_slab(world->slab);
    check_contents(world);
    close_world(world);
}

static void what_is_kept_for_the_next_span_goes_when_the_limit_falls(void **state)
{
    (void)state;
    struct world *world = open_world(64 * MIB, 64 * MIB, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(put(world, i, 20 * KIB));
    uint64_t full = ldr_budget_used(&world->budget);
    while (atomic_load(&world->heap->kept_bytes) == 0) {
        assert_true(evict(world));
        settle(world);
    }
    uint64_t used = ldr_budget_used(&world->budget);
    assert_true(used <= full);
    atomic_store(&world->budget.limit, used - 1);
    while (ldr_budget_lacks(&world->budget, 0))
        assert_true(ldr_slab_collect(world->slab)); /* without any eviction */
    assert_int_equal(atomic_load(&world->heap->kept_bytes), 0);
    check_budget(world);
    close_world(world);
}

/* Bytes of the grains that are in memory. */
static uint64_t resident(const struct world *world)
{
    size_t page = ldr_pages_size(), grain = (size_t)1 << world->heap->sizes.grain_shift;
    size_t bytes = (size_t)atomic_load(&world->heap->high_grain) * grain, pages = bytes / page, found = 0;
    unsigned char *flags = malloc(pages + 1);
    assert_non_null(flags);
    assert_int_equal(mincore(world->place.base + grain, pages * page, flags), 0);
    for (size_t i = 0; i < pages; i++)
        found += flags[i] & 1;
    free(flags);
    return found * page;
}

static void what_the_budget_does_not_count_is_not_in_memory(void **state)
{
    (void)state;
    /* Grains of a page; and four in one, where a page may be free in part. */
    for (uint64_t quota = 4 * MIB; quota >= 256 * KIB; quota /= 16) {
        struct world *world = open_world(4 * MIB, quota, 40000);
        uint64_t more = quota < MIB ? MIB : 0;
        ldr_pages_huge(world->heap, world->heap->mapped, false);
        for (uint32_t i = 0; i < 40000; i++) {
            size_t most = i / 10000 % 2 == 0 ? 8 * KIB : 200;
            assert_true(put(world, (uint32_t)(draw(world) % world->capacity), draw_size(world, 64, most)));
            if (i % 500 == 0)
                assert_true(resident(world) <= ldr_budget_used(&world->budget) + more);
        }
        for (uint32_t i = 0; i < world->capacity; i++)
            if (i % 50 != 0 && atomic_load(&world->items[i].ref) != 0)
                drop(world, i);
        settle(world);
        while (compact(world, MIB))
            settle(world);
        assert_true(ldr_budget_used(&world->budget) < MIB);
        assert_true(resident(world) < MIB);
        check_contents(world);
        close_world(world);
    }
}

static void two_slabs_share_a_heap(void **state)
{
    (void)state;
    struct world *world = open_world(4 * MIB, 2 * MIB, 20000);
    struct ldr_slab *slabs[2] = {world->slab, ldr_slab_open(world->heap)};
    assert_non_null(slabs[1]);
    /* The first fills the budget; the second gets what the first gives up. */
    for (uint32_t i = 0; i < world->capacity; i++)
        assert_true(put(world, i, 300));
    ldr_ref ref = ldr_slab_take(slabs[1], 300);
    assert_int_equal(ref, 0);
    assert_int_equal(ldr_slab_need(slabs[1], 300), LDR_NEED_ROOM);
    while ((ref = ldr_slab_take(slabs[1], 300)) == 0)
        assert_true(make_room(world, 32 * KIB));
    check_slab(slabs[0]);
    check_slab(slabs[1]);
    check_contents(world);
    ldr_slab_untake(slabs[1], ref);
    ldr_slab_close(slabs[1]);
    check_budget(world);
    close_world(world);
}

/* ---- everything at once, drawn at random */

struct fuzz {
    struct ldr_entry *held[16];
    uint64_t ids[16];
};

static void toggle_pin(struct world *world, struct fuzz *fuzz)
{
    uint32_t which = (uint32_t)(draw(world) % 16), number = oldest(world);
    if (fuzz->held[which] != NULL) {
        uint64_t id;
        assert_true(entry_is_whole(fuzz->held[which], &id));
        assert_int_equal(id, fuzz->ids[which]);
        ldr_entry_release(fuzz->held[which]);
        fuzz->held[which] = NULL;
    } else if (number != NO_ITEM) {
        ldr_entry_pin(fuzz->held[which] = entry_of(world, number));
        fuzz->ids[which] = world->items[number].id;
    }
}

static void step(struct world *world, struct fuzz *fuzz, size_t most)
{
    uint32_t number = (uint32_t)(draw(world) % world->capacity);
    switch (draw(world) % 16) {
    case 0: compact(world, draw(world) % 8192); break;
    case 1: ldr_epoch_advance(LDR_EPOCH_STORE, true); break;
    case 2: ldr_slab_collect(world->slab); break;
    case 3:
        for (int i = 0; i < 50; i++)
            evict(world);
        break;
    case 4: toggle_pin(world, fuzz); break;
    case 5: {
        ldr_ref ref = ldr_slab_take(world->slab, draw_size(world, 24, most));
        if (ref != 0)
            ldr_slab_untake(world->slab, ref);
        break;
    }
    default: put(world, number, draw_size(world, LEAST_ENTRY, most)); break;
    }
}

static void random_operations_keep_contents_and_accounts(void **state)
{
    (void)state;
    static const size_t limits[] = {3000, 20 * KIB, 300 * KIB, 2 * MIB, 24 * MIB};
    for (uint32_t round = 0; round < 20; round++) {
        size_t limit = limits[round % 5];
        struct world *world = open_world(limit, limit >> round / 10, 2000);
        struct fuzz fuzz = {0};
        world->random = round;
        for (uint32_t i = 0; i < 6000; i++) {
            step(world, &fuzz, i / 1000 % 2 == 0 ? limit / 3 : 600);
            check_slab(world->slab);
            if (ldr_budget_used(&world->budget) > limit) /* what was pinned is owed again */
                while (ldr_budget_lacks(&world->budget, 0) && make_room(world, 0))
                    ;
            check_budget(world);
        }
        check_contents(world);
        close_world(world);
        for (uint32_t i = 0; i < 16; i++)
            ldr_entry_release(fuzz.held[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_of_a_size_are_used_again_without_new_spans),
        cmocka_unit_test(mixed_sizes_stay_within_the_budget),
        cmocka_unit_test(after_a_shift_of_sizes_the_budget_is_in_use_again),
        cmocka_unit_test(half_of_the_reach_fits_whatever_lies_about),
        cmocka_unit_test(large_entries_come_and_go),
        cmocka_unit_test(tiny_heaps_hold_entries),
        cmocka_unit_test(every_size_of_heap_works),
        cmocka_unit_test(a_cell_that_was_not_used_is_given_back),
        cmocka_unit_test(what_is_retired_is_not_used_while_a_section_is_open),
        cmocka_unit_test(pinned_entries_are_out_of_the_budget_until_released),
        cmocka_unit_test(pinned_entries_do_not_move),
        cmocka_unit_test(a_cell_that_is_not_written_yet_does_not_move),
        cmocka_unit_test(the_last_free_cells_of_a_class_are_given_even_while_their_span_is_emptied),
        cmocka_unit_test(entries_outlive_their_heap_while_pinned),
        cmocka_unit_test(a_lower_limit_is_reached_by_eviction_and_compaction),
        cmocka_unit_test(spans_go_back_for_the_sake_of_others),
        cmocka_unit_test(what_is_kept_for_the_next_span_goes_when_the_limit_falls),
        cmocka_unit_test(what_the_budget_does_not_count_is_not_in_memory),
        cmocka_unit_test(two_slabs_share_a_heap),
        cmocka_unit_test(random_operations_keep_contents_and_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
