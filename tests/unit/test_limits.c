/*
 * Every bound on what waits: filled by an origin or a peer that hangs it answers busy at once, what is cached is answered as
 * ever, and when it is over everything is as before.
 */
#include "origin_kit.h"

#include <pthread.h>
#include <unistd.h>

#include "core/node/stats.h"

enum { MANY = 64 };

/* Gets and sets that wait, or not; each in a place of its own. */
static struct asked {
    struct larder_request request;
    struct kit_outcome outcome;
    char key[12];
} asked[MANY * MANY];
static size_t asked_count;

static struct asked *ask_for(enum larder_operation operation, const char *key)
{
    assert_true(asked_count < sizeof asked / sizeof *asked);
    struct asked *next = &asked[asked_count++];
    snprintf(next->key, sizeof next->key, "%s", key);
    kit_ask(&next->request, operation, next->key, "x", &next->outcome);
    return next;
}

static struct asked *get(const char *key)
{
    return ask_for(LARDER_OP_GET, key);
}

static struct asked *get_number(unsigned number)
{
    char key[12];
    snprintf(key, sizeof key, "%u", number);
    return get(key);
}

static void assert_waits(const struct asked *one)
{
    assert_int_equal(one->outcome.count, 0);
}

static void assert_busy(const struct asked *one)
{
    assert_int_equal(one->outcome.count, 1);
    assert_int_equal(one->outcome.status, LARDER_BUSY);
}

static void assert_ok(const struct asked *one)
{
    assert_int_equal(one->outcome.count, 1);
    assert_int_equal(one->outcome.status, LARDER_OK);
}

static uint64_t busy_refused(void)
{
    struct ldr_node_stats stats;
    ldr_node_read_stats(kit.node, &stats);
    return stats.busy_refused;
}

static void answer_loads(void)
{
    while (origin.count > 0)
        origin_answer("630");
}

/* The last reference of a flight may be its timer's. */
static void assert_nothing_waits(void)
{
    kit_run(1);
    assert_int_equal(ldr_flights_pending(kit.node->context.flights), 0);
    assert_int_equal(ldr_tally_count(&kit.node->context.waiting), 0);
}

static int begin(void **state)
{
    (void)state;
    asked_count = 0;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ loads of a group */

static void loads_of_a_group_are_bounded(void **state)
{
    (void)state;
    origin_kit_open("max_loads: 3");
    origin_bring("cached", "630");
    for (unsigned i = 0; i < 3; i++)
        assert_waits(get_number(i));
    for (unsigned i = 3; i < 1000; i++)
        assert_busy(get_number(i));
    assert_int_equal(origin.count, 3);
    assert_int_equal(busy_refused(), 997);
    assert_waits(get_number(1)); /* joins a load that is under way */
    assert_get("cached", "630", false);
    assert_int_equal(origin_do(LARDER_OP_SET, "new", "x"), LARDER_OK);
    assert_int_equal(ldr_flights_pending(kit.node->context.flights), 3);
    origin_answer("630");
    assert_waits(get_number(2000));
    assert_busy(get_number(2001));
    answer_loads();
    for (unsigned i = 0; i < 3; i++)
        assert_ok(&asked[i]);
    assert_nothing_waits();
    assert_int_equal(origin_stats().load_errors, 0);
    kit_end();
}

static void a_load_that_hangs_takes_its_place_until_it_is_over(void **state)
{
    (void)state;
    origin_kit_open("max_loads: 1, load_timeout: 1m");
    struct asked *first = get("a");
    kit_run(6000); /* the caller has given up, the load has not */
    assert_int_equal(first->outcome.status, LARDER_DEADLINE);
    assert_busy(get("b"));
    assert_waits(get("a"));
    kit_run(60000);
    assert_int_equal(origin.count, 0);
    assert_waits(get("b"));
    answer_loads();
    assert_nothing_waits();
    kit_end();
}

static void a_running_group_is_given_another_bound(void **state)
{
    (void)state;
    bool created;
    origin_kit_open("max_loads: 1");
    assert_waits(get("a"));
    assert_busy(get("b"));
    assert_int_equal(ldr_node_put_group(kit.node, ldr_slice_text("g"), ldr_slice_text("{max_loads: 2}"), &created),
                     LARDER_OK);
    assert_waits(get("b"));
    assert_busy(get("c"));
    answer_loads();
    kit_end();
}

/* Loads that nobody waits for leave half of the places to those that somebody waits for. */
static void loads_ahead_take_half_of_the_places(void **state)
{
    (void)state;
    origin_kit_open("max_loads: 4, ttl: 1s, refresh_ahead: 0, stale_while_revalidate: 1m");
    for (unsigned i = 0; i < 8; i++) {
        struct asked *one = get_number(i);
        origin_answer("630");
        assert_ok(one);
    }
    kit_run(1000);
    for (unsigned i = 0; i < 8; i++)
        assert_get(asked[i].key, "630", true);
    assert_int_equal(origin.count, 2);
    assert_waits(get("a"));
    assert_waits(get("b"));
    assert_busy(get("c"));
    assert_int_equal(busy_refused(), 1);
    answer_loads();
    kit_end();
}

static void what_is_stale_is_answered_in_place_of_busy(void **state)
{
    (void)state;
    origin_kit_open("max_loads: 1, ttl: 1s, refresh_ahead: 0, stale_if_error: 1m");
    origin_bring("k", "630");
    kit_run(1000);
    assert_waits(get("other"));
    assert_get("k", "630", true);
    for (unsigned i = 0; i < 10; i++)
        assert_get("k", "630", true); /* which is known now, and not tried each time */
    assert_int_equal(busy_refused(), 1);
    answer_loads();
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ what waits at a node */

static void requests_that_wait_are_bounded(void **state)
{
    (void)state;
    static const char *const settings[] = {"node.log_level=error", "transports=[{plugin: kit}]", "node.max_waiting=8",
                                           "groups=[{name: g, loader: origin, load_timeout: 1m}]", NULL};
    kit_open_with(&origin_loader.head, settings);
    origin_bring("cached", "630");
    assert_waits(get("a")); /* a key has two places, its group four */
    assert_waits(get("a"));
    assert_busy(get("a"));
    assert_waits(get("b"));
    assert_waits(get("c"));
    assert_busy(get("d"));
    assert_get("cached", "630", false);
    assert_int_equal(origin.count, 3);
    assert_int_equal(busy_refused(), 2);
    kit_run(6000); /* all have given up */
    for (size_t i = 0; i < asked_count; i++)
        assert_int_equal(asked[i].outcome.count, 1);
    assert_int_equal(ldr_tally_count(&kit.node->context.waiting), 0);
    assert_waits(get("d"));
    assert_waits(get("a")); /* whose load is still under way */
    assert_waits(get("a"));
    assert_busy(get("a"));
    answer_loads();
    assert_nothing_waits();
    kit_end();
}

static enum larder_status hang(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    pthread_mutex_lock(arg);
    pthread_mutex_unlock(arg);
    return larder_loaded_set(loaded, "630", 3, 0);
}

static void count_up(void *arg, enum larder_status status, struct larder_value *value)
{
    atomic_uint *statuses = arg;
    larder_value_release(value);
    atomic_fetch_add(&statuses[status], 1);
}

/* One group may not take what others need. */
static void one_group_leaves_room_for_others(void **state)
{
    (void)state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    atomic_uint statuses[LARDER_STATUS_COUNT] = {0};
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_set(config, "node.max_waiting=12"), LARDER_OK);
    struct larder_node *node = larder_node_open(config);
    assert_non_null(node);
    const struct larder_group_options options = {.load = hang, .load_arg = &gate};
    struct larder_group *groups[] = {larder_group_open(node, "one", &options), larder_group_open(node, "two", &options),
                                     larder_group_open(node, "three", &options)};
    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < 10; i++)
        larder_get_async(groups[0], &i, sizeof i, 60000, count_up, statuses);
    assert_int_equal(statuses[LARDER_BUSY], 4);
    for (unsigned i = 0; i < 6; i++)
        larder_get_async(groups[1], &i, sizeof i, 60000, count_up, statuses);
    assert_int_equal(statuses[LARDER_BUSY], 4);
    larder_get_async(groups[2], "k", 1, 60000, count_up, statuses); /* now the node is full */
    assert_int_equal(statuses[LARDER_BUSY], 5);
    assert_int_equal(larder_config_set(config, "node.max_waiting=13"), LARDER_OK);
    assert_int_equal(larder_node_reload(node, config), LARDER_OK); /* which knows of no group, and drops none */
    larder_get_async(groups[2], "k", 1, 60000, count_up, statuses);
    assert_int_equal(statuses[LARDER_BUSY], 5);
    pthread_mutex_unlock(&gate);
    while (atomic_load(&statuses[LARDER_OK]) < 13)
        usleep(1000);
    for (unsigned i = 0; i < 3; i++)
        larder_group_close(groups[i]);
    larder_node_close(node);
    larder_config_free(config);
}

/* ------------------------------------------------------------------------------------------------ a peer */

static const char *const member[] = {KIT_MEMBER, "groups=[{name: g, loader: origin}]", "cluster.max_calls=3", NULL};

static void keys_of_the_peer(char keys[][12], unsigned count)
{
    char key[12];
    for (unsigned i = 0, found = 0; found < count; i++) {
        snprintf(key, sizeof key, "%u", i);
        struct ldr_route route = ldr_cluster_route(kit.node->context.cluster, ldr_slice_text("g"), ldr_slice_text(key));
        if (route.peer != NULL)
            memcpy(keys[found++], key, sizeof key);
        ldr_peer_release(route.peer);
    }
}

static void calls_to_a_peer_that_hangs_are_bounded(void **state)
{
    (void)state;
    char keys[MANY][12], own[12];
    kit_open_with(&origin_loader.head, member);
    kit_members(1, 2);
    keys_of_the_peer(keys, MANY);
    kit_key(true, own);
    origin_bring(own, "630");
    assert_waits(get(keys[0]));
    assert_waits(ask_for(LARDER_OP_SET, keys[1]));
    assert_waits(ask_for(LARDER_OP_DELETE, keys[2]));
    for (unsigned i = 3; i < MANY; i++)
        assert_busy(i % 2 ? get(keys[i]) : ask_for(LARDER_OP_SET, keys[i]));
    assert_waits(get(keys[0])); /* joins the call that is under way */
    assert_int_equal(kit.sent_count, 3);
    assert_int_equal(busy_refused(), MANY - 3);
    assert_get(own, "630", false);
    struct ldr_cluster_stats stats;
    ldr_cluster_stats(kit.node->context.cluster, &stats);
    assert_int_equal(stats.peer_failures + stats.peer_retries + stats.peer_suspended, 0);
    while (kit.sent_count > 0)
        kit_answer(LARDER_OK, "630");
    struct asked *later = get(keys[5]);
    assert_waits(later);
    kit_answer(LARDER_OK, "630");
    assert_ok(later);
    assert_nothing_waits();
    kit_end();
}

/* What waits for its next attempt is under way, too. */
static void calls_that_wait_for_another_attempt_take_their_places(void **state)
{
    (void)state;
    char keys[8][12];
    kit_open_with(&origin_loader.head, member);
    kit_members(1, 2);
    keys_of_the_peer(keys, 8);
    for (unsigned i = 0; i < 2; i++)
        assert_waits(ask_for(LARDER_OP_SET, keys[i]));
    kit_answer(LARDER_UNAVAILABLE, NULL);
    kit_answer(LARDER_UNAVAILABLE, NULL);
    assert_int_equal(kit.sent_count, 0);
    assert_waits(ask_for(LARDER_OP_SET, keys[2]));
    assert_busy(ask_for(LARDER_OP_SET, keys[3]));
    kit_run(100);
    while (kit.sent_count > 0)
        kit_answer(LARDER_OK, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_ok(&asked[i]);
    assert_nothing_waits();
    kit_end();
}

/* The owner has said that it is busy: that is the answer. Nobody tries again, stands in, or thinks ill of it. */
static void a_peer_that_is_busy_is_neither_asked_again_nor_suspended(void **state)
{
    (void)state;
    char keys[MANY][12];
    kit_open_with(&origin_loader.head, member);
    kit_members(1, 2);
    keys_of_the_peer(keys, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        struct asked *one = i % 2 ? get(keys[i]) : ask_for(LARDER_OP_SET, keys[i]);
        assert_int_equal(kit.sent_count, 1);
        kit_answer(LARDER_BUSY, NULL);
        assert_busy(one);
        assert_int_equal(kit.sent_count, 0);
    }
    kit_run(1000);
    struct ldr_cluster_stats stats;
    ldr_cluster_stats(kit.node->context.cluster, &stats);
    assert_int_equal(stats.peer_requests, MANY);
    assert_int_equal(stats.peer_failures + stats.peer_retries + stats.peer_suspended, 0);
    assert_int_equal(origin.begun, 0);
    assert_int_equal(busy_refused(), 0); /* it was not this node that was busy */
    assert_nothing_waits();
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ changes of groups */

static void answered_later(void *arg, struct larder_reply *reply)
{
    atomic_uint *statuses = arg;
    atomic_fetch_add(&statuses[reply->status], 1);
    larder_reply_release(reply);
}

/* While a loader holds all workers changes wait for one, but not any number of them. */
static void changes_of_groups_are_bounded(void **state)
{
    (void)state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    atomic_uint statuses[LARDER_STATUS_COUNT] = {0};
    struct larder_config *config = larder_config_new();
    kit = (struct kit){0};
    assert_int_equal(larder_config_add_plugin(config, &kit_transport.head), LARDER_OK);
    assert_int_equal(larder_config_set(config, "transports=[{plugin: kit}]"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "node.log_level=error"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "node.workers=1"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "groups=[]"), LARDER_OK);
    kit.node = larder_node_open(config);
    assert_non_null(kit.node);
    struct larder_group *group = larder_group_open(kit.node, "g",
                                                   &(struct larder_group_options){.load = hang, .load_arg = &gate});
    pthread_mutex_lock(&gate);
    larder_get_async(group, "k", 1, 60000, count_up, statuses);
    struct larder_request change = {.operation = LARDER_OP_GROUP_PUT,
                                    .group = ldr_slice_text("g"),
                                    .value = ldr_slice_text("{max_bytes: 2MiB}"),
                                    .deadline = LARDER_NEVER};
    for (unsigned i = 0; i < 100; i++)
        kit.door->submit(kit.door, &change, answered_later, statuses);
    assert_int_equal(statuses[LARDER_BUSY], 100 - 64);
    assert_int_equal(statuses[LARDER_OK], 0);
    assert_int_equal(busy_refused(), 100 - 64);
    pthread_mutex_unlock(&gate);
    while (atomic_load(&statuses[LARDER_OK]) < 64 + 1)
        usleep(1000);
    larder_group_close(group);
    larder_node_close(kit.node);
    larder_config_free(config);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(loads_of_a_group_are_bounded),
        TEST(a_load_that_hangs_takes_its_place_until_it_is_over),
        TEST(a_running_group_is_given_another_bound),
        TEST(loads_ahead_take_half_of_the_places),
        TEST(what_is_stale_is_answered_in_place_of_busy),
        TEST(requests_that_wait_are_bounded),
        TEST(one_group_leaves_room_for_others),
        TEST(calls_to_a_peer_that_hangs_are_bounded),
        TEST(calls_that_wait_for_another_attempt_take_their_places),
        TEST(a_peer_that_is_busy_is_neither_asked_again_nor_suspended),
        TEST(changes_of_groups_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
