/* Closing a node while threads use it in every way: each call is answered, and nothing is touched that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "larder/larder.h"
#include "larder/plugin/loader.h"

enum { THREADS = 6, ROUNDS = 40 };

struct round {
    struct larder_node *node;
    struct larder_group *group; /* its handle keeps the node's memory while it is closed */
    struct larder_config *config;
    _Atomic unsigned started;
    _Atomic bool over;
    _Atomic unsigned asked, answered;
};

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)timeout_ms;
    nanosleep(&(struct timespec){0, 200000}, NULL);
    return larder_loaded_set(loaded, key, key_size, 0);
}

static void answered(void *arg, enum larder_status status, struct larder_value *value)
{
    struct round *round = arg;
    assert_true((status == LARDER_OK) == (value != NULL));
    larder_value_release(value);
    atomic_fetch_add(&round->answered, 1);
}

static void use(struct round *round, unsigned kind, unsigned i)
{
    struct larder_value *value;
    struct larder_statistics stats;
    struct larder_group *other;
    unsigned key = i % 50;
    switch (kind) {
    case 0:
        if (larder_get(round->group, &key, sizeof key, i % 2, &value) == LARDER_OK)
            larder_value_release(value);
        break;
    case 1:
        larder_set(round->group, &key, sizeof key, "value", 5, 0, 0);
        larder_delete(round->group, &key, sizeof key, 0);
        break;
    case 2:
        atomic_fetch_add(&round->asked, 1);
        larder_get_async(round->group, &key, sizeof key, 1 + i % 2, answered, round);
        break;
    case 3:
        larder_group_stats(round->group, &stats);
        larder_group_set_max_bytes(round->group, (1u << 20) + i);
        larder_group_clear(round->group);
        break;
    case 4:
        other = larder_group_open(round->node, "other", &(struct larder_group_options){.load = load});
        if (other != NULL && larder_get(other, &key, sizeof key, 1, &value) == LARDER_OK)
            larder_value_release(value);
        larder_group_drop(round->node, "other");
        larder_group_close(other);
        break;
    default: larder_node_reload(round->node, round->config); break;
    }
}

struct user {
    struct round *round;
    unsigned kind;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct user *user = arg;
    struct round *round = user->round;
    atomic_fetch_add(&round->started, 1);
    for (unsigned i = 0; !atomic_load(&round->over); i++)
        use(round, user->kind, i);
    return NULL;
}

static struct larder_config *new_config(void)
{
    static const char text[] = "{node: {workers: 2, log_level: error, drain_timeout: 0ms},\n"
                               " groups: [{name: configured, max_bytes: 1MiB}]}";
    struct larder_config *config = larder_config_new();
    assert_non_null(config);
    assert_int_equal(larder_config_parse(config, text, sizeof text - 1, "test"), LARDER_OK);
    return config;
}

static void a_node_closes_under_everything(void **unused)
{
    (void)unused;
    struct larder_config *config = new_config();
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct round round = {.node = larder_node_open(config), .config = config};
        struct user users[THREADS];
        assert_non_null(round.node);
        round.group = larder_group_open(round.node, "g",
                                        &(struct larder_group_options){.negative_ttl_ms = 1, .load = load});
        assert_non_null(round.group);
        for (unsigned j = 0; j < THREADS; j++) {
            users[j] = (struct user){.round = &round, .kind = j};
            assert_int_equal(pthread_create(&users[j].thread, NULL, run, &users[j]), 0);
        }
        while (atomic_load(&round.started) < THREADS)
            sched_yield();
        nanosleep(&(struct timespec){0, (long)(i % 8) * 500000}, NULL);
        larder_node_close(round.node);
        atomic_store(&round.over, true);
        for (unsigned j = 0; j < THREADS; j++)
            pthread_join(users[j].thread, NULL);
        assert_int_equal(round.answered, round.asked);
        larder_group_close(round.group);
    }
    larder_config_free(config);
}

/* ------------------------------------------------------------------------------------------------ a loader module */

/* Answers every other load at once, the others from a thread of its own or, when it is closed, with a failure. */
struct slow {
    pthread_mutex_t lock;
    pthread_cond_t change;
    pthread_t thread;
    struct larder_load *loads[1000]; /* that wait */
    size_t count, seen;
    bool closing;
};

static void give(struct larder_load *load, enum larder_status status)
{
    load->done(load, &(struct larder_load_result){.status = status, .value = load->key});
}

static void *serve(void *arg)
{
    struct slow *slow = arg;
    pthread_mutex_lock(&slow->lock);
    while (!slow->closing || slow->count > 0) {
        if (slow->count == 0) {
            pthread_cond_wait(&slow->change, &slow->lock);
            continue;
        }
        struct larder_load *load = slow->loads[--slow->count];
        enum larder_status status = slow->closing ? LARDER_LOAD_FAILED : LARDER_OK;
        pthread_mutex_unlock(&slow->lock);
        give(load, status);
        pthread_mutex_lock(&slow->lock);
    }
    pthread_mutex_unlock(&slow->lock);
    return NULL;
}

static void *open_slow(const struct larder_host *host, const struct larder_param_value *params)
{
    (void)host;
    (void)params;
    struct slow *slow = calloc(1, sizeof *slow);
    assert_non_null(slow);
    pthread_mutex_init(&slow->lock, NULL);
    pthread_cond_init(&slow->change, NULL);
    assert_int_equal(pthread_create(&slow->thread, NULL, serve, slow), 0);
    return slow;
}

static void load_slow(void *state, struct larder_load *load)
{
    struct slow *slow = state;
    pthread_mutex_lock(&slow->lock);
    bool later = slow->seen++ % 2 == 0 && slow->count < sizeof slow->loads / sizeof *slow->loads;
    if (later) {
        slow->loads[slow->count++] = load;
        pthread_cond_signal(&slow->change);
    }
    pthread_mutex_unlock(&slow->lock);
    if (!later)
        give(load, LARDER_OK);
}

static void close_slow(void *state)
{
    struct slow *slow = state;
    pthread_mutex_lock(&slow->lock);
    slow->closing = true;
    pthread_cond_signal(&slow->change);
    pthread_mutex_unlock(&slow->lock);
    pthread_join(slow->thread, NULL);
    pthread_cond_destroy(&slow->change);
    pthread_mutex_destroy(&slow->lock);
    free(slow);
}

static const struct larder_loader slow_loader = {
    .head = {LARDER_PLUGIN_LOADER, LARDER_LOADER_ABI, sizeof slow_loader, "slow", "the key itself", NULL},
    .open = open_slow,
    .load = load_slow,
    .close = close_slow,
};

static struct larder_config *slow_config(const char *groups)
{
    char text[256];
    snprintf(text, sizeof text, "{node: {log_level: error, drain_timeout: 0ms}, groups: [%s]}", groups);
    struct larder_config *config = larder_config_new();
    assert_non_null(config);
    assert_int_equal(larder_config_add_plugin(config, &slow_loader.head), LARDER_OK);
    assert_int_equal(larder_config_parse(config, text, strlen(text), "test"), LARDER_OK);
    return config;
}

static void *get_all(void *arg)
{
    struct round *round = arg;
    for (unsigned i = 0; !atomic_load(&round->over); i++) {
        struct larder_value *value = NULL;
        unsigned key = i % 500;
        enum larder_status status = larder_get(round->group, &key, sizeof key, i % 3 == 0 ? 1 : 30000, &value);
        assert_true((status == LARDER_OK) == (value != NULL));
        assert_true(status == LARDER_OK || status == LARDER_LOAD_FAILED || status == LARDER_NO_GROUP ||
                    status == LARDER_DEADLINE || status == LARDER_UNAVAILABLE);
        if (status == LARDER_OK)
            assert_memory_equal(larder_value_data(value), &key, sizeof key);
        larder_value_release(value);
        atomic_fetch_add(&round->answered, 1);
    }
    return NULL;
}

static void groups_come_and_go_while_a_module_loads(void **unused)
{
    (void)unused;
    struct larder_config *with = slow_config("{name: g, max_bytes: 64KiB, loader: slow}"), *without = slow_config("");
    struct round round = {.node = larder_node_open(with)};
    assert_non_null(round.node);
    round.group = larder_group_open(round.node, "g", NULL);
    assert_non_null(round.group);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_all, &round), 0);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        unsigned answered = atomic_load(&round.answered);
        while (atomic_load(&round.answered) - answered < 100)
            sched_yield();
        assert_int_equal(larder_node_reload(round.node, i % 2 == 0 ? without : with), LARDER_OK);
    }
    larder_node_close(round.node);
    atomic_store(&round.over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    larder_group_close(round.group);
    larder_config_free(with);
    larder_config_free(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_closes_under_everything),
        cmocka_unit_test(groups_come_and_go_while_a_module_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
