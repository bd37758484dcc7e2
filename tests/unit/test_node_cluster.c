/* What nodes promise each other: gateways, stand-ins, gets that load nothing, answers of loaders, documents. */
#include "node_net.h"

#include <jansson.h>

struct fixture {
    const struct larder_runtime *runtime;
    unsigned loads;
    enum larder_status load_status;
    uint64_t timeout_ms; /* of requests */
};

static struct fixture fixture;

static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)timeout_ms;
    fixture.loads++;
    return fixture.load_status != LARDER_OK ? fixture.load_status : larder_loaded_set(loaded, key, key_size, 0);
}

static int set_up(void **unused)
{
    (void)unused;
    memset(net_places, 0, sizeof net_places);
    fixture = (struct fixture){.runtime = ldr_sim_open(7), .timeout_ms = 1000};
    assert_non_null(fixture.runtime);
    for (size_t i = 0; i < NET_PLACES; i++) {
        struct larder_config *config = net_config(i);
        net_places[i].node = ldr_node_open_on(config, fixture.runtime);
        assert_non_null(net_places[i].node);
        larder_config_free(config);
    }
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < NET_PLACES; i++)
        larder_node_close(net_places[i].node);
    ldr_sim_close(fixture.runtime);
    return 0;
}

static void load_everywhere(void)
{
    for (size_t i = 0; i < NET_MEMBERS; i++) {
        struct larder_group *group = larder_group_open(net_places[i].node, "g",
                                                       &(struct larder_group_options){.load = load});
        assert_non_null(group);
        larder_group_close(group);
    }
}

/* ------------------------------------------------------------------------------------------------ requests */

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

static struct larder_reply ask(size_t place, struct larder_request request)
{
    struct answer answer = {0};
    request.group = ldr_slice_text("g");
    request.deadline = larder_deadline_in(fixture.runtime, fixture.timeout_ms);
    ldr_node_execute(net_places[place].node, &request, keep, &answer);
    ldr_sim_run(fixture.runtime, request.deadline);
    assert_int_equal(answer.count, 1);
    return answer.reply;
}

static enum larder_status status_of(struct larder_reply reply)
{
    larder_reply_release(&reply);
    return reply.status;
}

static struct larder_reply get(size_t place, const char *key, uint32_t flags)
{
    return ask(place, (struct larder_request){
                          .operation = LARDER_OP_GET,
                          .flags = flags,
                          .key = ldr_slice_text(key),
                          .sender = ldr_slice_text("a"),
                          .ring = ldr_cluster_ring(net_places[NET_A].node->context.cluster),
                      });
}

static enum larder_status set(size_t place, const char *key)
{
    return status_of(ask(place, (struct larder_request){
                                    .operation = LARDER_OP_SET,
                                    .key = ldr_slice_text(key),
                                    .value = ldr_slice_text("value"),
                                }));
}

/* A key of the member. */
static const char *key_of(size_t place)
{
    static char key[16];
    struct ldr_cluster *cluster = net_places[place].node->context.cluster;
    for (unsigned i = 0;; i++) {
        snprintf(key, sizeof key, "%u", i);
        struct ldr_route route = ldr_cluster_route(cluster, ldr_slice_text("g"), ldr_slice_text(key));
        ldr_peer_release(route.peer);
        if (route.peer == NULL && route.owner)
            return key;
    }
}

/* ------------------------------------------------------------------------------------------------ tests */

static void a_gateway_writes_and_reads(void **unused)
{
    (void)unused;
    assert_int_equal(set(NET_GATEWAY, "k"), LARDER_OK);
    struct larder_reply reply = get(NET_GATEWAY, "k", 0);
    assert_int_equal(reply.status, LARDER_OK);
    assert_memory_equal(reply.value.data, "value", 5);
    larder_reply_release(&reply);
}

static void a_gateway_releases_a_failure_once(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < NET_MEMBERS; i++)
        net_places[i].failure = "unplugged";
    assert_int_equal(status_of(get(NET_GATEWAY, "k", 0)), LARDER_UNAVAILABLE);
    for (size_t i = 0; i < NET_MEMBERS; i++)
        assert_int_equal(net_places[i].released, net_places[i].failures);
}

static void what_a_peer_stores_for_another_is_short_lived(void **unused)
{
    (void)unused;
    char key[16];
    unsigned others = 0;
    net_places[NET_C].failure = "unplugged";
    for (unsigned i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_int_equal(set(NET_A, key), LARDER_OK);
        struct ldr_route route = ldr_cluster_route(net_places[NET_C].node->context.cluster, ldr_slice_text("g"),
                                                   ldr_slice_text(key));
        ldr_peer_release(route.peer);
        bool of_c = route.peer == NULL && route.owner;
        struct larder_reply reply = get(NET_B, key, LARDER_REQUEST_PEER);
        if (reply.status == LARDER_OK && of_c)
            assert_in_range(reply.ttl_ms, 1, 2000);
        else if (reply.status == LARDER_OK)
            assert_int_equal(reply.ttl_ms, LARDER_TTL_NONE);
        others += reply.status == LARDER_OK && of_c;
        larder_reply_release(&reply);
    }
    assert_true(others > 0);
}

static void a_loader_cannot_speak_for_its_node(void **unused)
{
    (void)unused;
    load_everywhere();
    fixture.load_status = LARDER_UNAVAILABLE;
    assert_int_equal(status_of(get(NET_A, key_of(NET_B), 0)), LARDER_LOAD_FAILED);
    assert_int_equal(fixture.loads, 1);
    fixture.load_status = (enum larder_status)1234;
    assert_int_equal(status_of(get(NET_B, key_of(NET_B), 0)), LARDER_LOAD_FAILED);
}

static void a_reason_in_no_known_letters_hides_no_member(void **unused)
{
    (void)unused;
    net_places[NET_B].failure = "caf\xe9 closed";
    assert_int_equal(set(NET_A, key_of(NET_B)), LARDER_OK);
    struct larder_reply reply = ask(NET_A, (struct larder_request){.operation = LARDER_OP_CLUSTER});
    assert_int_equal(reply.status, LARDER_OK);
    json_t *document = json_loadb(reply.value.data, reply.value.size, 0, NULL);
    larder_reply_release(&reply);
    json_t *members = json_object_get(document, "members");
    assert_int_equal(json_array_size(members), NET_MEMBERS);
    assert_string_equal(json_string_value(json_object_get(json_array_get(members, 1), "reason")), "caf\\xe9 closed");
    json_decref(document);
}

static void a_get_gives_a_peer_time_to_load(void **unused)
{
    (void)unused;
    const char *key = key_of(NET_B);
    fixture.timeout_ms = 60000;
    uint64_t begun = larder_now(fixture.runtime);
    assert_int_equal(status_of(get(NET_A, key, 0)), LARDER_NOT_FOUND);
    assert_int_equal(net_places[NET_B].deadline - begun, 1000 * LARDER_NS_PER_MS);
    load_everywhere();
    begun = larder_now(fixture.runtime);
    assert_int_equal(status_of(get(NET_A, key, 0)), LARDER_OK);
    assert_int_equal(net_places[NET_B].deadline - begun, 6000 * LARDER_NS_PER_MS);
}

static void a_patient_caller_may_outlast_the_request_timeout(void **unused)
{
    (void)unused;
    const char *key = key_of(NET_B);
    load_everywhere();
    assert_int_equal(status_of(ask(NET_A, (struct larder_request){.operation = LARDER_OP_GROUP_PUT,
                                                                  .value = ldr_slice_text("{load_timeout: 30s}")})),
                     LARDER_OK);
    fixture.timeout_ms = 60000;
    uint64_t begun = larder_now(fixture.runtime);
    assert_int_equal(status_of(get(NET_A, key, 0)), LARDER_OK);
    assert_int_equal(net_places[NET_B].deadline - begun, 31000 * LARDER_NS_PER_MS);
}

static void a_reload_leaves_a_discovery_alone_that_stays_the_same(void **unused)
{
    (void)unused;
    struct larder_node *node = net_places[NET_A].node;
    struct larder_config *config = net_config(NET_A);
    uint64_t epoch = ldr_cluster_ring(node->context.cluster).epoch;
    assert_int_equal(larder_node_reload(node, config), LARDER_OK);
    assert_int_equal(net_places[NET_A].reports, 1);
    assert_int_equal(larder_config_set(config, "cluster.discovery.zone=west"), LARDER_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(larder_node_reload(node, config), LARDER_OK);
        assert_int_equal(net_places[NET_A].reports, 2);
        assert_int_equal(ldr_cluster_ring(node->context.cluster).epoch, epoch + 1);
    }
    larder_config_free(config);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gateway_writes_and_reads),
        TEST(a_gateway_releases_a_failure_once),
        TEST(what_a_peer_stores_for_another_is_short_lived),
        TEST(a_loader_cannot_speak_for_its_node),
        TEST(a_get_gives_a_peer_time_to_load),
        TEST(a_patient_caller_may_outlast_the_request_timeout),
        TEST(a_reload_leaves_a_discovery_alone_that_stays_the_same),
        TEST(a_reason_in_no_known_letters_hides_no_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
