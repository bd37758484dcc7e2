/*
 * A loader for node_kit.h whose loads stay until the test answers them, or their deadline passes, and short forms for a
 * group "g" that has it.
 */
#ifndef TESTS_UNIT_ORIGIN_KIT_H
#define TESTS_UNIT_ORIGIN_KIT_H

#include "node_kit.h"

#define ORIGIN_LOADS_MAX 4096

static struct origin {
    struct larder_load *loads[ORIGIN_LOADS_MAX]; /* oldest first */
    size_t count;
    unsigned begun; /* ever */
    struct larder_timer timer;
} origin;

/* Takes a load out and completes it. */
static void origin_complete(size_t number, const struct larder_load_result *result)
{
    assert_true(number < origin.count);
    struct larder_load *load = origin.loads[number];
    memmove(origin.loads + number, origin.loads + number + 1, (--origin.count - number) * sizeof origin.loads[0]);
    load->done(load, result);
}

/* Completes the oldest load. */
static inline void origin_answer(const char *value)
{
    origin_complete(0, &(struct larder_load_result){.status = LARDER_OK, .value = ldr_slice_text(value)});
}

static inline void origin_fail(enum larder_status status)
{
    origin_complete(0, &(struct larder_load_result){.status = status});
}

static void origin_watch(void)
{
    uint64_t first = LARDER_NEVER;
    for (size_t i = 0; i < origin.count; i++)
        first = origin.loads[i]->deadline < first ? origin.loads[i]->deadline : first;
    kit.runtime->timer_start(kit.runtime, &origin.timer, first);
}

/* Those whose time has passed end with that. */
static void origin_expire(struct larder_timer *timer)
{
    (void)timer;
    for (size_t i = 0; i < origin.count;)
        if (origin.loads[i]->deadline <= larder_now(kit.runtime))
            origin_complete(i, &(struct larder_load_result){.status = LARDER_DEADLINE});
        else
            i++;
    origin_watch();
}

static void *origin_open(const struct larder_host *host, const struct larder_param_value *params)
{
    (void)host;
    (void)params;
    origin = (struct origin){.timer = {.fire = origin_expire}};
    return &origin;
}

static void origin_load(void *state, struct larder_load *load)
{
    (void)state;
    assert_true(origin.count < ORIGIN_LOADS_MAX);
    origin.loads[origin.count++] = load;
    origin.begun++;
    origin_watch();
}

static void origin_close(void *state)
{
    (void)state;
    while (origin.count > 0)
        origin_fail(LARDER_LOAD_FAILED);
    kit.runtime->timer_cancel(kit.runtime, &origin.timer);
}

static const struct larder_loader origin_loader = {
    .head = {LARDER_PLUGIN_LOADER, LARDER_LOADER_ABI, sizeof origin_loader, "origin", "of a test", NULL},
    .open = origin_open,
    .load = origin_load,
    .close = origin_close,
};

/* ------------------------------------------------------------------------------------------------ a node alone */

/* A node that is alone, whose group "g" has the loader and these settings besides. */
static inline void origin_kit_open(const char *settings)
{
    char groups[512];
    snprintf(groups, sizeof groups, "groups=[{name: g, loader: origin, %s}]", settings);
    const char *const all[] = {"node.log_level=error", "transports=[{plugin: kit}]", groups, NULL};
    kit_open_with(&origin_loader.head, all);
}

/* A get whose answer is there at once. */
static inline struct kit_outcome origin_get(const char *key)
{
    struct larder_request request;
    struct kit_outcome outcome;
    kit_ask(&request, LARDER_OP_GET, key, NULL, &outcome);
    assert_int_equal(outcome.count, 1);
    return outcome;
}

/* Answered at once with this value, past its time or not. */
static inline void assert_get(const char *key, const char *value, bool stale)
{
    struct kit_outcome outcome = origin_get(key);
    assert_int_equal(outcome.status, LARDER_OK);
    assert_string_equal(outcome.value, value);
    assert_int_equal(outcome.ttl_ms == 0, stale);
}

/* Any other request that is answered at once. */
static inline enum larder_status origin_do(enum larder_operation operation, const char *key, const char *value)
{
    struct larder_request request;
    struct kit_outcome outcome;
    kit_ask(&request, operation, key, value, &outcome);
    assert_int_equal(outcome.count, 1);
    return outcome.status;
}

/* A get that waits for a load, which brings a value. */
static inline void origin_bring(const char *key, const char *value)
{
    struct larder_request request;
    struct kit_outcome outcome;
    kit_ask(&request, LARDER_OP_GET, key, NULL, &outcome);
    assert_int_equal(outcome.count, 0);
    assert_int_equal(origin.count, 1);
    origin_answer(value);
    assert_int_equal(outcome.status, LARDER_OK);
    assert_string_equal(outcome.value, value);
    assert_int_not_equal(outcome.ttl_ms, 0);
}

static inline struct larder_statistics origin_stats(void)
{
    struct larder_statistics stats;
    struct ldr_group *group = ldr_node_find_group(kit.node, ldr_slice_text("g"));
    ldr_group_read_stats(group, &stats);
    ldr_group_release(group);
    return stats;
}

#endif
