/*
 * Every allocation in the life of two nodes of a cluster fails in its turn, once and from then on: nothing crashes, nobody
 * waits for ever, answers are right or say why not, and (with AddressSanitizer) nothing leaks.
 */
#include "node_net.h"

#include <jansson.h>
#include <limits.h>

#include "core/store/state.h"

extern const struct larder_eviction larder_plugin_table__eviction_fifo;

/* Which allocation fails: of the test program's one thread. */
static struct {
    bool on;       /* allocations are counted */
    bool for_ever; /* all after the one fail, too */
    unsigned long fail_at, count;
    unsigned long failed;
} plan;

static bool fails(void)
{
    if (!plan.on)
        return false;
    unsigned long number = plan.count++;
    bool now = plan.for_ever ? number >= plan.fail_at : number == plan.fail_at;
    plan.failed += now;
    return now;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(memory, count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
    return fails() ? NULL : __real_strndup(text, length);
}

/* ------------------------------------------------------------------------------------------------ steps */

static const struct larder_runtime *runtime;

/* One step of the scenario: what it answered is judged by whether an allocation failed in it, or before it. */
static struct {
    unsigned long failed_before;
    size_t sizes[128]; /* of the documents, as they are when nothing fails */
    size_t step;
} judge;

static void begin_step(void)
{
    judge.failed_before = plan.failed;
    judge.step++;
}

static void judge_step(enum larder_status status, enum larder_status wanted)
{
    bool right = status == wanted;
    if (plan.failed > 0)
        right |= judge.failed_before > 0 || status == LARDER_NO_MEMORY || status == LARDER_UNAVAILABLE ||
                 status == LARDER_BUSY;
    if (!right)
        fail_msg("step %zu, allocation %lu: got status %s, wanted %s", judge.step, plan.fail_at,
                 larder_status_name(status), larder_status_name(wanted));
}

/* How many values a document has, whatever they are. */
static size_t size_of(json_t *json)
{
    size_t size = 1, i;
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) size += size_of(value);
    json_array_foreach(json, i, value) size += size_of(value);
    return size;
}

static void judge_document(struct larder_slice text)
{
    bool on = plan.on;
    plan.on = false;
    json_t *json = json_loadb(text.data, text.size, 0, NULL);
    size_t size = json != NULL ? size_of(json) : text.size;
    json_decref(json);
    plan.on = on;
    if (plan.failed == 0)
        judge.sizes[judge.step] = size;
    else if (judge.failed_before == 0 && json != NULL)
        assert_int_equal(size, judge.sizes[judge.step]);
}

struct answer {
    struct larder_reply reply;
    unsigned count;
};

static void keep(void *arg, struct larder_reply *reply)
{
    struct answer *answer = arg;
    answer->reply = *reply;
    answer->count++;
}

static void ask(enum larder_status wanted, struct larder_request request)
{
    struct answer answer = {0};
    begin_step();
    if (request.group.size == 0)
        request.group = ldr_slice_text("g");
    request.deadline = larder_deadline_in(runtime, 1000);
    ldr_node_execute(net_places[NET_A].node, &request, keep, &answer);
    ldr_sim_run(runtime, request.deadline);
    if (answer.count != 1)
        fail_msg("operation %d was answered %u times, allocation %lu", (int)request.operation, answer.count,
                 plan.fail_at);
    judge_step(answer.reply.status, wanted);
    /* A sum leaves out members that are short of memory, and names them. */
    bool whole = request.operation != LARDER_OP_TOP || request.flags == 0;
    if (answer.reply.status == LARDER_OK && request.operation >= LARDER_OP_GROUP_LIST && whole)
        judge_document(answer.reply.value);
    larder_reply_release(&answer.reply);
}

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)timeout_ms;
    return larder_loaded_set(loaded, key, key_size, 0);
}

static struct larder_group *open_group(size_t place, const char *name, const struct larder_group_options *options)
{
    begin_step();
    struct larder_group *group = larder_group_open(net_places[place].node, name, options);
    judge_step(group != NULL ? LARDER_OK : larder_last_status(), LARDER_OK);
    return group;
}

/* What a group's settings tell is what its store does, whatever failed. */
static void check_groups(size_t place)
{
    for (const struct ldr_group_record *record = net_places[place].node->records; record != NULL;
         record = record->next) {
        assert_ptr_equal(record->group->store->setup->module, record->settings.eviction.table);
        assert_int_equal(record->group->store->setup->max_bytes, record->settings.max_bytes);
    }
}

/* ------------------------------------------------------------------------------------------------ the scenario */

static void use_keys(void)
{
    for (unsigned i = 0; i < 6; i++) {
        char key[] = {(char)('a' + i), '\0'};
        struct larder_request request = {.operation = LARDER_OP_GET, .key = ldr_slice_text(key)};
        ask(LARDER_OK, request);
        request.operation = LARDER_OP_TOUCH;
        ask(LARDER_OK, request);
        request.operation = LARDER_OP_DELETE;
        ask(LARDER_OK, request);
        request.operation = LARDER_OP_SET;
        request.value = ldr_slice_text("value");
        ask(LARDER_OK, request);
        request.operation = LARDER_OP_GET;
        ask(LARDER_OK, request);
        ask(LARDER_OK, request); /* near, if it is the other node's */
    }
}

/* Values that are past their time a second later: each get but the first is answered with one, and has it loaded anew. */
static void use_stale_keys(void)
{
    const struct larder_group_options options = {
        .load = load, .ttl_ms = 500, .stale_while_revalidate_ms = 3000, .stale_if_error_ms = 60000};
    for (size_t i = NET_A; i <= NET_B; i++)
        larder_group_close(open_group(i, "s", &options));
    for (unsigned i = 0; i < 9; i++) {
        char key[] = {(char)('a' + i % 3), '\0'};
        ask(LARDER_OK, (struct larder_request){
                           .operation = LARDER_OP_GET, .group = ldr_slice_text("s"), .key = ldr_slice_text(key)});
    }
}

static void administer(void)
{
    static const enum larder_operation documents[] = {LARDER_OP_GROUP_LIST, LARDER_OP_GROUP_GET, LARDER_OP_GROUP_STATS,
                                                      LARDER_OP_STATS,      LARDER_OP_CLUSTER,   LARDER_OP_METRICS};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        ask(LARDER_OK, (struct larder_request){.operation = documents[i]});
    ask(LARDER_OK, (struct larder_request){.operation = LARDER_OP_GROUP_STATS, .flags = LARDER_REQUEST_CLUSTER});
    ask(LARDER_OK, (struct larder_request){.operation = LARDER_OP_TOP});
    ask(LARDER_OK, (struct larder_request){.operation = LARDER_OP_TOP, .flags = LARDER_REQUEST_CLUSTER});
    ask(LARDER_OK, (struct larder_request){.operation = LARDER_OP_GROUP_PUT,
                                           .value = ldr_slice_text("{eviction: fifo, max_bytes: 2MiB}")});
    check_groups(NET_A);
    check_groups(NET_B);
    ask(LARDER_OK, (struct larder_request){.operation = LARDER_OP_GROUP_CLEAR});
}

static void make_groups(void)
{
    struct larder_group *group = open_group(NET_A, "h", &(struct larder_group_options){.eviction = "fifo"});
    begin_step();
    if (group != NULL)
        judge_step(larder_group_set_max_bytes(group, 1 << 20), LARDER_OK);
    larder_group_close(group);
    for (size_t i = NET_A; i <= NET_B; i++)
        larder_group_close(open_group(i, "g", &(struct larder_group_options){.load = load}));
}

static uint64_t near_hits; /* of a */

static void use_nodes(struct larder_config *const *configs)
{
    make_groups();
    use_keys();
    const struct ldr_group_record *record = ldr_node_record(net_places[NET_A].node, ldr_slice_text("g"));
    if (record != NULL)
        near_hits = ldr_lanes_sum(record->group->lanes, LDR_NEAR_HITS);
    use_stale_keys();
    administer();
    begin_step();
    judge_step(larder_node_reload(net_places[NET_A].node, configs[NET_A]), LARDER_OK);
    check_groups(NET_A);
    begin_step();
    judge_step(larder_group_drop(net_places[NET_A].node, "h"), LARDER_OK);
    ask(LARDER_OK, (struct larder_request){.operation = LARDER_OP_GROUP_DROP});
}

static void scenario(struct larder_config *const *configs)
{
    memset(net_places, 0, sizeof net_places);
    judge.step = 0;
    runtime = ldr_sim_open(3);
    assert_non_null(runtime);
    plan.on = true;
    bool open = true;
    for (size_t i = NET_A; i <= NET_B && open; i++) {
        begin_step();
        net_places[i].node = ldr_node_open_on(configs[i], runtime);
        open = net_places[i].node != NULL;
        judge_step(open ? LARDER_OK : larder_last_status(), LARDER_OK);
    }
    if (open)
        use_nodes(configs);
    for (size_t i = NET_A; i <= NET_B; i++)
        larder_node_close(net_places[i].node);
    plan.on = false;
    ldr_sim_close(runtime);
}

static void every_allocation_may_fail(void **state)
{
    struct larder_config *configs[] = {net_config(NET_A), net_config(NET_B)};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(larder_config_add_plugin(configs[i], &larder_plugin_table__eviction_fifo.head), LARDER_OK);
        /* A second lies between two gets: with so long a life of near copies every key is worth one. */
        assert_int_equal(larder_config_set(configs[i], "groups.0.near_ttl=1h"), LARDER_OK);
    }
    plan.for_ever = *(const bool *)*state;
    /* The first run, in which none fails, tells how many there are. */
    plan.fail_at = ULONG_MAX;
    plan.count = plan.failed = 0;
    scenario(configs);
    assert_int_equal(plan.failed, 0);
    assert_true(near_hits > 0);
    for (unsigned long i = 0, count = plan.count; i < count; i++) {
        plan.fail_at = i;
        plan.count = plan.failed = 0;
        scenario(configs);
        if (plan.failed == 0)
            fail_msg("allocation %lu of %lu was not met, there were %lu", i, count, plan.count);
    }
    larder_config_free(configs[0]);
    larder_config_free(configs[1]);
}

int main(void)
{
    static bool once = false, for_ever = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_allocation_may_fail, &once),
        cmocka_unit_test_prestate(every_allocation_may_fail, &for_ever),
    };
    net_members = 2;
    json_set_alloc_funcs(__wrap_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
