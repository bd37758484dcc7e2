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

#include "core/base/epoch.h"
#include "tests/unit/epoch_modes.h"

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

/* Enters a section and leaves it, stays in one, and so on, each when it is told to. */
struct sitter {
    enum ldr_epoch_domain domain;
    pthread_t thread;
    sem_t go, done;
};

static void *sit(void *arg)
{
    struct sitter *sitter = arg;
    ldr_epoch_enter(sitter->domain);
    sem_post(&sitter->done);
    wait_for(&sitter->go);
    ldr_epoch_exit(sitter->domain);
    sem_post(&sitter->done);
    wait_for(&sitter->go);
    ldr_epoch_enter(sitter->domain);
    sem_post(&sitter->done);
    wait_for(&sitter->go);
    ldr_epoch_exit(sitter->domain);
    return NULL;
}

/* It is inside then. */
static void start(struct sitter *sitter, enum ldr_epoch_domain domain)
{
    sitter->domain = domain;
    sem_init(&sitter->go, 0, 0);
    sem_init(&sitter->done, 0, 0);
    assert_int_equal(pthread_create(&sitter->thread, NULL, sit, sitter), 0);
    wait_for(&sitter->done);
}

static void let_leave(struct sitter *sitter)
{
    sem_post(&sitter->go);
    wait_for(&sitter->done);
}

static void let_enter(struct sitter *sitter)
{
    let_leave(sitter); /* the same steps */
}

/* It is inside, for the second time. */
static void end(struct sitter *sitter)
{
    sem_post(&sitter->go);
    pthread_join(sitter->thread, NULL);
    sem_destroy(&sitter->go);
    sem_destroy(&sitter->done);
}

static void others_sections_are_waited_for(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    struct sitter sitter;
    start(&sitter, LDR_EPOCH_NODE);
    for (int i = 0; i < 100; i++)
        retire(new_object(&freed, 1));
    assert_int_equal(freed, 0);
    let_leave(&sitter);
    ldr_epoch_barrier();
    assert_int_equal(freed, 100);
    let_enter(&sitter);
    end(&sitter);
}

static void idle_threads_keep_little(void **state)
{
    (void)state;
    atomic_uint freed = 0;
    struct sitter sitter;
    start(&sitter, LDR_EPOCH_NODE);
    let_leave(&sitter);
    for (unsigned i = 0; i < 100; i++) {
        retire(new_object(&freed, 1));
        assert_true(i - freed < 4);
    }
    ldr_epoch_barrier();
    let_enter(&sitter);
    end(&sitter);
}

/* How often of ten times the epoch moves. */
static int moves(enum ldr_epoch_domain domain, bool force)
{
    int moved = 0;
    for (int i = 0; i < 10; i++)
        moved += ldr_epoch_advance(domain, force);
    return moved;
}

static void a_tag_passes_with_the_second_move(void **state)
{
    (void)state;
    for (enum ldr_epoch_domain domain = 0; domain < LDR_EPOCH_DOMAINS; domain++) {
        uint64_t tag = ldr_epoch_tag(domain);
        assert_true(tag >= 1);
        assert_false(ldr_epoch_passed(domain, tag));
        assert_true(ldr_epoch_advance(domain, false));
        assert_false(ldr_epoch_passed(domain, tag));
        assert_true(ldr_epoch_tag(domain) > tag);
        assert_true(ldr_epoch_advance(domain, false));
        assert_true(ldr_epoch_passed(domain, tag));
    }
}

static void the_caller_itself_needs_no_force(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        ldr_epoch_enter(LDR_EPOCH_STORE);
        ldr_epoch_exit(LDR_EPOCH_STORE);
        assert_int_equal(moves(LDR_EPOCH_STORE, false), 10);
    }
}

static void a_thread_in_a_section_holds_the_epoch_back(void **state)
{
    (void)state;
    for (enum ldr_epoch_domain domain = 0; domain < LDR_EPOCH_DOMAINS; domain++) {
        struct sitter sitter;
        start(&sitter, domain);
        uint64_t tag = ldr_epoch_tag(domain);
        assert_true(moves(domain, true) <= 1);
        assert_false(ldr_epoch_passed(domain, tag));
        let_leave(&sitter);
        assert_int_equal(moves(domain, true), 10);
        assert_true(ldr_epoch_passed(domain, tag));
        let_enter(&sitter); /* after it was parked */
        tag = ldr_epoch_tag(domain);
        assert_true(moves(domain, true) <= 1);
        assert_false(ldr_epoch_passed(domain, tag));
        end(&sitter);
    }
}

static void an_idle_thread_is_parked_by_force_and_only_once(void **state)
{
    (void)state;
    struct sitter sitter;
    start(&sitter, LDR_EPOCH_STORE);
    let_leave(&sitter);
    assert_true(moves(LDR_EPOCH_STORE, false) <= 1);
    assert_false(ldr_epoch_advance(LDR_EPOCH_STORE, false));
    unsigned before = membarriers;
    assert_int_equal(moves(LDR_EPOCH_STORE, true), 10);
    assert_true(membarriers - before <= 1);
    assert_int_equal(moves(LDR_EPOCH_STORE, false), 10);
    let_enter(&sitter);
    end(&sitter);
}

/* As when a filter of system calls was set meanwhile. */
static void without_a_barrier_nobody_is_parked(void **state)
{
    (void)state;
    bool never = membarrier_fails;
    struct sitter sitter;
    start(&sitter, LDR_EPOCH_STORE);
    let_leave(&sitter);
    unsigned before = membarriers;
    membarrier_fails = true;
    int moved = moves(LDR_EPOCH_STORE, true);
    membarrier_fails = never;
    if (membarriers == before) { /* where there is none, the barriers are the readers' */
        assert_int_equal(moved, 10);
    } else {
        assert_false(never);
        assert_true(moved <= 1);
        assert_int_equal(moves(LDR_EPOCH_STORE, true), 10);
    }
    let_enter(&sitter);
    end(&sitter);
}

static struct sitter *awakened;

static void enter_again(void)
{
    let_enter(awakened);
}

static void one_who_enters_while_being_parked_is_not_overlooked(void **state)
{
    (void)state;
    struct sitter sitter, idle;
    start(&idle, LDR_EPOCH_STORE);
    start(&sitter, LDR_EPOCH_STORE);
    let_leave(&sitter);
    let_leave(&idle);
    moves(LDR_EPOCH_STORE, false); /* to where both are behind */
    awakened = &sitter;
    during_membarrier = enter_again;
    assert_true(ldr_epoch_advance(LDR_EPOCH_STORE, true)); /* it begins in the epoch that ends now */
    if (during_membarrier != NULL) {                       /* no such call is made */
        during_membarrier = NULL;
        let_enter(&sitter);
    }
    uint64_t tag = ldr_epoch_tag(LDR_EPOCH_STORE);
    assert_true(moves(LDR_EPOCH_STORE, true) <= 1);
    assert_false(ldr_epoch_passed(LDR_EPOCH_STORE, tag));
    end(&sitter);
    assert_int_equal(moves(LDR_EPOCH_STORE, true), 10);
    let_enter(&idle);
    end(&idle);
}

static void domains_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct sitter sitter;
    for (enum ldr_epoch_domain domain = 0; domain < LDR_EPOCH_DOMAINS; domain++) {
        enum ldr_epoch_domain other = domain == LDR_EPOCH_NODE ? LDR_EPOCH_STORE : LDR_EPOCH_NODE;
        start(&sitter, domain);
        ldr_epoch_enter(domain);
        assert_int_equal(moves(other, true), 10);
        ldr_epoch_exit(domain);
        let_leave(&sitter);
        let_enter(&sitter);
        end(&sitter);
    }
}

static void an_inner_section_ends_nothing(void **state)
{
    (void)state;
    for (enum ldr_epoch_domain domain = 0; domain < LDR_EPOCH_DOMAINS; domain++) {
        ldr_epoch_enter(domain);
        uint64_t tag = ldr_epoch_tag(domain);
        for (int i = 0; i < 10; i++) {
            ldr_epoch_enter(domain);
            moves(domain, true);
            ldr_epoch_exit(domain);
            moves(domain, true);
        }
        assert_false(ldr_epoch_passed(domain, tag));
        ldr_epoch_exit(domain);
        assert_int_equal(moves(domain, true), 10);
    }
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

static pthread_key_t late;
static atomic_int late_sections, late_failures;
static _Thread_local int late_rounds;

/*
 * Comes three times: the thread has been taken off the list meanwhile. Not a fourth, the last, after which the thread is
 * unknown to ThreadSanitizer.
 */
static void enter_late(void *arg)
{
    ldr_epoch_enter(LDR_EPOCH_STORE);
    uint64_t tag = ldr_epoch_tag(LDR_EPOCH_STORE);
    ldr_epoch_enter(LDR_EPOCH_STORE);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    moves(LDR_EPOCH_STORE, true);
    if (ldr_epoch_passed(LDR_EPOCH_STORE, tag))
        atomic_fetch_add(&late_failures, 1);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    atomic_fetch_add(&late_sections, 1);
    if (++late_rounds < 3)
        pthread_setspecific(late, arg);
}

static void *enter_and_be_late(void *arg)
{
    ldr_epoch_enter(LDR_EPOCH_STORE);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    pthread_setspecific(late, arg);
    return NULL;
}

static void sections_of_a_thread_that_is_ending_are_safe(void **state)
{
    (void)state;
    assert_int_equal(pthread_key_create(&late, enter_late), 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, enter_and_be_late, &late), 0);
        pthread_join(thread, NULL);
        assert_int_equal(moves(LDR_EPOCH_STORE, false), 10);
    }
    pthread_key_delete(late);
    assert_int_equal(late_sections, 60);
    assert_int_equal(late_failures, 0);
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
    return freed == 10 && moves(LDR_EPOCH_STORE, false) == 10 ? 0 : 2;
}

/* Must be the first test: the key is made with the first section. */
static void readers_without_a_key_are_safe_too(void **state)
{
    (void)state;
    assert_int_equal(in_child(without_a_key), 0);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_without_a_key_are_safe_too),
        cmocka_unit_test(without_readers_little_is_kept),
        cmocka_unit_test(free_may_retire),
        cmocka_unit_test(own_section_keeps_what_it_retires),
        cmocka_unit_test(others_sections_are_waited_for),
        cmocka_unit_test(idle_threads_keep_little),
        cmocka_unit_test(a_tag_passes_with_the_second_move),
        cmocka_unit_test(the_caller_itself_needs_no_force),
        cmocka_unit_test(a_thread_in_a_section_holds_the_epoch_back),
        cmocka_unit_test(an_idle_thread_is_parked_by_force_and_only_once),
        cmocka_unit_test(without_a_barrier_nobody_is_parked),
        cmocka_unit_test(one_who_enters_while_being_parked_is_not_overlooked),
        cmocka_unit_test(domains_do_not_wait_for_each_other),
        cmocka_unit_test(an_inner_section_ends_nothing),
        cmocka_unit_test(readers_never_see_what_was_freed),
        cmocka_unit_test(threads_that_end_hold_nothing_up),
        cmocka_unit_test(sections_of_a_thread_that_is_ending_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return in_both_modes(run);
}
