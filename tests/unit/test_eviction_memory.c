/* Policies out of memory: open() leaks nothing, everything else goes on. And what they say they hold is what they hold. */
#include "tests/unit/eviction_kit.h"

#include <malloc.h>

#include "tests/unit/eviction_walk.h"
#include "tests/unit/failing.h"

/* ---- allocations */

static struct {
    uint64_t bytes; /* held now, with what the allocator adds */
    uint32_t blocks;
    bool every_second; /* fails */
    uint32_t requests;
} memory;

static bool refused(void)
{
    return failing() || (memory.every_second && memory.requests++ % 2 == 0);
}

static void *held(void *block)
{
    if (block != NULL) {
        memory.bytes += malloc_usable_size(block);
        memory.blocks++;
    }
    return block;
}

static void given_back(void *block)
{
    if (block != NULL) {
        memory.bytes -= malloc_usable_size(block);
        memory.blocks--;
    }
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : held(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : held(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refused())
        return NULL;
    given_back(old);
    return held(__real_realloc(old, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : held(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *block)
{
    given_back(block);
    __real_free(block);
}

/* ---- tests */

/* Of each test in turn. */
static struct box box;

static void open_fails_and_leaks_nothing(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < POLICIES; i++) {
        uint32_t blocks = memory.blocks;
        bool met = true;
        size_t failed = 0;
        for (; met; failed++) {
            fail_from(failed, false);
            bool opened = box_try(&box, policies[i], 100, 1000);
            met = stop_failing();
            assert_int_equal(opened, !met);
            if (opened)
                box_close(&box);
            assert_int_equal(memory.blocks, blocks);
        }
        assert_true(failed >= 3); /* the state, its links, and then one that did not fail */
    }
}

static void all_goes_on_when_memory_is_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < POLICIES; i++) {
        uint32_t blocks = memory.blocks;
        for (int lasting = 0; lasting < 2; lasting++) {
            box_open(&box, policies[i], BOX_SLOTS, BOX_SLOTS * UINT64_C(20));
            if (lasting != 0)
                fail_from(0, true);
            else
                memory.every_second = true;
            box_walk(&box, 50000);
            for (uint32_t key = 0; key < BOX_SLOTS; key++) /* many counts */
                for (uint32_t use = 0; use < key; use++)
                    box_use(&box, key, 1);
            stop_failing();
            memory.every_second = false;
            box_walk(&box, 50000); /* there is memory again */
            box_drain(&box);
            box_close(&box);
            assert_int_equal(memory.blocks, blocks);
        }
    }
}

/* Ghosts that cannot be remembered change nothing for those that are resident: FIFO and LRU order stay. */
static void a_policy_without_ghosts_is_only_worse(void **unused)
{
    (void)unused;
    box_open(&box, &larder_plugin_table__eviction_2q, 8, 8);
    fail_from(0, true);
    box_run(&box, "abcdefghi");
    assert_gone(&box, "a");
    box_run(&box, "a"); /* is not remembered */
    assert_true(stop_failing());
    assert_drains(&box, "cdefghia");
    box_close(&box);
}

/* Arrays as the table says, extra bytes as the state says, and the state itself. */
static void the_bytes_told_are_the_bytes_held(void **unused)
{
    (void)unused;
    enum { ITSELF = 1024 };
    for (size_t i = 0; i < POLICIES; i++) {
        uint64_t before = memory.bytes;
        box_open(&box, policies[i], BOX_SLOTS, BOX_SLOTS * UINT64_C(20));
        for (int round = 0; round < 40; round++) {
            box_walk(&box, 500);
            for (uint32_t key = 0; key < 20; key++)
                for (int use = 0; use < round; use++)
                    box_use(&box, 5 * key, 1);
            uint64_t told = BOX_SLOTS * (uint64_t)policies[i]->slot_bytes;
            if (policies[i]->extra_bytes != NULL)
                told += policies[i]->extra_bytes(box.state);
            assert_in_range(memory.bytes - before, told, told + ITSELF);
        }
        box_close(&box);
        assert_int_equal(memory.bytes, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_fails_and_leaks_nothing),
        cmocka_unit_test(all_goes_on_when_memory_is_refused),
        cmocka_unit_test(a_policy_without_ghosts_is_only_worse),
        cmocka_unit_test(the_bytes_told_are_the_bytes_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
