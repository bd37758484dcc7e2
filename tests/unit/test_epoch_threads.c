/* Reclamation under load: readers, writers, threads that idle, come and go, and others that force the epoch all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/epoch.h"
#include "tests/unit/epoch_modes.h"

#define CELLS 4
#define ALIVE UINT64_C(0x6c61726465726f6b)

/* Its words are plain: a thread that reads one that is being poisoned is a race to ThreadSanitizer, and torn to us. */
struct object {
    uint64_t words[4];
    struct object *next; /* in a writer's list, with its tag */
    uint64_t tag;
};

struct world {
    _Atomic(struct object *) cells[CELLS];
    atomic_bool stop;
    atomic_uint torn;
};

static struct object *new_object(void)
{
    struct object *object = malloc(sizeof *object);
    if (object == NULL)
        abort();
    for (int i = 0; i < 4; i++)
        object->words[i] = ALIVE;
    return object;
}

static void poison(struct object *object)
{
    for (int i = 0; i < 4; i++)
        object->words[i] = 0;
    free(object);
}

static void open_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    for (int i = 0; i < CELLS; i++)
        atomic_init(&world->cells[i], new_object());
}

static void close_world(struct world *world)
{
    for (int i = 0; i < CELLS; i++)
        free(atomic_load(&world->cells[i]));
}

static void read_cell(struct world *world, int cell)
{
    ldr_epoch_enter(LDR_EPOCH_STORE);
    const struct object *object = atomic_load_explicit(&world->cells[cell], memory_order_acquire);
    for (int i = 0; i < 4; i++)
        if (object->words[i] != ALIVE)
            atomic_fetch_add(&world->torn, 1);
    ldr_epoch_exit(LDR_EPOCH_STORE);
}

/* Enters and leaves without a pause. */
static void *read_on(void *arg)
{
    struct world *world = arg;
    while (!atomic_load_explicit(&world->stop, memory_order_relaxed))
        for (int i = 0; i < 64; i++)
            read_cell(world, i % CELLS);
    return NULL;
}

/* Is outside most of the time, in sections within sections otherwise. */
static void *read_at_times(void *arg)
{
    struct world *world = arg;
    for (int i = 0; !atomic_load_explicit(&world->stop, memory_order_relaxed); i++) {
        read_cell(world, i % CELLS);
        sched_yield();
        ldr_epoch_enter(LDR_EPOCH_STORE);
        const struct object *object = atomic_load_explicit(&world->cells[0], memory_order_acquire);
        read_cell(world, i % CELLS);
        if (i % 4 == 0)
            sched_yield();
        if (object->words[0] != ALIVE)
            atomic_fetch_add(&world->torn, 1);
        ldr_epoch_exit(LDR_EPOCH_STORE);
        sched_yield();
    }
    return NULL;
}

static void *force_on(void *arg)
{
    struct world *world = arg;
    while (!atomic_load_explicit(&world->stop, memory_order_relaxed))
        if (!ldr_epoch_advance(LDR_EPOCH_STORE, true))
            sched_yield();
    return NULL;
}

static void wait_until_passed(uint64_t tag)
{
    while (!ldr_epoch_passed(LDR_EPOCH_STORE, tag))
        if (!ldr_epoch_advance(LDR_EPOCH_STORE, true))
            sched_yield();
}

/* Keeps what it unlinks in a list of its own, as a store does. */
static void *write_cells(void *arg)
{
    struct world *world = arg;
    struct object *first = NULL, **last = &first;
    for (int i = 0; i < 10000; i++) {
        struct object *old = atomic_exchange_explicit(&world->cells[i % CELLS], new_object(), memory_order_acq_rel);
        old->tag = ldr_epoch_tag(LDR_EPOCH_STORE);
        old->next = NULL;
        *last = old;
        last = &old->next;
        ldr_epoch_advance(LDR_EPOCH_STORE, i % 8 == 0);
        if (i % 16 == 0)
            read_cell(world, 0); /* writers read, too */
        while (first != NULL && ldr_epoch_passed(LDR_EPOCH_STORE, first->tag)) {
            struct object *next = first->next;
            poison(first);
            first = next;
        }
        if (first == NULL)
            last = &first;
    }
    while (first != NULL) {
        struct object *next = first->next;
        wait_until_passed(first->tag);
        poison(first);
        first = next;
    }
    return NULL;
}

/* Starts threads; joins the first `wait` of them, tells the others to stop, and joins them. */
static void run_all(struct world *world, void *(*const *bodies)(void *), int count, int wait)
{
    pthread_t threads[8];
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], world), 0);
    for (int i = 0; i < count; i++) {
        if (i == wait)
            atomic_store(&world->stop, true);
        pthread_join(threads[i], NULL);
    }
}

static void readers_never_see_what_was_freed(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    void *(*const bodies[])(void *) = {write_cells, write_cells, read_on, read_on, read_at_times, force_on};
    run_all(&world, bodies, 6, 2);
    assert_int_equal(world.torn, 0);
    close_world(&world);
}

/* Waits for each object it unlinks, and frees it at once: there is no slack for a reader that was overlooked. */
static void *replace_one_at_a_time(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 3000; i++) {
        struct object *old = atomic_exchange_explicit(&world->cells[i % CELLS], new_object(), memory_order_acq_rel);
        wait_until_passed(ldr_epoch_tag(LDR_EPOCH_STORE));
        poison(old);
    }
    return NULL;
}

static void parking_overlooks_no_reader(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    void *(*const bodies[])(void *) = {replace_one_at_a_time, read_on};
    run_all(&world, bodies, 2, 1);
    assert_int_equal(world.torn, 0);
    close_world(&world);
}

static void parking_overlooks_none_of_many(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    void *(*const bodies[])(void *) = {replace_one_at_a_time, read_at_times, read_at_times, force_on};
    run_all(&world, bodies, 4, 1);
    assert_int_equal(world.torn, 0);
    close_world(&world);
}

static void *read_a_little(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 20; i++)
        read_cell(world, i % CELLS);
    return NULL;
}

/* Threads that start, read and end, two at a time. */
static void *start_readers(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 500; i++) {
        pthread_t threads[2];
        for (int t = 0; t < 2; t++)
            if (pthread_create(&threads[t], NULL, read_a_little, world) != 0)
                abort();
        for (int t = 0; t < 2; t++)
            pthread_join(threads[t], NULL);
    }
    return NULL;
}

static void threads_may_come_and_go(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    void *(*const bodies[])(void *) = {start_readers, write_cells, force_on};
    run_all(&world, bodies, 3, 2);
    assert_int_equal(world.torn, 0);
    close_world(&world);
    assert_true(ldr_epoch_advance(LDR_EPOCH_STORE, false)); /* none of them is listed still */
    assert_true(ldr_epoch_advance(LDR_EPOCH_STORE, false));
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_what_was_freed),
        cmocka_unit_test(parking_overlooks_no_reader),
        cmocka_unit_test(parking_overlooks_none_of_many),
        cmocka_unit_test(threads_may_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return in_both_modes(run);
}
