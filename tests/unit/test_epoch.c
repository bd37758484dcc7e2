/* Reclamation: nothing is freed while a reader may see it, everything is freed afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/epoch.h"

struct object {
    struct ldr_retired retired;
    atomic_uint *freed;
    unsigned value;
    struct object *follows; /* retired by this one's free() */
};

static void free_object(struct ldr_retired *retired)
{
    struct object *object = (struct object *)retired;
    atomic_fetch_add(object->freed, 1);
    if (object->follows != NULL)
        ldr_epoch_retire(&object->follows->retired, free_object);
    object->value = 0;
    free(object);
}

static struct object *new_object(atomic_uint *freed, unsigned value)
{
    struct object *object = calloc(1, sizeof *object);
    if (object == NULL)
        abort();
    object->freed = freed;
    object->value = value;
    return object;
}

static void retire(struct object *object)
{
    ldr_epoch_retire(&object->retired, free_object);
}

static void without_readers_little_is_kept(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        retire(new_object(&freed, 1));
        assert_true(i - freed < 4);
    }
    ldr_epoch_barrier();
    assert_int_equal(freed, 1000);
}

static void free_may_retire(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    struct object *object = new_object(&freed, 1);
    object->follows = new_object(&freed, 2);
    object->follows->follows = new_object(&freed, 3);
    retire(object);
    for (int i = 0; i < 3; i++)
        ldr_epoch_barrier();
    assert_int_equal(freed, 3);
}

static void own_section_keeps_what_it_retires(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_epoch_enter(LDR_EPOCH_NODE);
    for (int i = 0; i < 100; i++)
        retire(new_object(&freed, 1));
    assert_int_equal(freed, 0);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    for (int i = 0; i < 100; i++)
        retire(new_object(&freed, 1));
    assert_int_equal(freed, 0); /* the inner section has ended, the outer has not */
    ldr_epoch_exit(LDR_EPOCH_NODE);
    ldr_epoch_barrier();
    assert_int_equal(freed, 200);
}

/* Stays in a section until it is told to leave. */
struct sitter {
    sem_t entered, leave;
};

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

static void *sit(void *arg)
{
    struct sitter *sitter = arg;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    sem_post(&sitter->entered);
    wait_for(&sitter->leave);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return NULL;
}

static void others_sections_are_waited_for(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    struct sitter sitter;
    pthread_t thread;
    sem_init(&sitter.entered, 0, 0);
    sem_init(&sitter.leave, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, sit, &sitter), 0);
    wait_for(&sitter.entered);
    for (int i = 0; i < 100; i++)
        retire(new_object(&freed, 1));
    assert_int_equal(freed, 0);
    sem_post(&sitter.leave);
    ldr_epoch_barrier();
    assert_int_equal(freed, 100);
    pthread_join(thread, NULL);
    sem_destroy(&sitter.entered);
    sem_destroy(&sitter.leave);
}

struct exchange {
    atomic_uint made, freed;
    _Atomic(struct object *) current;
    atomic_bool stop, torn;
};

static void *read_current(void *arg)
{
    struct exchange *exchange = arg;
    while (!atomic_load(&exchange->stop)) {
        ldr_epoch_enter(LDR_EPOCH_NODE);
        struct object *object = atomic_load_explicit(&exchange->current, memory_order_acquire);
        for (int i = 0; i < 20; i++)
            if (object->value != 42)
                atomic_store(&exchange->torn, true);
        ldr_epoch_exit(LDR_EPOCH_NODE);
    }
    return NULL;
}

static void *replace_current(void *arg)
{
    struct exchange *exchange = arg;
    for (int i = 0; i < 20000; i++) {
        struct object *object = new_object(&exchange->freed, 42);
        atomic_fetch_add(&exchange->made, 1);
        retire(atomic_exchange_explicit(&exchange->current, object, memory_order_acq_rel));
    }
    return NULL;
}

static void readers_never_see_what_was_freed(void **state)
{
    (void)state;
    struct exchange exchange = {0};
    atomic_init(&exchange.current, new_object(&exchange.freed, 42));
    pthread_t readers[3], writers[2];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_current, &exchange), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, replace_current, &exchange), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&exchange.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    ldr_epoch_barrier();
    assert_false(exchange.torn);
    assert_int_equal(exchange.freed, exchange.made); /* all but the current one, and the first */
    free(exchange.current);
}

static void *enter_and_end(void *arg)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    retire(new_object(arg, 1));
    return NULL;
}

static void threads_that_end_hold_nothing_up(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    for (int i = 0; i < 200; i++) {
        pthread_t threads[2];
        for (int t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, enter_and_end, &freed), 0);
        for (int t = 0; t < 2; t++)
            pthread_join(threads[t], NULL);
    }
    ldr_epoch_barrier();
    assert_int_equal(freed, 400);
}

/* In a process whose program has used up all keys, before the first section: 0 when all went well. */
static int without_a_key(void)
{
    pthread_key_t key;
    while (pthread_key_create(&key, NULL) == 0)
        ;
    atomic_uint freed = 0;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    for (int i = 0; i < 10; i++)
        retire(new_object(&freed, 1));
    if (freed != 0)
        return 1;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    ldr_epoch_barrier();
    return freed == 10 ? 0 : 2;
}

/* Must be the first test: the key is made with the first section. */
static void readers_without_a_key_are_safe_too(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(without_a_key());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_without_a_key_are_safe_too),
        cmocka_unit_test(without_readers_little_is_kept),
        cmocka_unit_test(free_may_retire),
        cmocka_unit_test(own_section_keeps_what_it_retires),
        cmocka_unit_test(others_sections_are_waited_for),
        cmocka_unit_test(readers_never_see_what_was_freed),
        cmocka_unit_test(threads_that_end_hold_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
