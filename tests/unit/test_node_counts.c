/* Every number that is described is counted: what a member of a cluster did is told in its statistics and its metrics. */
#include "node_kit.h"

static enum larder_status origin; /* what the loader of the running test answers */

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    return origin == LARDER_OK ? larder_loaded_set(loaded, "630", 3, 0) : origin;
}

/* ------------------------------------------------------------------------------------------------ reading metrics */

struct page {
    char *text;
};

static void take_page(void *arg, struct larder_reply *reply)
{
    struct page *page = arg;
    assert_int_equal(reply->status, LARDER_OK);
    page->text = strndup(reply->value.data, reply->value.size);
    larder_reply_release(reply);
}

static char *read_metrics(void)
{
    struct larder_request request = {.operation = LARDER_OP_METRICS, .deadline = LARDER_NEVER};
    struct page page = {NULL};
    kit.door->submit(kit.door, &request, take_page, &page);
    assert_non_null(page.text);
    return page.text;
}

/* The number on the one line that begins with this text. */
static double number_of(const char *page, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = page; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, length) == 0 && at[length] == ' ')
            return strtod(at + length, NULL);
    }
    fail_msg("no metric %s", name);
    return 0;
}

static void assert_metric(const char *page, const char *name, uint64_t wanted)
{
    double got = number_of(page, name);
    if (got < (double)wanted || got > (double)wanted)
        fail_msg("%s: got %.0f, wanted %llu", name, got, (unsigned long long)wanted);
}

/* ------------------------------------------------------------------------------------------------ a busy member */

static enum larder_status ask(enum larder_operation operation, const char *key, const char *value)
{
    struct larder_request request;
    struct kit_outcome outcome;
    kit_ask(&request, operation, key, value, &outcome);
    kit_run(100);
    assert_int_equal(outcome.count, 1);
    return outcome.status;
}

/* Gets, sets and deletes of keys that this node owns. */
static void work_here(void)
{
    char key[12];
    kit_key(true, key);
    assert_int_equal(ask(LARDER_OP_GET, key, NULL), LARDER_OK); /* loaded */
    assert_int_equal(ask(LARDER_OP_GET, key, NULL), LARDER_OK); /* a hit */
    assert_int_equal(ask(LARDER_OP_SET, key, "640"), LARDER_OK);
    assert_int_equal(ask(LARDER_OP_DELETE, key, NULL), LARDER_OK);
    assert_int_equal(ask(LARDER_OP_DELETE, key, NULL), LARDER_NOT_FOUND);
    origin = LARDER_NOT_FOUND;
    assert_int_equal(ask(LARDER_OP_GET, key, NULL), LARDER_NOT_FOUND); /* loaded */
    assert_int_equal(ask(LARDER_OP_GET, key, NULL), LARDER_NOT_FOUND); /* remembered */
    assert_int_equal(ask(LARDER_OP_DELETE, key, NULL), LARDER_NOT_FOUND);
    origin = LARDER_LOAD_FAILED;
    assert_int_equal(ask(LARDER_OP_GET, key, NULL), LARDER_LOAD_FAILED);
    origin = LARDER_OK;
    assert_int_equal(ask(LARDER_OP_SET, key, "650"), LARDER_OK);
    kit_run(60000); /* its time passes */
}

/* Gets of a key that the peer owns: two that it answers, one of which two callers wait for; and one that it does not. */
static void work_there(void)
{
    char key[12];
    struct larder_request requests[2];
    struct kit_outcome outcomes[2];
    kit_key(false, key);
    kit_ask(&requests[0], LARDER_OP_GET, key, NULL, &outcomes[0]);
    kit_ask(&requests[1], LARDER_OP_GET, key, NULL, &outcomes[1]);
    kit_answer(LARDER_OK, "630");
    kit_ask(&requests[0], LARDER_OP_GET, key, NULL, &outcomes[0]);
    kit_answer(LARDER_NOT_FOUND, NULL);
    kit_ask(&requests[0], LARDER_OP_GET, key, NULL, &outcomes[0]);
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        kit_answer(LARDER_UNAVAILABLE, NULL);
        kit_run(200);
    }
    assert_int_equal(outcomes[0].status, LARDER_OK); /* loaded in the owner's place */
}

static void asked_by_a_peer_that_sees_another_ring(void)
{
    char key[12];
    struct kit_outcome outcome = {0};
    kit_key(true, key);
    struct larder_request request = kit_peer_request(key);
    request.ring.checksum++;
    kit.door->submit(kit.door, &request, kit_answered, &outcome);
    kit_run(100);
    assert_int_equal(outcome.status, LARDER_OK); /* loaded */
}

/* Writes of keys of this node until the group is full. Returns how many. */
static unsigned fill(struct larder_group *group)
{
    struct larder_statistics stats;
    unsigned sets = 0;
    for (unsigned i = 0;; i++) {
        char key[12];
        snprintf(key, sizeof key, "%u", i);
        struct ldr_route route = ldr_cluster_route(kit.node->context.cluster, ldr_slice_text("g"), ldr_slice_text(key));
        bool own = route.peer == NULL && route.owner;
        ldr_peer_release(route.peer);
        if (!own)
            continue;
        assert_int_equal(ask(LARDER_OP_SET, key, "the value of a key"), LARDER_OK);
        sets++;
        assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
        if (stats.evictions > 0)
            return sets;
    }
}

static void fault_29_every_number_of_a_group_is_counted(void **state)
{
    (void)state;
    static const char *const settings[] = {KIT_MEMBER, "cluster.suspend_after=100", "cluster.probe_interval=1h", NULL};
    kit_open(settings);
    origin = LARDER_OK;
    struct larder_group *group = larder_group_open(
        kit.node, "g",
        &(struct larder_group_options){.max_bytes = 32 << 10, .ttl_ms = 50000, .negative_ttl_ms = 50000, .load = load});
    assert_non_null(group);
    kit_members(1, 2);
    work_here();
    work_there();
    kit_run(60000);
    asked_by_a_peer_that_sees_another_ring();
    unsigned sets = fill(group);

    struct larder_statistics stats;
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    const struct {
        const char *name;
        uint64_t got, wanted;
    } numbers[] = {
        {"gets_total", stats.gets, 5 + 4 + 1},
        {"hits_total", stats.hits, 1},
        {"misses_total", stats.misses, 3 + 4 + 1},
        {"negative_hits_total", stats.negative_hits, 1},
        {"peer_hits_total", stats.peer_hits, 1},
        {"peer_misses_total", stats.peer_misses, 1},
        {"loads_total", stats.loads, 3 + 1 + 1},
        {"loads_deduplicated_total", stats.loads_deduplicated, 1},
        {"load_errors_total", stats.load_errors, 1},
        {"sets_total", stats.sets, 2 + sets},
        {"deletes_total", stats.deletes, 1},
        {"expirations_total", stats.expirations, 1 + 1},
        {"evictions_total", stats.evictions, 1},
        {"evictions_unexpired_total", stats.evictions_unexpired, 1},
        {"policy_faults_total", stats.policy_faults, 0},
        {"dropped_hits_total", stats.dropped_hits, 0},
        {"bytes_limit", stats.bytes_limit, 32 << 10},
    };
    char *page = read_metrics(), name[128];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(name, sizeof name, "larder_%s{group=\"g\"}", numbers[i].name);
        if (numbers[i].got != numbers[i].wanted)
            fail_msg("%s: got %llu, wanted %llu", name, (unsigned long long)numbers[i].got,
                     (unsigned long long)numbers[i].wanted);
        assert_metric(page, name, numbers[i].wanted);
    }
    assert_metric(page, "larder_entries{group=\"g\"}", stats.entries);
    assert_metric(page, "larder_bytes_used{group=\"g\"}", stats.bytes_used);
    assert_metric(page, "larder_value_bytes{group=\"g\"}", stats.value_bytes);
    assert_true(stats.entries > 0 && stats.bytes_used > stats.value_bytes && stats.value_bytes > 0);
    assert_true(number_of(page, "larder_hit_ratio{group=\"g\"}") > 0);
    assert_metric(page, "larder_get_duration_seconds_count{group=\"g\"}", 5 + 4 + 1);
    assert_metric(page, "larder_set_duration_seconds_count{group=\"g\"}", 2 + sets);
    assert_metric(page, "larder_load_duration_seconds_count{group=\"g\"}", 3 + 1 + 1);
    assert_metric(page, "larder_peer_duration_seconds_count{group=\"g\"}", 3);
    free(page);
    larder_group_close(group);
    kit_end();
}

static void fault_29_every_number_of_a_node_is_counted(void **state)
{
    (void)state;
    static const char *const settings[] = {KIT_MEMBER, "cluster.suspend_after=3", "cluster.probe_interval=1h", NULL};
    kit_open(settings);
    origin = LARDER_OK;
    struct larder_group *group = larder_group_open(kit.node, "g",
                                                   &(struct larder_group_options){.max_bytes = 1 << 20, .load = load});
    assert_non_null(group);
    kit_members(7, 2);
    kit_run(20 * 60 * 1000); /* the first ping of the peer */
    work_there();
    asked_by_a_peer_that_sees_another_ring();
    struct larder_request request;
    struct kit_outcome outcome;
    origin = LARDER_NOT_FOUND;
    kit_ask(&request, LARDER_OP_GET, "a key that nobody has", NULL, &outcome);
    char *page = read_metrics();
    assert_metric(page, "larder_loads_waiting", 1);
    assert_metric(page, "larder_peer_requests_total", 1 + 1 + 3);
    assert_metric(page, "larder_peer_retries_total", 2);
    assert_metric(page, "larder_peer_failures_total", 3);
    assert_metric(page, "larder_peer_suspended", 1);
    assert_metric(page, "larder_ring_mismatches_total", 1);
    assert_metric(page, "larder_forwarded_refused_total", 0);
    assert_metric(page, "larder_ring_epoch", 7);
    assert_metric(page, "larder_members", 2);
    assert_metric(page, "larder_memory_budgeted_bytes", (1 << 20) + (1 << 20)); /* with near copies */
    assert_metric(page, "larder_hot_keys", 1);
    assert_true(number_of(page, "larder_peer_probes_total") >= 1);
    assert_true(number_of(page, "larder_memory_resident_bytes") > 1 << 16);
    assert_true(number_of(page, "larder_start_time_seconds") > 1e9);
    free(page);
    kit_run(1000);
    assert_int_equal(outcome.status, LARDER_NOT_FOUND);
    larder_group_close(group);
    kit_end();
}

static void fault_30_metrics_tell_times_from_100_ns_to_100_s(void **state)
{
    (void)state;
    char key[12], name[128];
    kit_open((const char *const[]){KIT_MEMBER, "groups=[{name: g}]", NULL});
    kit_members(1, 2);
    kit_key(true, key);
    assert_int_equal(ask(LARDER_OP_SET, key, "630"), LARDER_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ask(LARDER_OP_GET, key, NULL), LARDER_OK); /* no time passes */
    struct larder_request request;
    struct kit_outcome outcome;
    kit_key(false, key);
    kit_ask(&request, LARDER_OP_GET, key, NULL, &outcome);
    kit_run(1);
    kit_answer(LARDER_OK, "630");
    char *page = read_metrics();
    static const struct {
        const char *bound;
        unsigned gets;
    } buckets[] = {{"1e-07", 4}, {"1e-06", 4}, {"0.0001", 4}, {"0.0005", 4}, {"0.0025", 5}, {"1", 5}, {"100", 5}};
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++) {
        snprintf(name, sizeof name, "larder_get_duration_seconds_bucket{group=\"g\",le=\"%s\"}", buckets[i].bound);
        assert_metric(page, name, buckets[i].gets);
    }
    free(page);
    kit_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_29_every_number_of_a_group_is_counted),
        cmocka_unit_test(fault_29_every_number_of_a_node_is_counted),
        cmocka_unit_test(fault_30_metrics_tell_times_from_100_ns_to_100_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
