/* The "http" loader while allocations fail: a load is lost, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "larder/plugin/loader.h"

#define LOADS 20
#define SIZE  30000 /* bytes of the origin's answer */

extern const struct larder_loader larder_plugin_table__loader_http;
static const struct larder_loader *const table = &larder_plugin_table__loader_http;

/* ------------------------------------------------------------------------------------------------ allocations */

static _Thread_local bool exempt; /* the test's own threads */
static atomic_size_t allocations, failures, failing;
static atomic_uint every; /* the first of so many fails; 0: the one with the number `failing` */

static bool fails(void)
{
    if (exempt)
        return false;
    size_t number = atomic_fetch_add(&allocations, 1);
    unsigned n = atomic_load(&every);
    if (n > 0 ? number % n != 0 : number != atomic_load(&failing))
        return false;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return true;
}

static void fail_no_more(void)
{
    atomic_store(&every, 0);
    atomic_store(&failing, SIZE_MAX);
}

#define WRAP(type, name, parameters, ...)                                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails() ? NULL : __real_##name(__VA_ARGS__);                                                            \
    }

WRAP(void *, malloc, (size_t size), size)
WRAP(void *, calloc, (size_t count, size_t size), count, size)
WRAP(void *, realloc, (void *old, size_t size), old, size)
WRAP(char *, strdup, (const char *text), text)

int __wrap_asprintf(char **text, const char *format, ...) LARDER_PRINTF(2, 3);
int __wrap_asprintf(char **text, const char *format, ...)
{
    if (fails())
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

/* ------------------------------------------------------------------------------------------------ the origin */

struct origin {
    int fd;
    char url[64];
    pthread_t thread;
};

/* Answers one connection after another with the same value, and closes each. */
static void *serve(void *arg)
{
    exempt = true;
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    char buffer[SIZE];
    int fd;
    while ((fd = accept(((struct origin *)arg)->fd, NULL, NULL)) >= 0) {
        bool asked = recv(fd, buffer, sizeof buffer, 0) > 0; /* the request is one small packet */
        memset(buffer, 'v', sizeof buffer);
        if (asked && send(fd, head, sizeof head - 1, MSG_NOSIGNAL) > 0)
            (void)!send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static void start_origin(struct origin *origin)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof place;
    origin->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(origin->fd, (struct sockaddr *)&place, size), 0);
    assert_int_equal(listen(origin->fd, 128), 0);
    assert_int_equal(getsockname(origin->fd, (struct sockaddr *)&place, &size), 0);
    snprintf(origin->url, sizeof origin->url, "http://127.0.0.1:%u/{key}", ntohs(place.sin_port));
    assert_int_equal(pthread_create(&origin->thread, NULL, serve, origin), 0);
}

static void stop_origin(struct origin *origin)
{
    shutdown(origin->fd, SHUT_RDWR);
    pthread_join(origin->thread, NULL);
    close(origin->fd);
}

/* ------------------------------------------------------------------------------------------------ loads */

static uint64_t clock_now(const struct larder_runtime *runtime)
{
    (void)runtime;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static enum larder_status host_fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    (void)host;
    (void)format;
    return status;
}

static const struct larder_runtime runtime = {.now = clock_now};
static const struct larder_host host = {.fail = host_fail, .runtime = &runtime, .node_name = "test"};

/* With the table's defaults but for what is given here. */
static void *open_loader(const char *url)
{
    static const struct larder_param_value header = {.string = "X-Test: yes"};
    struct larder_param_value values[16] = {0};
    size_t count = 0;
    for (const struct larder_param *row = table->head.params; row->name != NULL; row++, count++) {
        struct larder_param_value *value = &values[count];
        *value = (struct larder_param_value){.name = row->name, .string = row->default_text};
        if (strcmp(row->name, "url") == 0)
            value->string = url;
        else if (strcmp(row->name, "headers") == 0)
            value->items = &header, value->count = 1;
        else if (strcmp(row->name, "max_connections") == 0)
            value->integer = 4;
        else if (row->type == LARDER_PARAM_DURATION)
            value->integer = 60000;
    }
    exempt = false;
    void *loader = table->open(&host, values);
    exempt = true;
    return loader;
}

struct batch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int left;
};

struct outcome {
    struct larder_load load;
    struct batch *batch;
    int completions;
    enum larder_status status;
};

static void completed(struct larder_load *load, const struct larder_load_result *result)
{
    struct outcome *outcome = (struct outcome *)(void *)load;
    struct batch *batch = outcome->batch;
    pthread_mutex_lock(&batch->lock);
    outcome->completions++;
    outcome->status = result->status;
    if (result->status == LARDER_OK && result->value.size != SIZE)
        abort();
    batch->left--;
    pthread_cond_signal(&batch->changed);
    pthread_mutex_unlock(&batch->lock);
}

/* Many loads at a time. How many were answered; each was completed once. */
static int load_many(void *loader)
{
    struct batch batch = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = LOADS};
    struct outcome outcomes[LOADS] = {0};
    for (int i = 0; i < LOADS; i++) {
        outcomes[i].batch = &batch;
        outcomes[i].load = (struct larder_load){.group = {"g", 1},
                                                .key = {"key", 3},
                                                .deadline = larder_deadline_in(&runtime, 60000),
                                                .max_value = 1 << 20,
                                                .done = completed};
        exempt = false;
        table->load(loader, &outcomes[i].load);
        exempt = true;
    }
    pthread_mutex_lock(&batch.lock);
    while (batch.left > 0)
        pthread_cond_wait(&batch.changed, &batch.lock);
    pthread_mutex_unlock(&batch.lock);
    int answered = 0;
    for (int i = 0; i < LOADS; i++) {
        assert_int_equal(outcomes[i].completions, 1);
        answered += outcomes[i].status == LARDER_OK;
        if (outcomes[i].status != LARDER_OK)
            assert_int_equal(outcomes[i].status, LARDER_LOAD_FAILED);
    }
    return answered;
}

/* ------------------------------------------------------------------------------------------------ tests */

static void loads_are_completed_whichever_allocations_fail(void **state)
{
    (void)state;
    struct origin origin;
    start_origin(&origin);
    fail_no_more();
    for (unsigned n = 1; n <= 12; n++) {
        void *loader = open_loader(origin.url);
        assert_non_null(loader);
        size_t before = atomic_load(&failures);
        atomic_store(&every, n);
        load_many(loader);
        fail_no_more();
        assert_true(atomic_load(&failures) > before);
        assert_int_equal(load_many(loader), LOADS);
        table->close(loader);
    }
    stop_origin(&origin);
}

static void opening_says_no(void **state)
{
    (void)state;
    bool reached = true;
    size_t refused = 0;
    for (size_t n = 0; reached; n++) {
        atomic_store(&allocations, 0);
        atomic_store(&failing, n);
        void *loader = open_loader("http://127.0.0.1:1/{key}");
        reached = atomic_load(&allocations) > n;
        fail_no_more();
        assert_int_equal(loader == NULL, reached);
        refused += reached;
        table->close(loader);
    }
    assert_true(refused > 3); /* the allocations do go through here */
}

int main(void)
{
    exempt = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_are_completed_whichever_allocations_fail),
        cmocka_unit_test(opening_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
