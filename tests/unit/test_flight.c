/* Single load, deadlines and writes that overtake: a node of this process with loaders that fail, hang or are slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "larder/larder.h"

/* What the loader does; a gate holds it until the test opens it. */
struct origin {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool open;
    int inside; /* calls that stand at the gate */
    _Atomic int calls;
    enum larder_status status;
    char value[64];
    int64_t ttl_ms;
};

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    struct origin *origin = arg;
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    atomic_fetch_add(&origin->calls, 1);
    pthread_mutex_lock(&origin->lock);
    char value[64];
    memcpy(value, origin->value, sizeof value); /* what the origin holds when it is asked */
    enum larder_status status = origin->status;
    origin->inside++;
    pthread_cond_broadcast(&origin->change);
    while (!origin->open)
        pthread_cond_wait(&origin->change, &origin->lock);
    origin->inside--;
    pthread_mutex_unlock(&origin->lock);
    if (status != LARDER_OK)
        return status;
    return larder_loaded_set(loaded, value, strlen(value), origin->ttl_ms);
}

static void set_gate(struct origin *origin, bool open)
{
    pthread_mutex_lock(&origin->lock);
    origin->open = open;
    pthread_cond_broadcast(&origin->change);
    pthread_mutex_unlock(&origin->lock);
}

static void wait_inside(struct origin *origin, int count)
{
    pthread_mutex_lock(&origin->lock);
    while (origin->inside < count)
        pthread_cond_wait(&origin->change, &origin->lock);
    pthread_mutex_unlock(&origin->lock);
}

struct fixture {
    struct origin origin;
    struct larder_node *node;
    struct larder_group *group;
};

/* With settings of the node, or NULL. */
static void set_up_node(struct fixture *fixture, const char *setting, const struct larder_group_options *options)
{
    struct larder_config *config = larder_config_new();
    if (setting != NULL)
        assert_int_equal(larder_config_set(config, setting), LARDER_OK);
    *fixture = (struct fixture){.origin = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER}};
    strcpy(fixture->origin.value, "630");
    fixture->origin.open = true;
    fixture->node = larder_node_open(config);
    assert_non_null(fixture->node);
    larder_config_free(config);
    struct larder_group_options own = *options;
    own.load = load;
    own.load_arg = &fixture->origin;
    fixture->group = larder_group_open(fixture->node, "g", &own);
    assert_non_null(fixture->group);
}

static void set_up(struct fixture *fixture, const struct larder_group_options *options)
{
    set_up_node(fixture, NULL, options);
}

static void tear_down(struct fixture *fixture)
{
    set_gate(&fixture->origin, true);
    larder_group_close(fixture->group);
    larder_node_close(fixture->node);
}

/* ------------------------------------------------------------------------------------------------ callers */

struct caller {
    struct fixture *fixture;
    pthread_t thread;
    uint64_t timeout_ms;
    enum larder_status status;
    char value[64];
    atomic_bool answered;
};

static void *get_tom(void *arg)
{
    struct caller *caller = arg;
    size_t size = 0;
    caller->status = larder_get_copy(caller->fixture->group, "Tom", 3, caller->timeout_ms, caller->value,
                                     sizeof caller->value - 1, &size);
    caller->value[size] = '\0';
    atomic_store(&caller->answered, true);
    return NULL;
}

static void start(struct caller *caller, struct fixture *fixture, uint64_t timeout_ms)
{
    *caller = (struct caller){.fixture = fixture, .timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&caller->thread, NULL, get_tom, caller), 0);
}

static bool is_inside(struct origin *origin)
{
    pthread_mutex_lock(&origin->lock);
    bool inside = origin->inside > 0;
    pthread_mutex_unlock(&origin->lock);
    return inside;
}

/*
 * Starts a caller that gives up soon, but not before its load has begun: a load that nobody waits for any more is not made.
 * On a machine that is too busy to begin it in that time the next caller waits twice as long.
 */
static void start_impatient(struct caller *caller, struct fixture *fixture)
{
    for (uint64_t timeout_ms = 20;; timeout_ms *= 2) {
        start(caller, fixture, timeout_ms);
        while (!is_inside(&fixture->origin) && !atomic_load(&caller->answered))
            sched_yield();
        if (is_inside(&fixture->origin))
            return;
        pthread_join(caller->thread, NULL);
    }
}

static uint64_t deduplicated(struct fixture *fixture)
{
    struct larder_statistics stats;
    assert_int_equal(larder_group_stats(fixture->group, &stats), LARDER_OK);
    return stats.loads_deduplicated;
}

static void wait_deduplicated(struct fixture *fixture, uint64_t count)
{
    while (deduplicated(fixture) < count)
        sched_yield();
}

/* ------------------------------------------------------------------------------------------------ tests */

static void many_callers_one_load(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller callers[16];
    for (size_t i = 0; i < 16; i++)
        start(&callers[i], &fixture, 30000);
    wait_deduplicated(&fixture, 15);
    set_gate(&fixture.origin, true);
    for (size_t i = 0; i < 16; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].status, LARDER_OK);
        assert_string_equal(callers[i].value, "630");
    }
    assert_int_equal(fixture.origin.calls, 1);
    tear_down(&fixture);
}

static void fault_22_a_failing_load_fails_all_and_poisons_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    fixture.origin.status = LARDER_LOAD_FAILED;
    struct caller callers[4];
    for (size_t i = 0; i < 4; i++)
        start(&callers[i], &fixture, 30000);
    wait_deduplicated(&fixture, 3);
    set_gate(&fixture.origin, true);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].status, LARDER_LOAD_FAILED);
    }
    fixture.origin.status = LARDER_OK;
    struct caller again = {.fixture = &fixture};
    get_tom(&again);
    assert_int_equal(again.status, LARDER_OK);
    tear_down(&fixture);
}

struct failure {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool done;
    char message[128];
};

static void keep_failure(void *arg, enum larder_status status, struct larder_value *value)
{
    struct failure *failure = arg;
    assert_int_equal(status, LARDER_LOAD_FAILED);
    assert_null(value);
    pthread_mutex_lock(&failure->lock);
    snprintf(failure->message, sizeof failure->message, "%s", larder_last_error());
    failure->done = true;
    pthread_cond_signal(&failure->change);
    pthread_mutex_unlock(&failure->lock);
}

static enum larder_status load_nothing(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                                       struct larder_loaded *loaded)
{
    (void)arg;
    (void)key;
    (void)key_size;
    (void)timeout_ms;
    (void)loaded;
    return LARDER_OK;
}

static void a_failure_says_why_without_waiting_too(void **state)
{
    (void)state;
    struct larder_node *node = larder_node_open(NULL);
    struct larder_group *group = larder_group_open(node, "g", &(struct larder_group_options){.load = load_nothing});
    assert_non_null(group);
    struct failure failure = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    larder_get_async(group, "Tom", 3, 30000, keep_failure, &failure);
    pthread_mutex_lock(&failure.lock);
    while (!failure.done)
        pthread_cond_wait(&failure.change, &failure.lock);
    pthread_mutex_unlock(&failure.lock);
    assert_string_equal(failure.message, "the loader returned LARDER_OK without larder_loaded_set()");
    larder_group_close(group);
    larder_node_close(node);
}

static void fault_22_a_caller_that_gives_up_leaves_the_others(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller first, second;
    start_impatient(&first, &fixture);
    uint64_t before = deduplicated(&fixture);
    start(&second, &fixture, 30000);
    wait_deduplicated(&fixture, before + 1);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.status, LARDER_DEADLINE);
    set_gate(&fixture.origin, true);
    pthread_join(second.thread, NULL);
    assert_int_equal(second.status, LARDER_OK);
    assert_int_equal(fixture.origin.calls, 1);
    tear_down(&fixture);
}

static void fault_22_a_hanging_loader_hangs_nobody(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){.load_timeout_ms = 30});
    set_gate(&fixture.origin, false);
    struct caller caller = {.fixture = &fixture, .timeout_ms = 30000};
    /*
     * The next caller is not tied to the load that hangs: it has a load of its own. On a busy machine a load may not even
     * begin within the 30 ms, or take longer although the gate is open: then another caller comes.
     */
    for (int calls = 1; calls <= 2; calls++)
        while (fixture.origin.calls < calls) {
            get_tom(&caller);
            assert_int_equal(caller.status, LARDER_DEADLINE);
        }
    set_gate(&fixture.origin, true);
    do
        get_tom(&caller);
    while (caller.status == LARDER_DEADLINE);
    assert_int_equal(caller.status, LARDER_OK);
    tear_down(&fixture);
}

static void a_write_overtakes_a_load(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller caller;
    start(&caller, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    assert_int_equal(larder_set(fixture.group, "Tom", 3, "700", 3, 0, 0), LARDER_OK);
    /* Who waits gets what was set, while the loader is still busy. */
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, LARDER_OK);
    assert_string_equal(caller.value, "700");
    set_gate(&fixture.origin, true);
    struct caller after = {.fixture = &fixture};
    get_tom(&after);
    assert_string_equal(after.value, "700");
    tear_down(&fixture);
}

static void a_delete_overtakes_a_load(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller before, after;
    start(&before, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    assert_int_equal(larder_delete(fixture.group, "Tom", 3, 0), LARDER_NOT_FOUND);
    strcpy(fixture.origin.value, "640"); /* the origin changed, which is why the key was deleted */
    start(&after, &fixture, 30000);
    wait_inside(&fixture.origin, 2);
    set_gate(&fixture.origin, true);
    pthread_join(before.thread, NULL);
    pthread_join(after.thread, NULL);
    assert_string_equal(after.value, "640");
    get_tom(&after);
    assert_string_equal(after.value, "640");
    tear_down(&fixture);
}

static void a_clear_overtakes_a_load(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller before, after;
    start(&before, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    assert_int_equal(larder_group_clear(fixture.group), LARDER_OK);
    strcpy(fixture.origin.value, "640");
    start(&after, &fixture, 30000);
    wait_inside(&fixture.origin, 2);
    set_gate(&fixture.origin, true);
    pthread_join(before.thread, NULL);
    pthread_join(after.thread, NULL);
    assert_string_equal(before.value, "630");
    assert_string_equal(after.value, "640");
    get_tom(&after);
    assert_string_equal(after.value, "640");
    tear_down(&fixture);
}

static void not_found_is_remembered_for_its_time(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){.negative_ttl_ms = 60000});
    fixture.origin.status = LARDER_NOT_FOUND;
    struct caller caller = {.fixture = &fixture};
    for (int i = 0; i < 3; i++) {
        get_tom(&caller);
        assert_int_equal(caller.status, LARDER_NOT_FOUND);
    }
    assert_int_equal(fixture.origin.calls, 1);
    struct larder_statistics stats;
    larder_group_stats(fixture.group, &stats);
    assert_int_equal(stats.negative_hits, 2);
    assert_int_equal(larder_set(fixture.group, "Tom", 3, "1", 1, 0, 0), LARDER_OK);
    get_tom(&caller);
    assert_string_equal(caller.value, "1");
    tear_down(&fixture);
}

static void fault_25_dropping_a_group_under_load_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller caller;
    start(&caller, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    assert_int_equal(larder_group_drop(fixture.node, "g"), LARDER_OK);
    struct caller after = {.fixture = &fixture};
    get_tom(&after);
    assert_int_equal(after.status, LARDER_NO_GROUP);
    set_gate(&fixture.origin, true);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, LARDER_OK);
    assert_int_equal(larder_group_drop(fixture.node, "g"), LARDER_NO_GROUP);
    tear_down(&fixture);
}

static void a_group_made_again_does_not_wait_for_loads_of_the_old_one(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller before;
    start(&before, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    assert_int_equal(larder_group_drop(fixture.node, "g"), LARDER_OK);
    struct origin next = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .open = true};
    strcpy(next.value, "700");
    struct larder_group *again = larder_group_open(fixture.node, "g",
                                                   &(struct larder_group_options){.load = load, .load_arg = &next});
    assert_non_null(again);
    struct caller after = {.fixture = &fixture, .timeout_ms = 30000};
    get_tom(&after);
    assert_int_equal(after.status, LARDER_OK);
    assert_string_equal(after.value, "700");
    set_gate(&fixture.origin, true);
    pthread_join(before.thread, NULL);
    assert_string_equal(before.value, "630");
    get_tom(&after);
    assert_string_equal(after.value, "700");
    larder_group_close(again);
    tear_down(&fixture);
}

static void *close_node(void *node)
{
    larder_node_close(node);
    return NULL;
}

static void closing_a_node_answers_who_waits(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up_node(&fixture, "node.drain_timeout=0ms", &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller caller;
    start(&caller, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    struct larder_value *held;
    assert_int_equal(larder_set(fixture.group, "held", 4, "value", 5, 0, 0), LARDER_OK);
    assert_int_equal(larder_get(fixture.group, "held", 4, 0, &held), LARDER_OK);
    /* The gate opens only once the caller was answered: close() must not wait for the loader to do that. */
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_node, fixture.node), 0);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, LARDER_UNAVAILABLE);
    set_gate(&fixture.origin, true);
    pthread_join(closer, NULL);
    assert_int_equal(larder_set(fixture.group, "k", 1, "v", 1, 0, 0), LARDER_UNAVAILABLE);
    assert_memory_equal(larder_value_data(held), "value", 5);
    larder_value_release(held);
    larder_group_close(fixture.group);
}

static void closing_a_node_lets_gets_finish(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up_node(&fixture, "node.drain_timeout=1h", &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller caller;
    start(&caller, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_node, fixture.node), 0);
    while (larder_set(fixture.group, "k", 1, "v", 1, 0, 0) != LARDER_UNAVAILABLE)
        sched_yield();
    set_gate(&fixture.origin, true);
    pthread_join(closer, NULL);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, LARDER_OK);
    assert_string_equal(caller.value, "630");
    larder_group_close(fixture.group);
}

static void closing_a_node_begins_no_load_that_waits(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up_node(&fixture, "node={workers: 1, drain_timeout: 0ms}", &(struct larder_group_options){0});
    set_gate(&fixture.origin, false);
    struct caller caller;
    start(&caller, &fixture, 30000);
    wait_inside(&fixture.origin, 1);
    size_t size;
    assert_int_equal(larder_get_copy(fixture.group, "waits", 5, 1, NULL, 0, &size), LARDER_DEADLINE);
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_node, fixture.node), 0);
    pthread_join(caller.thread, NULL);
    set_gate(&fixture.origin, true);
    pthread_join(closer, NULL);
    assert_int_equal(fixture.origin.calls, 1);
    larder_group_close(fixture.group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_callers_one_load),
        cmocka_unit_test(fault_22_a_failing_load_fails_all_and_poisons_nothing),
        cmocka_unit_test(a_failure_says_why_without_waiting_too),
        cmocka_unit_test(fault_22_a_caller_that_gives_up_leaves_the_others),
        cmocka_unit_test(fault_22_a_hanging_loader_hangs_nobody),
        cmocka_unit_test(a_write_overtakes_a_load),
        cmocka_unit_test(a_delete_overtakes_a_load),
        cmocka_unit_test(a_clear_overtakes_a_load),
        cmocka_unit_test(not_found_is_remembered_for_its_time),
        cmocka_unit_test(fault_25_dropping_a_group_under_load_ends),
        cmocka_unit_test(a_group_made_again_does_not_wait_for_loads_of_the_old_one),
        cmocka_unit_test(closing_a_node_answers_who_waits),
        cmocka_unit_test(closing_a_node_lets_gets_finish),
        cmocka_unit_test(closing_a_node_begins_no_load_that_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
