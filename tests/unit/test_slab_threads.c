/* Readers without a lock beside writers that retire, compact and use cells again. */
#include "slab_kit.h"

#include <pthread.h>
#include <sched.h>

#define ITEMS   2000u
#define HELD    8u
#define READERS 2u

/* Two slabs on one heap, a writer each. */
static struct world *worlds[2];

struct reader {
    pthread_t thread;
    uint64_t random, seen, held_seen, torn;
    struct ldr_entry *held[HELD];
    uint64_t ids[HELD];
};

static atomic_bool stopped, closed;
static atomic_uint reading;
static atomic_uint behind; /* readers that have not read and released enough yet */

static uint64_t reader_draw(struct reader *reader)
{
    reader->random += UINT64_C(0x9e3779b97f4a7c15);
    return ldr_mix(reader->random);
}

static void let_go(struct reader *reader, unsigned which)
{
    uint64_t id = 0;
    if (reader->held[which] == NULL)
        return;
    reader->torn += !entry_is_whole(reader->held[which], &id) || id != reader->ids[which];
    reader->held_seen++;
    ldr_entry_release(reader->held[which]);
    reader->held[which] = NULL;
}

static void read_one(struct reader *reader, bool pin)
{
    const struct world *world = worlds[reader_draw(reader) % 2];
    unsigned which = (unsigned)(reader_draw(reader) % HELD);
    uint64_t id = 0;
    if (pin)
        let_go(reader, which);
    ldr_epoch_enter(LDR_EPOCH_STORE);
    ldr_ref ref = atomic_load_explicit(&world->items[reader_draw(reader) % ITEMS].ref, memory_order_acquire);
    if (ref != 0) {
        struct ldr_entry *entry = ldr_entry_at(world->place, ref);
        reader->torn += !entry_is_whole(entry, &id);
        reader->seen++;
        if (pin) {
            ldr_entry_pin(entry);
            reader->held[which] = entry;
            reader->ids[which] = id;
        }
    }
    ldr_epoch_exit(LDR_EPOCH_STORE);
}

/* Reads until the writers are done, and keeps what it holds until the heap is closed. */
static void *read_all(void *arg)
{
    struct reader *reader = arg;
    bool enough = false;
    while (!atomic_load(&stopped)) {
        read_one(reader, reader_draw(reader) % 16 == 0);
        if (reader_draw(reader) % 32 == 0)
            sched_yield(); /* outside of a section, so that one that loses its processor seldom is inside */
        if (!enough && reader->seen > 1000 && reader->held_seen > 10) {
            enough = true;
            atomic_fetch_sub(&behind, 1);
        }
    }
    atomic_fetch_sub(&reading, 1);
    while (!atomic_load(&closed))
        sched_yield();
    for (unsigned i = 0; i < HELD; i++)
        let_go(reader, i);
    return NULL;
}

static void *write_all(void *arg)
{
    struct world *world = arg;
    for (uint32_t i = 0; i < 10000 || atomic_load(&behind) > 0; i++) {
        size_t size = i / 2500 % 2 == 0 ? LEAST_ENTRY + draw(world) % 200 : LEAST_ENTRY + draw(world) % 3000;
        if (!put(world, (uint32_t)(draw(world) % ITEMS), size))
            sched_yield(); /* the other has everything */
    }
    return NULL;
}

/* A second slab on the heap of a world. */
static struct world *second_world(const struct world *first)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->heap = first->heap;
    world->place = first->place;
    world->slab = ldr_slab_open(world->heap);
    assert_non_null(world->slab);
    world->items = calloc(ITEMS, sizeof *world->items);
    assert_non_null(world->items);
    world->capacity = ITEMS;
    world->random = 1;
    return world;
}

static void readers_see_whole_entries_while_they_are_replaced_and_moved(void **state)
{
    (void)state;
    static struct reader readers[READERS];
    pthread_t writer;
    worlds[0] = open_world(512 << 10, 512 << 10, ITEMS);
    worlds[1] = second_world(worlds[0]);
    atomic_store(&reading, READERS);
    atomic_store(&behind, READERS);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i].random = 100 + i;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
    }
    assert_int_equal(pthread_create(&writer, NULL, write_all, worlds[1]), 0);
    write_all(worlds[0]);
    assert_int_equal(pthread_join(writer, NULL), 0);
    atomic_store(&stopped, true);
    while (atomic_load(&reading) != 0)
        sched_yield();
    for (unsigned i = 0; i < 2; i++) {
        check_slab(worlds[i]->slab);
        check_contents(worlds[i]);
    }
    assert_true(worlds[0]->moved + worlds[1]->moved > 0);
    ldr_slab_close(worlds[1]->slab);
    free(worlds[1]->items);
    free(worlds[1]);
    close_world(worlds[0]);
    atomic_store(&closed, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].torn, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_entries_while_they_are_replaced_and_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
