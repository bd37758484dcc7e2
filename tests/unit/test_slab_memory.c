/* Heaps and slabs with every allocation failing in turn: nothing leaked, nothing lost. */
#include "failing.h"
#include "slab_kit.h"

#include <sys/mman.h>

#include "core/store/poison.h"

FAILING(void *, malloc, (size_t size), size)
FAILING(void *, calloc, (size_t count, size_t size), count, size)
void __real_free(void *block);
void __wrap_free(void *block);
void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

static size_t mapped; /* bytes */
static int blocks;    /* freed less than allocated, where it is watched */

void __wrap_free(void *block)
{
    blocks -= block != NULL;
    __real_free(block);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (failing())
        return MAP_FAILED;
    void *range = __real_mmap(address, size, protection, flags, file, offset);
    mapped += range == MAP_FAILED ? 0 : size;
    return range;
}

int __wrap_munmap(void *address, size_t size)
{
    mapped -= size;
    return __real_munmap(address, size);
}

/* A heap with two slabs; false when it could not be had. */
static bool open_and_close(struct ldr_budget *budget)
{
    struct ldr_heap_options options = {.reach = 1 << 20, .quota = 1 << 19};
    struct ldr_heap *heap = ldr_heap_open(&options, budget);
    if (heap == NULL)
        return false;
    struct ldr_slab *slabs[2] = {ldr_slab_open(heap), ldr_slab_open(heap)};
    bool all = slabs[0] != NULL && slabs[1] != NULL;
    blocks += (slabs[0] != NULL) + (slabs[1] != NULL);
    for (int i = 0; i < 2; i++) {
        if (slabs[i] != NULL)
            assert_true(ldr_slab_take(slabs[i], 100) != 0);
        ldr_slab_close(slabs[i]);
    }
    ldr_heap_close(heap);
    return all;
}

static void opening_fails_cleanly(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++) {
        size_t number = 0, failures = 0;
        for (bool met = true; met; number++) {
            struct ldr_budget budget = {.limit = 1 << 20};
            mapped = 0;
            blocks = 0;
            fail_from(number, lasting != 0);
            bool opened = open_and_close(&budget);
            met = stop_failing();
            assert_int_equal(opened, !met);
            assert_int_equal(mapped, 0);
            assert_int_equal(blocks, 0);
            assert_int_equal(ldr_budget_used(&budget), 0);
            failures += met;
        }
        assert_int_equal(failures, 3);
    }
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    ldr_slab_close(NULL);
    ldr_heap_close(NULL);
}

static void a_range_beyond_all_addresses_is_refused(void **state)
{
    (void)state;
    struct ldr_budget budget = {.limit = 1 << 20};
    struct ldr_heap_options options = {.reach = UINT64_MAX, .quota = 1 << 20};
    assert_null(ldr_heap_open(&options, &budget));
}

static void the_last_release_gives_the_range_back(void **state)
{
    (void)state;
    mapped = 0;
    struct world *world = open_world(1 << 20, 1 << 20, 8);
    struct ldr_entry *held[2];
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(put(world, i, 1000));
        ldr_entry_pin(held[i] = entry_of(world, i));
    }
    drop(world, 0);
    settle(world);
    ldr_entry_pin(held[1]);
    close_world(world);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(mapped > 0);
        ldr_entry_release(held[i]);
    }
    assert_true(mapped > 0);
    ldr_entry_release(held[1]);
    assert_int_equal(mapped, 0);
}

/* References of 32 bits and units of 8 bytes reach 32 GiB; the units of larger stores are larger. */
static void large_ranges_have_larger_units(void **state)
{
    (void)state;
    struct ldr_budget budget = {.limit = UINT64_C(1) << 40};
#ifdef __SANITIZE_THREAD__
    const unsigned largest = 37; /* it has less than two terabytes of addresses to give */
#else
    const unsigned largest = 40;
#endif
    for (unsigned shift = 30; shift <= largest; shift++) {
        uint64_t reach = UINT64_C(1) << shift;
#ifdef LDR_POISONS
        size_t size = 1 << 20; /* poison takes memory itself */
#else
        size_t size = (size_t)reach / 2;
#endif
        struct ldr_heap_options options = {.reach = reach, .quota = reach / 64};
        struct ldr_heap *heap = ldr_heap_open(&options, &budget);
        assert_non_null(heap);
        unsigned unit = ldr_heap_place(heap).shift;
        assert_int_equal(unit, shift < 35 ? 3 : shift - 31);
        struct ldr_slab *slab = ldr_slab_open(heap);
        assert_non_null(slab);
        ldr_ref small = ldr_slab_take(slab, 100), large = ldr_slab_take(slab, size);
        assert_true(small != 0 && large != 0);
        write_entry(ldr_entry_at(ldr_heap_place(heap), small), 0, 1, 100);
        write_entry(ldr_entry_at(ldr_heap_place(heap), large), 0, 1, 100);
        assert_int_equal(ldr_slab_cell_of(heap, large), size);
        assert_true(ldr_slab_cell_of(heap, small) < 100 + ((size_t)8 << unit >> 3));
        ldr_slab_close(slab);
        ldr_heap_close(heap);
        assert_int_equal(ldr_budget_used(&budget), 0);
    }
}

static void an_open_slab_allocates_nothing(void **state)
{
    (void)state;
    struct world *world = open_world(1 << 20, 1 << 20, 4000);
    fail_from(0, true);
    for (uint32_t i = 0; i < 20000; i++) {
        /* The entry itself is made without the allocator's help, too. */
        ldr_ref ref;
        size_t size = 32 + draw(world) % 2000;
        while ((ref = ldr_slab_take(world->slab, size)) == 0)
            assert_true(make_room(world, size));
        uint32_t number = (uint32_t)(draw(world) % world->capacity);
        if (atomic_load(&world->items[number].ref) != 0)
            drop(world, number);
        struct ldr_put put = {.key = ldr_slice(&world->next_id, sizeof world->next_id), .expires = UINT64_MAX};
        struct ldr_entry *entry = ldr_entry_at(world->place, ref);
        ldr_entry_write(entry, &put, ldr_entry_layout(&put), number);
        atomic_store(&entry->pins, 0);
        world->items[number].id = world->next_id++;
        world->items[number].size = LEAST_ENTRY;
        atomic_store(&world->items[number].ref, ref);
        world->live++;
        world->live_bytes += ldr_slab_cell_of(world->heap, ref);
        check_budget(world);
    }
    assert_false(stop_failing());
    assert_true(world->moved > 0);
    check_contents(world);
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_fails_cleanly),
        cmocka_unit_test(closing_nothing_is_fine),
        cmocka_unit_test(a_range_beyond_all_addresses_is_refused),
        cmocka_unit_test(the_last_release_gives_the_range_back),
        cmocka_unit_test(large_ranges_have_larger_units),
        cmocka_unit_test(an_open_slab_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
