/* The loop: every posted task runs once, on its thread, in the order of its poster, and closing waits for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plugins/transport/common/loop.h"

#define POSTERS 4
#define TASKS   20000

struct record {
    struct tp_task task; /* first: run() is given its address */
    struct tp_loop *loop;
    int *last; /* number of the poster's task that ran last */
    int number;
    int *wrong;
};

static void check_order(struct tp_task *task)
{
    struct record *record = (struct record *)task;
    if (*record->last != record->number - 1 || !tp_loop_inside(record->loop))
        ++*record->wrong;
    *record->last = record->number;
}

struct poster {
    struct record *records;
    int last, wrong;
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < TASKS; i++)
        tp_loop_post(poster->records[i].loop, &poster->records[i].task);
    return NULL;
}

static void tasks_of_one_thread_keep_their_order(void **state)
{
    (void)state;
    struct tp_loop *loop = tp_loop_open();
    assert_non_null(loop);
    assert_false(tp_loop_inside(loop));
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (int p = 0; p < POSTERS; p++) {
        posters[p] = (struct poster){.records = calloc(TASKS, sizeof(struct record)), .last = -1};
        assert_non_null(posters[p].records);
        for (int i = 0; i < TASKS; i++)
            posters[p].records[i] = (struct record){{check_order, NULL}, loop, &posters[p].last, i, &posters[p].wrong};
    }
    for (int p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_create(&threads[p], NULL, post_all, &posters[p]), 0);
    for (int p = 0; p < POSTERS; p++)
        pthread_join(threads[p], NULL);
    tp_loop_close(loop);
    for (int p = 0; p < POSTERS; p++) {
        assert_int_equal(posters[p].last, TASKS - 1);
        assert_int_equal(posters[p].wrong, 0);
        free(posters[p].records);
    }
}

struct chain {
    struct tp_task task; /* first */
    struct tp_loop *loop;
    int left;
};

static void post_again(struct tp_task *task)
{
    struct chain *chain = (struct chain *)task;
    if (chain->left-- > 0)
        tp_loop_post(chain->loop, task);
}

static void tasks_posted_by_tasks_run_before_it_is_closed(void **state)
{
    (void)state;
    struct chain chain = {{post_again, NULL}, tp_loop_open(), 1000};
    assert_non_null(chain.loop);
    tp_loop_post(chain.loop, &chain.task);
    tp_loop_close(chain.loop);
    assert_int_equal(chain.left, -1);
}

struct signal {
    struct tp_task task; /* first */
    sem_t semaphore;
};

static void post_semaphore(struct tp_task *task)
{
    sem_post(&((struct signal *)task)->semaphore);
}

/* A poster may still be on its way out of tp_loop_post() when its task has run and the loop is closed for that. */
static void it_can_be_closed_as_soon_as_a_task_has_run(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        struct signal signal = {{post_semaphore, NULL}, {{0}}};
        sem_init(&signal.semaphore, 0, 0);
        struct tp_loop *loop = tp_loop_open();
        assert_non_null(loop);
        tp_loop_post(loop, &signal.task);
        sem_wait(&signal.semaphore);
        tp_loop_close(loop);
        sem_destroy(&signal.semaphore);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    sem_post(arg);
}

struct starter {
    struct tp_task task; /* first */
    struct tp_loop *loop;
    struct event *timer;
    sem_t fired;
};

static void start_timer(struct tp_task *task)
{
    struct starter *starter = (struct starter *)task;
    struct timeval soon = {0, 1000};
    starter->timer = event_new(tp_loop_base(starter->loop), -1, 0, on_timer, &starter->fired);
    event_add(starter->timer, &soon);
}

static void stop_timer(struct tp_task *task)
{
    event_free(((struct starter *)task)->timer);
}

static void events_of_its_base_fire(void **state)
{
    (void)state;
    struct starter starter = {{start_timer, NULL}, tp_loop_open(), NULL, {{0}}};
    assert_non_null(starter.loop);
    sem_init(&starter.fired, 0, 0);
    tp_loop_post(starter.loop, &starter.task);
    sem_wait(&starter.fired);
    starter.task.run = stop_timer;
    tp_loop_post(starter.loop, &starter.task);
    tp_loop_close(starter.loop);
    sem_destroy(&starter.fired);
    tp_loop_close(NULL);
}

#define RESTLESS 100000

/* An event that makes itself ready again and again, beside one whose file is readable from the beginning. */
struct restless {
    struct tp_task task;
    struct tp_loop *loop;
    struct event *again, *readable;
    int fd, count, seen_after; /* of `again` */
    sem_t over;
};

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct restless *restless = arg;
    if (++restless->count < RESTLESS)
        event_active(restless->again, EV_TIMEOUT, 1);
    else
        sem_post(&restless->over);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct restless *restless = arg;
    restless->seen_after = restless->count;
}

static void start_restless(struct tp_task *task)
{
    struct restless *restless = (struct restless *)task;
    struct event_base *base = tp_loop_base(restless->loop);
    restless->again = event_new(base, -1, 0, on_again, restless);
    restless->readable = event_new(base, restless->fd, EV_READ, on_readable, restless);
    event_add(restless->readable, NULL);
    event_active(restless->again, EV_TIMEOUT, 1);
}

static void stop_restless(struct tp_task *task)
{
    struct restless *restless = (struct restless *)task;
    event_free(restless->again);
    event_free(restless->readable);
}

static void who_is_always_ready_leaves_others_their_turn(void **state)
{
    (void)state;
    struct restless restless = {
        .task = {start_restless, NULL}, .loop = tp_loop_open(), .fd = eventfd(1, EFD_CLOEXEC), .seen_after = RESTLESS};
    assert_non_null(restless.loop);
    assert_true(restless.fd >= 0);
    sem_init(&restless.over, 0, 0);
    tp_loop_post(restless.loop, &restless.task);
    sem_wait(&restless.over);
    restless.task.run = stop_restless;
    tp_loop_post(restless.loop, &restless.task);
    tp_loop_close(restless.loop);
    assert_true(restless.seen_after < 1000);
    sem_destroy(&restless.over);
    close(restless.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_one_thread_keep_their_order),
        cmocka_unit_test(tasks_posted_by_tasks_run_before_it_is_closed),
        cmocka_unit_test(it_can_be_closed_as_soon_as_a_task_has_run),
        cmocka_unit_test(events_of_its_base_fire),
        cmocka_unit_test(who_is_always_ready_leaves_others_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
