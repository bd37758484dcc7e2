/* Dropping a group whose loader answers from a thread of its own, which close() waits for. */
#include "node_kit.h"

#include <pthread.h>

static struct larder_load *pending; /* in the loader of the running test */
static unsigned loads;

static void *loader_open(const struct larder_host *host, const struct larder_param_value *params)
{
    (void)host;
    (void)params;
    return &kit;
}

static void loader_load(void *state, struct larder_load *load)
{
    (void)state;
    loads++;
    pending = load;
}

/* While the group is being dropped a load fails, and a peer turns out to be away, so that a further load is wanted. */
static void *answer_all(void *arg)
{
    (void)arg;
    pending->done(pending, &(struct larder_load_result){.status = LARDER_LOAD_FAILED});
    kit_answer(LARDER_UNAVAILABLE, NULL);
    return NULL;
}

static void loader_close(void *state)
{
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, answer_all, NULL), 0);
    pthread_join(thread, NULL);
}

static const struct larder_loader loader = {
    .head = {LARDER_PLUGIN_LOADER, LARDER_LOADER_ABI, sizeof loader, "kit", "of a test", NULL},
    .open = loader_open,
    .load = loader_load,
    .close = loader_close,
};

static void fault_25_dropping_a_group_waits_for_no_lock_of_its_own(void **state)
{
    (void)state;
    static const char *const settings[] = {KIT_MEMBER, "groups=[{name: g, loader: kit}]", "cluster.retries=0", NULL};
    struct larder_request requests[2];
    struct kit_outcome outcomes[2];
    char key[12];
    kit_open_with(&loader.head, settings);
    kit_members(1, 2);
    kit_key(true, key);
    kit_ask(&requests[0], LARDER_OP_GET, key, NULL, &outcomes[0]);
    assert_int_equal(loads, 1);
    char other[12];
    kit_key(false, other);
    kit_ask(&requests[1], LARDER_OP_GET, other, NULL, &outcomes[1]);
    assert_int_equal(kit.sent_count, 1);
    assert_int_equal(larder_group_drop(kit.node, "g"), LARDER_OK);
    assert_int_equal(outcomes[0].status, LARDER_LOAD_FAILED);
    assert_int_equal(outcomes[1].status, LARDER_NO_GROUP);
    assert_int_equal(loads, 1);
    assert_int_equal(larder_group_drop(kit.node, "g"), LARDER_NO_GROUP);
    kit_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_25_dropping_a_group_waits_for_no_lock_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
