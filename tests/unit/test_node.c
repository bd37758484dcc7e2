/* A whole node: before its first member list, between its clients and a peer, and with settings that are not the defaults. */
#include "node_kit.h"

#include <pthread.h>
#include <unistd.h>

#include "core/cluster/state.h"
#include "larder/stats.h"

static const char *const member[] = {KIT_MEMBER, NULL};

static unsigned loads; /* of the running test */

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    loads++;
    return larder_loaded_set(loaded, "630", 3, 0);
}

static struct larder_group *open_group(void)
{
    loads = 0;
    struct larder_group *group = larder_group_open(kit.node, "g", &(struct larder_group_options){.load = load});
    assert_non_null(group);
    return group;
}

/* ------------------------------------------------------------------------------------------------ routing */

static void fault_8_no_key_is_answered_before_the_first_list(void **state)
{
    (void)state;
    static const enum larder_operation operations[] = {LARDER_OP_GET, LARDER_OP_SET, LARDER_OP_DELETE, LARDER_OP_TOUCH};
    struct larder_request request;
    struct kit_outcome outcome;
    kit_open(member);
    struct larder_group *group = open_group();
    assert_int_equal(larder_node_ready(kit.node), LARDER_UNAVAILABLE);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        kit_ask(&request, operations[i], "Tom", NULL, &outcome);
        assert_int_equal(outcome.count, 1);
        assert_int_equal(outcome.status, LARDER_UNAVAILABLE);
    }
    kit_run(1000);
    assert_int_equal(loads, 0);
    assert_int_equal(kit.sent_count, 0);
    kit_members(1, 1);
    assert_int_equal(larder_node_ready(kit.node), LARDER_OK);
    kit_ask(&request, LARDER_OP_GET, "Tom", NULL, &outcome);
    kit_run(1000);
    assert_int_equal(outcome.status, LARDER_OK);
    assert_int_equal(loads, 1);
    larder_group_close(group);
    kit_end();
}

/* Whether the peer sees this node's ring or another one. */
static void fault_1_what_a_peer_asks_is_answered_here(void **state)
{
    (void)state;
    char key[12];
    kit_open(member);
    struct larder_group *group = open_group();
    kit_members(1, 2);
    kit_key(false, key);
    struct larder_request request = kit_peer_request(key);
    static const enum larder_operation operations[] = {LARDER_OP_GET, LARDER_OP_SET, LARDER_OP_TOUCH, LARDER_OP_DELETE};
    for (unsigned other = 0; other < 2; other++) {
        request.ring.checksum += other;
        for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
            struct kit_outcome outcome = {0};
            request.operation = operations[i];
            kit.door->submit(kit.door, &request, kit_answered, &outcome);
            if (other == 1 && request.operation == LARDER_OP_GET) {
                /* The lists differ: before the origin, who holds the key by this one is asked what he has in store. */
                assert_int_equal(kit.sent_count, 1);
                assert_int_equal(kit.sent[0].request->operation, LARDER_OP_EXCHANGE);
                kit_answer(LARDER_NOT_FOUND, NULL);
            }
            assert_int_equal(kit.sent_count, 0);
            kit_run(100);
            assert_int_equal(outcome.status, LARDER_OK);
            assert_int_equal(kit.sent_count, 0);
        }
    }
    assert_int_equal(loads, 2);
    larder_group_close(group);
    kit_end();
}

static void fault_3_a_delete_is_one_request_to_the_owner(void **state)
{
    (void)state;
    struct larder_request request;
    struct kit_outcome outcome;
    char key[12];
    kit_open(member);
    struct larder_group *group = open_group();
    kit_members(1, 3);
    kit_key(false, key);
    kit_ask(&request, LARDER_OP_DELETE, key, NULL, &outcome);
    assert_int_equal(kit.sent_count, 1);
    kit_answer(LARDER_OK, NULL);
    assert_int_equal(outcome.status, LARDER_OK);
    kit_run(1000);
    assert_int_equal(kit.sent_count, 0);
    kit_key(true, key);
    kit_ask(&request, LARDER_OP_DELETE, key, NULL, &outcome);
    assert_int_equal(outcome.status, LARDER_NOT_FOUND);
    kit_run(1000);
    assert_int_equal(kit.sent_count, 0);
    larder_group_close(group);
    kit_end();
}

static void fault_24_many_callers_are_one_call_to_the_owner(void **state)
{
    (void)state;
    enum { CALLERS = 20 };
    static struct larder_request requests[CALLERS];
    static struct kit_outcome outcomes[CALLERS];
    char key[12];
    kit_open(member);
    struct larder_group *group = open_group();
    kit_members(1, 2);
    kit_key(false, key);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < CALLERS; i++)
            kit_ask(&requests[i], LARDER_OP_GET, key, NULL, &outcomes[i]);
        assert_int_equal(kit.sent_count, 1);
        kit_answer(LARDER_OK, turn == 0 ? "one" : "two");
        for (size_t i = 0; i < CALLERS; i++) {
            assert_int_equal(outcomes[i].count, 1);
            assert_int_equal(outcomes[i].source, LARDER_SOURCE_PEER);
            assert_string_equal(outcomes[i].value, turn == 0 ? "one" : "two");
        }
    }
    assert_int_equal(loads, 0);
    larder_group_close(group);
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ settings */

/* That every row ends in the settings is shown elsewhere; here, that every setting ends in the part that obeys it. */
static void fault_26_every_setting_reaches_its_part(void **state)
{
    (void)state;
    static const char *const settings[] = {
        KIT_MEMBER,
        "node.request_timeout=7s",
        "node.drain_timeout=8s",
        "cluster.hash=crc32",
        "cluster.seed=9",
        "cluster.virtual_nodes=10",
        "cluster.peer_timeout=11s",
        "cluster.retries=3",
        "cluster.backoff=12ms",
        "cluster.suspend_after=13",
        "cluster.suspend=14s",
        "cluster.probe_interval=15s",
        "cluster.fallback_ttl=16s",
        "cluster.max_calls=66",
        "node.max_waiting=77",
        "groups=[{name: g, max_bytes: 17MiB, max_entries: 1000, max_value: 18KiB, eviction: fifo, ttl: 19s, "
        "negative_ttl: 20s, "
        "load_timeout: 21s, stale_while_revalidate: 22s, stale_if_error: 23s, refresh_ahead: 2.5, max_loads: 55}]",
        NULL,
    };
    kit_open(settings);
    assert_string_equal(kit.door->base.node_name, "a");
    assert_int_equal(kit.door->request_timeout_ms, 7000);
    const struct ldr_context *context = &kit.node->context;
    assert_int_equal(context->request_timeout_ms, 7000);
    assert_int_equal(context->fallback_ttl_ms, 16000);
    assert_int_equal(context->max_waiting, 77);
    const struct ldr_cluster_options *cluster = &context->cluster->options;
    assert_string_equal(cluster->self, "a");
    assert_string_equal(cluster->transport_name, "kit");
    assert_string_equal(cluster->ring.hash->head.name, "crc32");
    assert_int_equal(cluster->ring.seed, 9);
    assert_int_equal(cluster->ring.virtual_nodes, 10);
    assert_int_equal(cluster->peer_timeout_ms, 11000);
    assert_int_equal(cluster->retries, 3);
    assert_int_equal(cluster->backoff_ms, 12);
    assert_int_equal(cluster->suspend_after, 13);
    assert_int_equal(cluster->suspend_ms, 14000);
    assert_int_equal(cluster->probe_ms, 15000);
    assert_int_equal(cluster->max_calls, 66);
    assert_false(cluster->gateway);
    struct ldr_group *group = ldr_node_find_group(kit.node, ldr_slice_text("g"));
    struct ldr_store_stats stats;
    ldr_store_stats(group->store, &stats);
    assert_int_equal(stats.bytes_limit, 17 << 20);
    assert_int_equal(stats.entries_limit, 1000);
    assert_int_equal(group->max_value, 18 << 10);
    assert_int_equal(kit.door->value_limit(kit.door, ldr_slice_text("g")), 18 << 10);
    assert_int_equal(kit.door->value_limit(kit.door, ldr_slice_text("none")), 0);
    /* A node that closes says so, and not that it has no such group. */
    atomic_store(&kit.node->closing, true);
    assert_int_equal(kit.door->value_limit(kit.door, ldr_slice_text("g")), kit.door->max_value);
    atomic_store(&kit.node->closing, false);
    assert_int_equal(group->ttl_ms, 19000);
    assert_int_equal(group->negative_ttl_ms, 20000);
    assert_int_equal(group->load_timeout_ms, 21000);
    assert_int_equal(group->stale_while_revalidate_ms, 22000);
    assert_int_equal(group->stale_if_error_ms, 23000);
    assert_int_equal(group->refresh_permille, 2500);
    assert_int_equal(group->max_loads, 55);
    ldr_group_release(group);
    uint64_t drained_until = larder_deadline_in(kit.runtime, 8000);
    kit_end();
    assert_int_equal(kit.drained_until, drained_until);
}

/* More than are looked at together, of which only some are gets of what is there. */
static void assert_expects(void)
{
    static const struct larder_request kinds[] = {
        {.operation = LARDER_OP_GET, .group = {"g", 1}, .key = {"Tom", 3}},
        {.operation = LARDER_OP_GET, .group = {"g", 1}, .key = {"nobody", 6}},
        {.operation = LARDER_OP_GET, .group = {"none", 4}, .key = {"Tom", 3}},
        {.operation = LARDER_OP_GET},
        {.operation = LARDER_OP_DELETE, .group = {"g", 1}, .key = {"Tom", 3}},
        {.operation = LARDER_OP_STATS},
    };
    const struct larder_request *requests[40];
    for (size_t i = 0; i < 40; i++)
        requests[i] = &kinds[i % (sizeof kinds / sizeof *kinds)];
    kit.door->expect(kit.door, requests, 40);
}

static void fault_26_a_gateway_is_one(void **state)
{
    (void)state;
    static const char *const settings[] = {KIT_MEMBER, "node.role=gateway", NULL};
    kit_open(settings);
    assert_true(kit.node->context.cluster->options.gateway);
    assert_null(kit.discovery->self);
    assert_expects();
    kit_end();
}

static void what_is_expected_changes_nothing(void **state)
{
    (void)state;
    struct larder_request request;
    struct kit_outcome outcome;
    struct larder_statistics before, after;
    kit_open(member);
    struct larder_group *group = open_group();
    kit_members(1, 1);
    kit_ask(&request, LARDER_OP_GET, "Tom", NULL, &outcome);
    kit_run(1000);
    assert_int_equal(larder_group_stats(group, &before), LARDER_OK);
    assert_expects();
    assert_int_equal(larder_group_stats(group, &after), LARDER_OK);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(loads, 1);
    atomic_store(&kit.node->closing, true);
    assert_expects();
    atomic_store(&kit.node->closing, false);
    kit_ask(&request, LARDER_OP_GET, "Tom", NULL, &outcome);
    assert_int_equal(outcome.status, LARDER_OK);
    larder_group_close(group);
    kit_end();
}

/* What the node writes to standard error while it takes a member list. */
static void log_of(const char *level, const char *format, char *text, size_t capacity)
{
    const char *settings[] = {KIT_MEMBER, level, format, NULL};
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    kit_open(settings);
    kit_members(1, 1);
    kit_end();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t size = read(ends[0], text, capacity - 1);
    text[size < 0 ? 0 : size] = '\0';
    close(ends[0]);
}

static void fault_26_the_log_is_written_as_it_is_set(void **state)
{
    (void)state;
    char text[4096];
    log_of("node.log_level=error", "node.log_format=logfmt", text, sizeof text);
    assert_string_equal(text, "");
    log_of("node.log_level=info", "node.log_format=logfmt", text, sizeof text);
    assert_memory_equal(text, "ts=", 3);
    assert_non_null(strstr(text, "level=info"));
    log_of("node.log_level=info", "node.log_format=json", text, sizeof text);
    assert_memory_equal(text, "{\"ts\":", 6);
}

/* ------------------------------------------------------------------------------------------------ workers */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static enum larder_status load_at_gate(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                                       struct larder_loaded *loaded)
{
    pthread_mutex_lock(&gate);
    enum larder_status status = load(arg, key, key_size, timeout_ms, loaded);
    pthread_mutex_unlock(&gate);
    return status;
}

struct tally {
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned done, busy;
};

static void counted(void *arg, enum larder_status status, struct larder_value *value)
{
    struct tally *tally = arg;
    pthread_mutex_lock(&tally->lock);
    tally->done++;
    tally->busy += status == LARDER_BUSY;
    pthread_cond_signal(&tally->change);
    pthread_mutex_unlock(&tally->lock);
    larder_value_release(value);
}

static void fault_26_workers_and_queue_bound_the_loads(void **state)
{
    (void)state;
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_set(config, "node.workers=2"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "node.load_queue=3"), LARDER_OK);
    struct larder_node *node = larder_node_open(config);
    assert_non_null(node);
    struct larder_group *group = larder_group_open(node, "g", &(struct larder_group_options){.load = load_at_gate});
    assert_non_null(group);
    struct tally tally = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&gate);
    for (char key = 'a'; key < 'a' + 9; key++)
        larder_get_async(group, &key, 1, 60000, counted, &tally);
    pthread_mutex_lock(&tally.lock);
    assert_int_equal(tally.done, 4);
    assert_int_equal(tally.busy, 4);
    pthread_mutex_unlock(&gate);
    while (tally.done < 9)
        pthread_cond_wait(&tally.change, &tally.lock);
    assert_int_equal(tally.busy, 4);
    pthread_mutex_unlock(&tally.lock);
    larder_group_close(group);
    larder_node_close(node);
    larder_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_8_no_key_is_answered_before_the_first_list),
        cmocka_unit_test(fault_1_what_a_peer_asks_is_answered_here),
        cmocka_unit_test(fault_3_a_delete_is_one_request_to_the_owner),
        cmocka_unit_test(fault_24_many_callers_are_one_call_to_the_owner),
        cmocka_unit_test(fault_26_every_setting_reaches_its_part),
        cmocka_unit_test(fault_26_a_gateway_is_one),
        cmocka_unit_test(what_is_expected_changes_nothing),
        cmocka_unit_test(fault_26_the_log_is_written_as_it_is_set),
        cmocka_unit_test(fault_26_workers_and_queue_bound_the_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
