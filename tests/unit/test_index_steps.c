/*
 * The index again, with every load and store of an atomic a step, and chance deciding after each step whether the writer
 * or a reader takes the next one: readers meet every half-done change of a line, which real threads meet too seldom for
 * a test. The order is that of one thread at a time; what weaker orders allow is argued in the headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static void step(void);
#undef atomic_load_explicit
#undef atomic_store_explicit
#define atomic_load_explicit(object, order)         (step(), *(object))
#define atomic_store_explicit(object, value, order) (step(), (void)(*(object) = (value)))

#include "core/store/chain.c"
#include "core/store/index.c"
#include "index_kit.h"

#define READERS 3u
#define STABLE  20u /* keys 0 to STABLE - 1 are always there */

static struct turns {
    sem_t semaphores[READERS + 1]; /* number 0: the writer */
    unsigned turn, left;           /* whose turn it is, and for how many steps more */
    bool on;
    bool done;
    unsigned wrong, lookups, again;
    struct world *world;
    unsigned *stamps; /* odd while a key comes or goes */
} turns;

static _Thread_local unsigned self;

static void wait_for_turn(void)
{
    while (sem_wait(&turns.semaphores[self]) != 0)
        ;
}

/* Most turns are short, some long enough for whole operations. */
static void pass(void)
{
    turns.turn = draw(READERS + 1);
    turns.left = draw(32) == 0 ? draw(200) : draw(8);
    if (turns.turn == self)
        return;
    sem_post(&turns.semaphores[turns.turn]);
    wait_for_turn();
}

static void step(void)
{
    if (!turns.on)
        return;
    if (turns.left == 0)
        pass();
    else
        turns.left--;
}

static void look_up(uint32_t key)
{
    const struct world *world = turns.world;
    unsigned before = turns.stamps[key];
    bool there = world->there[key] != 0;
    ldr_ref ref = 0;
    bool found = find(world, key, &ref) != NULL;
    turns.lookups++;
    if (found && ref != ref_of(key, 0) && ref != ref_of(key, 1))
        turns.wrong++;
    if (before % 2 == 0 && turns.stamps[key] == before && found != there)
        turns.wrong++;
}

static void *read_by_steps(void *arg)
{
    self = *(unsigned *)arg;
    wait_for_turn();
    while (!turns.done) {
        look_up(draw(STABLE));
        look_up(draw(turns.world->keys));
    }
    /* The turn goes through all readers, so that all of them end, and back to the writer. */
    sem_post(&turns.semaphores[(self + 1) % (READERS + 1)]);
    return NULL;
}

static void toggle(uint32_t key)
{
    struct world *world = turns.world;
    turns.stamps[key]++;
    if (world->there[key] == 0)
        assert_true(insert(world, key));
    else
        remove_key(world, key);
    turns.stamps[key]++;
}

static void change_by_steps(unsigned rounds)
{
    struct world *world = turns.world;
    for (unsigned round = 0; round < rounds; round++) {
        uint32_t changes = draw(2 * world->keys);
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t key = STABLE + draw(world->keys - STABLE);
            if ((world->there[key] == 0) == (round % 2 == 0))
                toggle(key);
            if (draw(4) == 0)
                replace(world, draw(STABLE));
        }
        if (draw(2) == 0)
            ldr_index_trim(&world->writer);
    }
}

static void run(struct world *world, unsigned rounds)
{
    turns = (struct turns){.world = world, .stamps = zeroed(world->keys * sizeof(unsigned))};
    for (uint32_t key = 0; key < STABLE; key++)
        assert_true(insert(world, key));
    pthread_t threads[READERS];
    unsigned numbers[READERS];
    for (unsigned i = 0; i <= READERS; i++)
        sem_init(&turns.semaphores[i], 0, 0);
    for (unsigned i = 0; i < READERS; i++) {
        numbers[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, read_by_steps, &numbers[i]), 0);
    }
    turns.on = true;
    change_by_steps(rounds);
    turns.on = false;
    turns.done = true;
    sem_post(&turns.semaphores[1]);
    wait_for_turn();
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i <= READERS; i++)
        sem_destroy(&turns.semaphores[i]);
    assert_int_equal(turns.wrong, 0);
    assert_true(turns.lookups > rounds);
    for (uint32_t key = 0; key < world->keys; key++)
        check_key(world, key);
    free(turns.stamps);
    close_world(world);
}

static void a_key_is_found_at_every_step_of_splits_and_merges(void **state)
{
    (void)state;
    run(open_world(150, 64, 32, 0), 50);
}

static void a_key_is_found_at_every_step_of_chains_that_grow_and_shrink(void **state)
{
    (void)state;
    run(open_world(100, 1, 32, 0), 100);
    run(open_world(150, 6, 32, 0), 50);
    run(open_world(300, 64, 32, 0xe), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_at_every_step_of_splits_and_merges),
        cmocka_unit_test(a_key_is_found_at_every_step_of_chains_that_grow_and_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
