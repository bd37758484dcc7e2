/* Connecting: one address after the other, names on a worker, in time, and given up at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netdb.h>
#include <netinet/tcp.h>

#include "client_kit.h"
#include "sockets.h"

#include "plugins/transport/common/dial.h"

/* A dialler and its dials, all on the loop's thread; the test's own waits for them. */
struct phone {
    struct workers workers;
    struct larder_runtime runtime;
    struct tp_loop *loop;
    struct tp_address address;
    struct tp_dialler dialler;
    struct tp_dial dials[4];
    int started; /* of them */
    bool again;  /* what fails is dialled once more, at once */
    struct tp_task task;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool ran, closed;
    int done;
    int fds[4];
    char reasons[4][TP_REASON];
};

static void tell(struct phone *phone, bool *flag)
{
    pthread_mutex_lock(&phone->lock);
    *flag = true;
    pthread_cond_broadcast(&phone->changed);
    pthread_mutex_unlock(&phone->lock);
}

static void wait_for_flag(struct phone *phone, const bool *flag)
{
    pthread_mutex_lock(&phone->lock);
    while (!*flag)
        pthread_cond_wait(&phone->changed, &phone->lock);
    pthread_mutex_unlock(&phone->lock);
}

static void wait_for_done(struct phone *phone, int wanted)
{
    pthread_mutex_lock(&phone->lock);
    while (phone->done < wanted)
        pthread_cond_wait(&phone->changed, &phone->lock);
    pthread_mutex_unlock(&phone->lock);
}

/* Runs a step on the loop's thread and waits for it. */
static void step(struct phone *phone, void (*run)(struct tp_task *task))
{
    phone->task.run = run;
    phone->ran = false;
    tp_loop_post(phone->loop, &phone->task);
    wait_for_flag(phone, &phone->ran);
}

static struct phone *open_phone(const char *address, uint64_t timeout_ms)
{
    struct phone *phone = calloc(1, sizeof *phone);
    assert_non_null(phone);
    phone->runtime = (struct larder_runtime){.state = &phone->workers, .now = clock_now, .work = work};
    phone->loop = tp_loop_open();
    assert_non_null(phone->loop);
    char reason[TP_REASON];
    assert_true(tp_address_parse(address, &phone->address, reason));
    pthread_mutex_init(&phone->lock, NULL);
    pthread_cond_init(&phone->changed, NULL);
    tp_dialler_open(&phone->dialler, phone->loop, &phone->runtime, &phone->address, timeout_ms);
    return phone;
}

static void on_closed(struct tp_dialler *dialler)
{
    struct phone *phone = TP_OWNER(dialler, struct phone, dialler);
    tell(phone, &phone->closed);
}

static void run_close(struct tp_task *task)
{
    struct phone *phone = TP_OWNER(task, struct phone, task);
    for (int i = 0; i < phone->started; i++)
        tp_dial_cancel(&phone->dials[i]); /* those that are done do not mind */
    tell(phone, &phone->ran);
    tp_dialler_close(&phone->dialler, on_closed);
}

static void close_phone(struct phone *phone)
{
    step(phone, run_close);
    wait_for_flag(phone, &phone->closed);
    tp_loop_close(phone->loop);
    for (size_t i = 0; i < phone->workers.count; i++)
        pthread_join(phone->workers.threads[i], NULL);
    for (int i = 0; i < phone->started; i++)
        if (phone->fds[i] > 0)
            close(phone->fds[i]);
    pthread_cond_destroy(&phone->changed);
    pthread_mutex_destroy(&phone->lock);
    free(phone);
}

static void on_done(struct tp_dial *dial, int fd, const char *reason)
{
    struct phone *phone = TP_OWNER(dial->dialler, struct phone, dialler);
    if (fd < 0 && phone->again) {
        phone->again = false;
        tp_dial_start(dial, dial->dialler, on_done);
        return;
    }
    size_t index = (size_t)(dial - phone->dials);
    pthread_mutex_lock(&phone->lock);
    phone->fds[index] = fd;
    snprintf(phone->reasons[index], TP_REASON, "%s", reason != NULL ? reason : "");
    phone->done++;
    pthread_cond_broadcast(&phone->changed);
    pthread_mutex_unlock(&phone->lock);
}

static void run_dial(struct tp_task *task)
{
    struct phone *phone = TP_OWNER(task, struct phone, task);
    tp_dial_start(&phone->dials[phone->started++], &phone->dialler, on_done);
    tell(phone, &phone->ran);
}

static void assert_connected(struct phone *phone, int index)
{
    assert_string_equal(phone->reasons[index], "");
    assert_true(phone->fds[index] >= 0);
    int on = 0, error = 0;
    socklen_t size = sizeof on;
    assert_int_equal(getsockopt(phone->fds[index], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    assert_int_equal(getsockopt(phone->fds[index], SOL_SOCKET, SO_ERROR, &error, &size), 0);
    assert_int_equal(error, 0);
}

static void assert_not(struct phone *phone, int index, const char *words)
{
    assert_int_equal(phone->fds[index], -1);
    if (strstr(phone->reasons[index], words) == NULL)
        fail_msg("got \"%s\", wanted \"%s\"", phone->reasons[index], words);
}

static void set_place(struct tp_addresses *addresses, size_t index, unsigned port)
{
    struct sockaddr_in place = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    memcpy(&addresses->at[index].place, &place, sizeof place);
    addresses->at[index].size = sizeof place;
    addresses->count = index + 1;
}

/* ------------------------------------------------------------------------------------------------ addresses */

static void the_next_address_is_tried(void **state)
{
    (void)state;
    unsigned refusing, full, port;
    int bound = server_bind(&refusing), silent = server_listen(0, &full), listener = server_listen(8, &port);
    int fds[16];
    int count = fill_backlog(full, fds, 16);
    struct phone *phone = open_phone("127.0.0.1:1", 600);
    set_place(&phone->dialler.addresses, 0, refusing);
    set_place(&phone->dialler.addresses, 1, full); /* costs its share of the time, and no more */
    set_place(&phone->dialler.addresses, 2, port);
    step(phone, run_dial);
    step(phone, run_dial);
    wait_for_done(phone, 2);
    assert_connected(phone, 0);
    assert_connected(phone, 1);
    close_phone(phone);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(bound);
    close(silent);
    close(listener);
}

static void when_none_is_left_the_last_reason_is_told(void **state)
{
    (void)state;
    unsigned refusing, full;
    int bound = server_bind(&refusing), silent = server_listen(0, &full);
    int fds[16];
    int count = fill_backlog(full, fds, 16);
    struct phone *phone = open_phone("127.0.0.1:1", 100);
    set_place(&phone->dialler.addresses, 0, full);
    step(phone, run_dial);
    wait_for_done(phone, 1);
    assert_not(phone, 0, "cannot connect: Connection timed out");
    set_place(&phone->dialler.addresses, 0, full);
    set_place(&phone->dialler.addresses, 1, refusing);
    phone->again = true;
    step(phone, run_dial);
    wait_for_done(phone, 2);
    assert_not(phone, 1, "cannot connect: Connection refused");
    assert_false(phone->again);
    close_phone(phone);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(bound);
    close(silent);
}

static void a_dial_is_given_up_at_any_moment(void **state)
{
    (void)state;
    unsigned full;
    int silent = server_listen(0, &full), fds[16];
    int count = fill_backlog(full, fds, 16);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", full);
    for (int i = 0; i < 20; i++) {
        struct phone *phone = open_phone(i % 2 ? address : "localhost:1", 100000);
        for (int k = 0; k < 4; k++)
            step(phone, run_dial);
        if (i % 4 == 0)
            sched_yield();
        close_phone(phone);
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(silent);
}

/* ------------------------------------------------------------------------------------------------ names */

/* Longer than a part of a name may be: refused without asking anybody. */
static void a_name_that_is_none_is_looked_up_anew_each_time(void **state)
{
    (void)state;
    char address[128];
    snprintf(address, sizeof address, "%080d.example:1", 0);
    struct phone *phone = open_phone(address, 1000);
    phone->again = true;
    step(phone, run_dial);
    wait_for_done(phone, 1);
    assert_not(phone, 0, "cannot look up the name: ");
    assert_int_equal(phone->workers.count, 2);
    phone->workers.full = true;
    step(phone, run_dial);
    wait_for_done(phone, 2);
    assert_not(phone, 1, "cannot look up the name: all workers are busy");
    close_phone(phone);
}

static void after_a_failure_a_name_is_looked_up_anew(void **state)
{
    (void)state;
    unsigned refusing;
    int bound = server_bind(&refusing);
    char address[64];
    snprintf(address, sizeof address, "localhost:%u", refusing);
    struct phone *phone = open_phone(address, 10000);
    for (int i = 0; i < 3; i++) {
        step(phone, run_dial);
        wait_for_done(phone, i + 1);
        assert_int_equal(phone->fds[i], -1);
        assert_int_equal(phone->workers.count, i + 1);
    }
    close_phone(phone);
    close(bound);
}

/* A worker that waits for the test. */
static atomic_bool let_go;

static void *run_later(void *arg)
{
    struct larder_task *task = arg;
    while (!atomic_load(&let_go))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    task->run(task);
    return NULL;
}

static bool work_later(const struct larder_runtime *runtime, struct larder_task *task)
{
    struct workers *workers = runtime->state;
    return pthread_create(&workers->threads[workers->count++], NULL, run_later, task) == 0;
}

static void dials_share_a_look_up_and_closing_waits_for_it(void **state)
{
    (void)state;
    struct addrinfo *found;
    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        skip(); /* a machine without /etc/hosts knows no name that is sure to lead here */
    freeaddrinfo(found);
    for (int closing = 0; closing < 2; closing++) {
        unsigned port;
        int listener = server_listen(8, &port);
        char address[64];
        snprintf(address, sizeof address, "localhost:%u", port);
        struct phone *phone = open_phone(address, 10000);
        phone->runtime.work = work_later;
        atomic_store(&let_go, false);
        for (int i = 0; i < 3; i++)
            step(phone, run_dial);
        assert_int_equal(phone->workers.count, 1);
        if (closing) {
            step(phone, run_close);
            assert_false(phone->closed); /* the worker still has it */
            atomic_store(&let_go, true);
            wait_for_flag(phone, &phone->closed);
            assert_int_equal(phone->done, 0);
            phone->dialler.closed = NULL;
            phone->dialler.looking_up = false;
        } else {
            atomic_store(&let_go, true);
            wait_for_done(phone, 3);
            for (int i = 0; i < 3; i++)
                assert_connected(phone, i);
        }
        close_phone(phone);
        close(listener);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(when_none_is_left_the_last_reason_is_told),
        cmocka_unit_test(a_dial_is_given_up_at_any_moment),
        cmocka_unit_test(a_name_that_is_none_is_looked_up_anew_each_time),
        cmocka_unit_test(after_a_failure_a_name_is_looked_up_anew),
        cmocka_unit_test(dials_share_a_look_up_and_closing_waits_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
