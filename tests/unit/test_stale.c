/* Values past their time: when they are answered all the same, when not, and how they are loaded anew. */
#include "origin_kit.h"

/* Without the part of a lifetime that is cut by the spread, values live 950 to 1000 ms. */
#define TTL  "ttl: 1s, refresh_ahead: 0, "
#define TIME 1000

/* A get that waits; the request must stay until it is answered. */
struct waiting {
    struct larder_request request;
    struct kit_outcome outcome;
};

static void wait_for(struct waiting *waiting, const char *key)
{
    kit_ask(&waiting->request, LARDER_OP_GET, key, NULL, &waiting->outcome);
    assert_int_equal(waiting->outcome.count, 0);
}

static void assert_waited(const struct waiting *waiting, enum larder_status status, const char *value)
{
    assert_int_equal(waiting->outcome.count, 1);
    assert_int_equal(waiting->outcome.status, status);
    assert_string_equal(waiting->outcome.value, value);
}

/* ------------------------------------------------------------------------------------------------ while it is loaded anew */

static void a_stale_value_is_answered_while_one_load_brings_another(void **state)
{
    (void)state;
    origin_kit_open(TTL "stale_while_revalidate: 2s");
    origin_bring("k", "one");
    assert_get("k", "one", false);
    kit_run(TIME);
    for (int i = 0; i < 100; i++)
        assert_get("k", "one", true);
    assert_int_equal(origin.count, 1);
    kit_run(500);
    assert_get("k", "one", true);
    origin_answer("two");
    assert_get("k", "two", false);
    assert_int_equal(origin.begun, 2);
    struct larder_statistics stats = origin_stats();
    assert_int_equal(stats.gets, 104);
    assert_int_equal(stats.hits, 103);
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.stale_hits, 101);
    assert_int_equal(stats.loads, 2);
    assert_int_equal(stats.refreshes, 1);
    kit_end();
}

static void past_the_window_a_get_waits(void **state)
{
    (void)state;
    struct waiting waiting[2];
    origin_kit_open(TTL "stale_while_revalidate: 2s");
    origin_bring("k", "one");
    kit_run(TIME + 1940);
    assert_get("k", "one", true); /* whose load is still under way when the window ends */
    kit_run(60);
    for (int i = 0; i < 2; i++)
        wait_for(&waiting[i], "k");
    assert_int_equal(origin.count, 1);
    origin_answer("two");
    for (int i = 0; i < 2; i++)
        assert_waited(&waiting[i], LARDER_OK, "two");
    kit_run(TIME + 2000);
    wait_for(&waiting[0], "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting[0], LARDER_LOAD_FAILED, "");
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ when loads fail */

static void a_stale_value_is_answered_when_its_load_fails(void **state)
{
    (void)state;
    static const enum larder_status failures[] = {LARDER_LOAD_FAILED, LARDER_DEADLINE, LARDER_BUSY, LARDER_NO_MEMORY,
                                                  LARDER_TOO_LARGE};
    struct waiting waiting[3];
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        origin_kit_open(TTL "stale_if_error: 1m");
        origin_bring("k", "one");
        kit_run(TIME);
        for (int j = 0; j < 3; j++)
            wait_for(&waiting[j], "k");
        assert_int_equal(origin.count, 1);
        origin_fail(failures[i]);
        for (int j = 0; j < 3; j++) {
            assert_waited(&waiting[j], LARDER_OK, "one");
            assert_int_equal(waiting[j].outcome.ttl_ms, 0);
        }
        assert_int_equal(origin_stats().stale_hits, 3);
        assert_int_equal(origin_stats().load_errors, 1);
        kit_end();
    }
}

static void while_loads_fail_nobody_waits_and_one_a_second_is_tried(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_OK, "one");
    unsigned begun = origin.begun;
    for (int i = 0; i < 100; i++) { /* ten seconds */
        assert_get("k", "one", true);
        kit_run(100);
        if (origin.count > 0)
            origin_fail(LARDER_LOAD_FAILED);
    }
    assert_in_range(origin.begun - begun, 9, 10);
    while (origin.count == 0) {
        assert_get("k", "one", true);
        kit_run(100);
    }
    origin_answer("two");
    assert_get("k", "two", false);
    kit_run(TIME);
    wait_for(&waiting, "k"); /* the failures are forgotten */
    origin_answer("three");
    kit_end();
}

static void a_stale_value_is_answered_when_the_origin_hangs(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_if_error: 1m, load_timeout: 300ms");
    origin_bring("k", "one");
    kit_run(TIME);
    wait_for(&waiting, "k");
    kit_run(299);
    assert_int_equal(waiting.outcome.count, 0);
    kit_run(2);
    assert_waited(&waiting, LARDER_OK, "one");
    assert_get("k", "one", true);
    kit_end();
}

static void a_caller_whose_time_is_short_gets_it_too(void **state)
{
    (void)state;
    struct waiting hurried, patient;
    origin_kit_open(TTL "stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    hurried.request = (struct larder_request){.operation = LARDER_OP_GET,
                                              .group = ldr_slice_text("g"),
                                              .key = ldr_slice_text("k"),
                                              .deadline = larder_deadline_in(kit.runtime, 10)};
    hurried.outcome = (struct kit_outcome){0};
    kit.door->submit(kit.door, &hurried.request, kit_answered, &hurried.outcome);
    wait_for(&patient, "k");
    kit_run(20);
    assert_waited(&hurried, LARDER_OK, "one");
    assert_int_equal(patient.outcome.count, 0); /* the load may still do well */
    origin_answer("two");
    assert_waited(&patient, LARDER_OK, "two");
    kit_end();
}

static void nothing_is_answered_past_its_window(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_while_revalidate: 1s, stale_if_error: 3s");
    origin_bring("k", "one");
    for (unsigned ms = 0; ms < TIME + 2900; ms += 100) {
        assert_get("k", "one", ms >= TIME);
        while (origin.count > 0)
            origin_fail(LARDER_LOAD_FAILED);
        kit_run(100);
    }
    kit_run(100);
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    assert_int_equal(origin_stats().entries, 0);
    kit_end();
}

/* A load that a delete has overtaken fails when what a later one brought is stale, but is not to be answered for that. */
static void each_window_is_for_its_own_case(void **state)
{
    (void)state;
    struct waiting early, late;
    origin_kit_open(TTL "stale_while_revalidate: 1m");
    wait_for(&early, "k");
    assert_int_equal(origin_do(LARDER_OP_DELETE, "k", NULL), LARDER_NOT_FOUND);
    wait_for(&late, "k");
    origin_complete(1, &(struct larder_load_result){.status = LARDER_OK, .value = ldr_slice_text("one")});
    assert_waited(&late, LARDER_OK, "one");
    kit_run(TIME);
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&early, LARDER_LOAD_FAILED, "");
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ never */

static void what_was_deleted_is_never_answered(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_while_revalidate: 1m, stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    assert_get("k", "one", true);
    assert_int_equal(origin_do(LARDER_OP_DELETE, "k", NULL), LARDER_NOT_FOUND); /* its time has passed */
    wait_for(&waiting, "k");
    while (origin.count > 0)
        origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

static void what_is_deleted_during_its_load_is_not_answered(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    wait_for(&waiting, "k");
    origin_do(LARDER_OP_DELETE, "k", NULL);
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

static void what_a_group_had_before_it_was_cleared_is_not_answered(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_while_revalidate: 1m, stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    assert_get("k", "one", true);
    assert_int_equal(origin_do(LARDER_OP_GROUP_CLEAR, "", NULL), LARDER_OK);
    wait_for(&waiting, "k");
    while (origin.count > 0)
        origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

static void what_was_overwritten_has_no_window(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_while_revalidate: 1m, stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    assert_get("k", "one", true);
    assert_int_equal(origin_do(LARDER_OP_SET, "k", "set"), LARDER_OK);
    origin_answer("two"); /* began before the set */
    assert_get("k", "set", false);
    kit_run(TIME);
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

static void not_found_has_no_window(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "negative_ttl: 1s, stale_while_revalidate: 1m, stale_if_error: 1m");
    wait_for(&waiting, "k");
    origin_fail(LARDER_NOT_FOUND);
    assert_waited(&waiting, LARDER_NOT_FOUND, "");
    assert_int_equal(origin_get("k").status, LARDER_NOT_FOUND);
    kit_run(TIME);
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

/* What the origin says later goes before what it said once, also when it is not kept. */
static void what_the_origin_has_no_more_is_not_answered(void **state)
{
    (void)state;
    struct waiting waiting;
    static const char *const settings[] = {TTL "stale_while_revalidate: 1m, stale_if_error: 1m",
                                           TTL "stale_while_revalidate: 1m, stale_if_error: 1m, negative_ttl: 1m"};
    for (int i = 0; i < 2; i++) {
        origin_kit_open(settings[i]);
        origin_bring("k", "one");
        kit_run(TIME);
        assert_get("k", "one", true);
        origin_fail(LARDER_NOT_FOUND);
        if (i == 0) {
            wait_for(&waiting, "k");
            origin_fail(LARDER_LOAD_FAILED);
            assert_waited(&waiting, LARDER_LOAD_FAILED, "");
        } else {
            assert_int_equal(origin_get("k").status, LARDER_NOT_FOUND);
        }
        kit_end();
    }
    origin_kit_open(TTL "stale_while_revalidate: 1m, stale_if_error: 1m");
    origin_bring("k", "one");
    kit_run(TIME);
    assert_get("k", "one", true);
    origin_complete(
        0, &(struct larder_load_result){.status = LARDER_OK, .value = ldr_slice_text("secret"), .no_store = true});
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ who decides */

static void the_origin_decides_for_its_values(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "stale_if_error: 1m");
    wait_for(&waiting, "strict");
    origin_complete(0, &(struct larder_load_result){.status = LARDER_OK,
                                                    .value = ldr_slice_text("one"),
                                                    .stale_if_error_ms = LARDER_WINDOW_NONE});
    wait_for(&waiting, "easy");
    origin_complete(
        0, &(struct larder_load_result){
               .status = LARDER_OK, .value = ldr_slice_text("two"), .ttl_ms = 500, .stale_while_revalidate_ms = 5000});
    kit_run(TIME);
    assert_get("easy", "two", true);
    origin_fail(LARDER_LOAD_FAILED);
    wait_for(&waiting, "strict");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    kit_end();
}

static void put_settings(const char *settings)
{
    bool created;
    assert_int_equal(ldr_node_put_group(kit.node, ldr_slice_text("g"), ldr_slice_text(settings), &created), LARDER_OK);
}

static void a_running_group_is_given_windows(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open(TTL "max_bytes: 1MiB");
    origin_bring("before", "one");
    put_settings("{stale_while_revalidate: 1m}");
    origin_bring("after", "two");
    kit_run(TIME);
    assert_get("after", "two", true);
    origin_answer("two");
    wait_for(&waiting, "before");
    origin_answer("one");
    put_settings("{stale_while_revalidate: 0}");
    origin_bring("last", "three");
    kit_run(TIME);
    wait_for(&waiting, "last");
    origin_answer("three");
    kit_end();
}

static void without_windows_nothing_is_stale(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_kit_open("ttl: 1s");
    origin_bring("k", "one");
    kit_run(TIME);
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    assert_int_equal(origin_stats().stale_hits, 0);
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ in a cluster */

static void open_member(const char *settings)
{
    char groups[512];
    snprintf(groups, sizeof groups, "groups=[{name: g, loader: origin, %s}]", settings);
    const char *const all[] = {KIT_MEMBER, groups, "cluster.retries=0", "cluster.suspend_after=1", NULL};
    kit_open_with(&origin_loader.head, all);
    kit_members(1, 2);
}

static void a_peer_is_answered_by_the_owner_as_others_are(void **state)
{
    (void)state;
    char key[12];
    open_member(TTL "stale_while_revalidate: 1m");
    kit_key(true, key);
    origin_bring(key, "one");
    kit_run(TIME);
    struct larder_request request = kit_peer_request(key);
    struct kit_outcome outcome = {0};
    kit.door->submit(kit.door, &request, kit_answered, &outcome);
    assert_int_equal(outcome.count, 1);
    assert_string_equal(outcome.value, "one");
    assert_int_equal(outcome.ttl_ms, 0);
    assert_int_equal(origin.count, 1);
    kit_end();
}

/* What this node had before another became the owner may have been overwritten there. */
static void a_stand_in_answers_nothing_stale(void **state)
{
    (void)state;
    struct waiting waiting;
    char key[12];
    open_member(TTL "stale_while_revalidate: 1m, stale_if_error: 1m");
    kit_key(false, key);
    kit_members(2, 1);
    origin_bring(key, "one");
    kit_run(TIME);
    assert_get(key, "one", true);
    origin_fail(LARDER_LOAD_FAILED);
    kit_members(3, 2);
    wait_for(&waiting, key);
    kit_answer(LARDER_UNAVAILABLE, NULL); /* the owner is away, and suspended from now on */
    assert_int_equal(waiting.outcome.count, 0);
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    wait_for(&waiting, key);
    origin_answer("two");
    assert_waited(&waiting, LARDER_OK, "two");
    assert_int_equal(origin_stats().entries, 1);
    kit_run(TIME + 500);
    assert_int_equal(origin_stats().entries, 0); /* what is stored for another has no window */
    kit_end();
}

static void answer_exchanges(void)
{
    while (kit.sent_count > 0)
        kit_answer(LARDER_OK, NULL);
}

/* A write, whose copies others take. */
static enum larder_status write_copied(enum larder_operation operation, const char *key)
{
    struct larder_request request;
    struct kit_outcome outcome;
    kit_ask(&request, operation, key, "", &outcome);
    answer_exchanges();
    assert_int_equal(outcome.count, 1);
    return outcome.status;
}

/* Where others have copies a touch is a write, a delete is remembered, and both see what has expired as gone. */
static void with_copies_a_stale_value_is_gone_for_writers_too(void **state)
{
    (void)state;
    struct waiting waiting;
    static const char *const settings[] = {
        KIT_MEMBER, "groups=[{name: g, loader: origin, " TTL "stale_while_revalidate: 1m, stale_if_error: 1m}]",
        "cluster.replicas=2", NULL};
    char key[12];
    kit_open_with(&origin_loader.head, settings);
    kit_members(1, 2);
    answer_exchanges();
    kit_key(true, key);
    origin_bring(key, "one");
    answer_exchanges();
    assert_int_equal(write_copied(LARDER_OP_TOUCH, key), LARDER_OK);
    kit_run(TIME);
    assert_get(key, "one", true); /* its window has moved with its time */
    assert_int_equal(write_copied(LARDER_OP_TOUCH, key), LARDER_NOT_FOUND);
    assert_int_equal(write_copied(LARDER_OP_DELETE, key), LARDER_NOT_FOUND);
    while (origin.count > 0)
        origin_fail(LARDER_LOAD_FAILED);
    wait_for(&waiting, key);
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    answer_exchanges();
    kit_end();
}

/* What others would answer in this node's place must not be older: nothing is stale, and nothing is loaded ahead. */
static void where_writes_are_strict_nothing_is_stale(void **state)
{
    (void)state;
    struct waiting waiting;
    origin_strict_open("node.log_level=error",
                       "ttl: 1s, refresh_ahead: 100, stale_while_revalidate: 1m, stale_if_error: 1m");
    wait_for(&waiting, "k");
    kit_run(100);
    origin_answer("one");
    for (unsigned ms = 100; ms < TIME; ms += 50) {
        assert_get("k", "one", false);
        kit_run(50);
    }
    kit_run(100);
    wait_for(&waiting, "k");
    origin_fail(LARDER_LOAD_FAILED);
    assert_waited(&waiting, LARDER_LOAD_FAILED, "");
    assert_int_equal(origin_stats().refreshes, 0);
    assert_int_equal(origin_stats().entries, 1); /* unfound, for its version's sake */
    kit_run(5000);
    assert_int_equal(origin_stats().entries, 0);
    kit_end();
}

/* ------------------------------------------------------------------------------------------------ the embedding API */

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    bool *fails = arg;
    return *fails ? LARDER_LOAD_FAILED : larder_loaded_set(loaded, "630", 3, 0);
}

struct got {
    unsigned count;
    enum larder_status status;
    int64_t ttl_ms;
};

static void keep(void *arg, enum larder_status status, struct larder_value *value)
{
    struct got *got = arg;
    got->count++;
    got->status = status;
    got->ttl_ms = value != NULL ? larder_value_ttl_ms(value) : -2;
    larder_value_release(value);
}

static void a_program_is_told_that_a_value_is_stale(void **state)
{
    (void)state;
    bool fails = false;
    struct got got = {0};
    static const char *const settings[] = {"node.log_level=error", NULL};
    kit_open(settings);
    struct larder_group *group = larder_group_open(
        kit.node, "g",
        &(struct larder_group_options){
            .ttl_ms = TIME, .stale_if_error_ms = 60000, .refresh_ahead = -1, .load = load, .load_arg = &fails});
    assert_non_null(group);
    larder_get_async(group, "k", 1, 0, keep, &got);
    kit_run(100);
    assert_int_equal(got.count, 1);
    assert_in_range(got.ttl_ms, 1, TIME);
    fails = true;
    kit_run(TIME);
    larder_get_async(group, "k", 1, 0, keep, &got);
    kit_run(100);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.status, LARDER_OK);
    assert_int_equal(got.ttl_ms, 0);
    struct larder_value *value; /* loads of it fail: nobody waits */
    char buffer[8];
    size_t size;
    assert_int_equal(larder_get(group, "k", 1, 0, &value), LARDER_OK);
    assert_int_equal(larder_value_ttl_ms(value), 0);
    larder_value_release(value);
    assert_int_equal(larder_get_copy(group, "k", 1, 0, buffer, sizeof buffer, &size), LARDER_OK);
    assert_memory_equal(buffer, "630", size);
    struct larder_item item = {.key = "k", .key_size = 1};
    assert_int_equal(larder_get_many(group, &item, 1, 0), LARDER_OK);
    assert_int_equal(larder_value_ttl_ms(item.value), 0);
    larder_value_release(item.value);
    larder_group_close(group);
    kit_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_value_is_answered_while_one_load_brings_another),
        cmocka_unit_test(past_the_window_a_get_waits),
        cmocka_unit_test(a_stale_value_is_answered_when_its_load_fails),
        cmocka_unit_test(while_loads_fail_nobody_waits_and_one_a_second_is_tried),
        cmocka_unit_test(a_stale_value_is_answered_when_the_origin_hangs),
        cmocka_unit_test(a_caller_whose_time_is_short_gets_it_too),
        cmocka_unit_test(nothing_is_answered_past_its_window),
        cmocka_unit_test(each_window_is_for_its_own_case),
        cmocka_unit_test(what_was_deleted_is_never_answered),
        cmocka_unit_test(what_is_deleted_during_its_load_is_not_answered),
        cmocka_unit_test(what_a_group_had_before_it_was_cleared_is_not_answered),
        cmocka_unit_test(what_was_overwritten_has_no_window),
        cmocka_unit_test(not_found_has_no_window),
        cmocka_unit_test(what_the_origin_has_no_more_is_not_answered),
        cmocka_unit_test(the_origin_decides_for_its_values),
        cmocka_unit_test(a_running_group_is_given_windows),
        cmocka_unit_test(without_windows_nothing_is_stale),
        cmocka_unit_test(a_peer_is_answered_by_the_owner_as_others_are),
        cmocka_unit_test(a_stand_in_answers_nothing_stale),
        cmocka_unit_test(with_copies_a_stale_value_is_gone_for_writers_too),
        cmocka_unit_test(where_writes_are_strict_nothing_is_stale),
        cmocka_unit_test(a_program_is_told_that_a_value_is_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
