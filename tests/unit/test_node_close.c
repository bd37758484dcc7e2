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
    struct larder_group_stats stats;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_closes_under_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
