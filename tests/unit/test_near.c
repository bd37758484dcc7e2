/* Near copies at a node that does not own the key: what is kept, for how long, and what ends it. */
#include "node_kit.h"

#include "core/group/hot.h"

/* near_ttl is 500 ms: a key is hot when it is asked for eight times in a second. */
#define NEAR_MS 500
#define ASKED   8

static char key[12]; /* a peer's */

static int open_member(void **state)
{
    (void)state;
    kit_open((const char *const[]){KIT_MEMBER, NULL});
    struct larder_group *group = larder_group_open(kit.node, "g", &(struct larder_group_options){.max_bytes = 1 << 20});
    assert_non_null(group);
    larder_group_close(group);
    kit_members(1, 3);
    kit_key(false, key);
    return 0;
}

static int end_member(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static struct larder_statistics stats(void)
{
    struct larder_statistics stats;
    struct larder_group *group = larder_group_open(kit.node, "g", NULL);
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    larder_group_close(group);
    return stats;
}

/* Answers the oldest request in the transport, as the owner of its key would. */
static void answer(struct larder_reply reply, const char *value)
{
    assert_true(kit.sent_count > 0);
    struct kit_sent sent = kit.sent[0];
    memmove(kit.sent, kit.sent + 1, --kit.sent_count * sizeof kit.sent[0]);
    if (reply.ring.checksum == 0)
        reply.ring = ldr_cluster_ring(kit.node->context.cluster);
    reply.source = LARDER_SOURCE_LOCAL;
    reply.value = ldr_slice_text(value);
    sent.done(sent.arg, &reply);
}

static struct larder_reply owners(int64_t ttl_ms, uint64_t version)
{
    return (struct larder_reply){.flags = LARDER_REPLY_OWNER, .ttl_ms = ttl_ms, .version = {1, version}};
}

/* A get; true: it went to the peer, whose answer the test gives. */
static struct kit_outcome got;
static struct larder_request request;

static bool asks_peer(void)
{
    kit_ask(&request, LARDER_OP_GET, key, NULL, &got);
    assert_int_equal(got.count + kit.sent_count, 1);
    return kit.sent_count == 1;
}

static bool last_is_marked(void)
{
    return (kit.sent[0].request->flags & LARDER_REQUEST_NEAR) != 0;
}

/* Asks until the answer is wanted to be kept: that request is in the transport then. */
static void make_hot(void)
{
    for (unsigned i = 0;; i++) {
        assert_true(i < 100);
        assert_true(asks_peer());
        if (last_is_marked())
            return;
        answer((struct larder_reply){.ttl_ms = LARDER_TTL_NONE}, "far");
    }
}

static void assert_near(const char *value)
{
    assert_false(asks_peer());
    assert_int_equal(got.source, LARDER_SOURCE_NEAR);
    assert_int_equal(got.status, value != NULL ? LARDER_OK : LARDER_NOT_FOUND);
    if (value != NULL)
        assert_string_equal(got.value, value);
}

static void assert_far(void)
{
    assert_true(asks_peer());
    answer((struct larder_reply){.ttl_ms = LARDER_TTL_NONE}, "far");
    assert_string_equal(got.value, "far");
    assert_int_equal(got.source, LARDER_SOURCE_PEER);
}

/* ------------------------------------------------------------------------------------------------ keeping */

static void a_hot_key_is_kept(void **state)
{
    (void)state;
    for (unsigned i = 1; i < ASKED; i++) {
        assert_true(asks_peer());
        assert_false(last_is_marked());
        answer(owners(LARDER_TTL_NONE, 1), "far"); /* an owner's, and not asked for as such */
    }
    assert_true(asks_peer());
    assert_true(last_is_marked());
    assert_int_equal(kit.sent[0].request->ttl_ms, NEAR_MS);
    answer(owners(LARDER_TTL_NONE, 1), "near");
    assert_string_equal(got.value, "near");
    assert_int_equal(got.source, LARDER_SOURCE_PEER);
    uint64_t calls = stats().peer_hits;
    for (unsigned i = 0; i < 100; i++)
        assert_near("near");
    struct larder_statistics after = stats();
    assert_int_equal(after.peer_hits, calls);
    assert_int_equal(after.near_hits, 100);
    assert_int_equal(after.gets, 100 + ASKED);
    assert_int_equal(after.misses, ASKED);
    assert_int_equal(after.hits, 0);
    assert_true(after.hit_ratio > 0.9);
    assert_int_equal(after.near_bytes_limit, 1 << 20);
    assert_in_range(after.near_bytes_used, 1, 1 << 20);
}

static void a_key_that_is_asked_for_now_and_then_is_not(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        assert_true(asks_peer());
        assert_false(last_is_marked());
        answer(owners(LARDER_TTL_NONE, 1), "far");
        kit_run(200);
    }
    assert_int_equal(stats().near_hits, 0);
}

static void a_copy_ends_near_ttl_after_it_was_asked_for(void **state)
{
    (void)state;
    make_hot();
    kit_run(300); /* the answer takes its time */
    answer(owners(LARDER_TTL_NONE, 1), "near");
    kit_run(NEAR_MS - 300 - 1);
    assert_near("near");
    kit_run(1);
    make_hot();
    kit_run(NEAR_MS); /* too late to be kept at all */
    answer(owners(LARDER_TTL_NONE, 2), "near");
    assert_string_equal(got.value, "near");
    assert_far();
}

static void a_copy_ends_with_its_entry(void **state)
{
    (void)state;
    make_hot();
    answer(owners(100, 1), "near");
    kit_run(98);
    assert_near("near");
    kit_run(1); /* the owner has rounded up */
    assert_true(asks_peer());
    answer(owners(1, 1), "soon");
    assert_far();
}

static void what_remains_is_told_of_the_entry_and_not_of_the_copy(void **state)
{
    (void)state;
    make_hot();
    answer(owners(60000, 7), "near");
    kit_run(100);
    struct larder_group *group = larder_group_open(kit.node, "g", NULL);
    struct larder_value *value;
    assert_int_equal(larder_get(group, key, strlen(key), 1000, &value), LARDER_OK);
    assert_int_equal(larder_value_size(value), 4);
    assert_memory_equal(larder_value_data(value), "near", 4);
    assert_in_range(larder_value_ttl_ms(value), 60000 - 101, 60000 - 99);
    larder_value_release(value);
    larder_group_close(group);
}

static void not_found_is_kept_too(void **state)
{
    (void)state;
    make_hot();
    struct larder_reply reply = owners(LARDER_TTL_NONE, 0);
    reply.status = LARDER_NOT_FOUND;
    answer(reply, "");
    assert_near(NULL);
    assert_int_equal(stats().near_hits, 1);
    kit_run(NEAR_MS);
    assert_far();
    make_hot();
    reply.ttl_ms = 0; /* the owner does not remember it */
    answer(reply, "");
    assert_far();
}

static void an_empty_value_is_a_value(void **state)
{
    (void)state;
    make_hot();
    answer(owners(LARDER_TTL_NONE, 1), "");
    got = (struct kit_outcome){.value = "unchanged"};
    kit_ask(&request, LARDER_OP_GET, key, NULL, &got);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.status, LARDER_OK);
    assert_int_equal(got.source, LARDER_SOURCE_NEAR);
}

/* ------------------------------------------------------------------------------------------------ what is not kept */

static void only_what_the_owner_has_is_kept(void **state)
{
    (void)state;
    make_hot(); /* who stands in for the owner does not say that it is */
    answer((struct larder_reply){.ttl_ms = LARDER_TTL_NONE}, "stand-in");
    assert_far();
    make_hot();
    struct larder_reply reply = owners(LARDER_TTL_NONE, 1);
    reply.ring = ldr_cluster_ring(kit.node->context.cluster);
    reply.ring.checksum ^= 1; /* owner in a ring that is not this node's */
    answer(reply, "other ring");
    assert_far();
    make_hot();
    reply = owners(LARDER_TTL_NONE, 1);
    reply.status = LARDER_LOAD_FAILED;
    answer(reply, "");
    assert_far();
    assert_int_equal(stats().near_hits, 0);
}

static void a_write_through_this_node_ends_copies_and_overtakes_calls(void **state)
{
    (void)state;
    static const enum larder_operation writes[] = {LARDER_OP_SET, LARDER_OP_DELETE, LARDER_OP_TOUCH};
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        make_hot();
        answer(owners(LARDER_TTL_NONE, 1), "old");
        assert_near("old");
        struct larder_request write;
        struct kit_outcome written;
        kit_ask(&write, writes[i], key, "new", &written);
        assert_int_equal(kit.sent_count, 1);
        answer((struct larder_reply){.version = {1, 2}}, "");
        assert_int_equal(written.count, 1);
        assert_far();
        /* A call that was answered before the write, and whose answer comes after it. */
        make_hot();
        kit_ask(&write, writes[i], key, "newer", &written);
        assert_int_equal(kit.sent_count, 2);
        struct kit_sent get = kit.sent[0];
        kit.sent[0] = kit.sent[1];
        kit.sent[1] = get;
        answer((struct larder_reply){.version = {1, 3}}, "");
        answer(owners(LARDER_TTL_NONE, 1), "old");
        assert_far();
    }
}

/* Whether it was done is not known then. */
static void a_write_that_fails_ends_copies(void **state)
{
    (void)state;
    make_hot();
    answer(owners(LARDER_TTL_NONE, 1), "old");
    struct larder_request write;
    struct kit_outcome written;
    kit_ask(&write, LARDER_OP_SET, key, "new", &written);
    answer((struct larder_reply){.status = LARDER_NO_MEMORY}, "");
    assert_int_equal(written.status, LARDER_NO_MEMORY);
    assert_far();
}

static struct larder_request forget;

static void tell_of_a_write(void)
{
    struct kit_outcome told = {0};
    forget = kit_peer_request(key);
    forget.operation = LARDER_OP_FORGET;
    kit.door->submit(kit.door, &forget, kit_answered, &told);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.status, LARDER_OK);
}

/* Fault 17: deletes and writes never reached the copies cached at other nodes. */
static void fault_17_the_owner_tells_of_a_write(void **state)
{
    (void)state;
    make_hot();
    answer(owners(LARDER_TTL_NONE, 1), "old");
    assert_near("old");
    tell_of_a_write();
    assert_far();
    tell_of_a_write(); /* there is nothing: no harm */
    make_hot();
    tell_of_a_write(); /* faster than the answer of before it */
    answer(owners(LARDER_TTL_NONE, 1), "old");
    assert_far();
}

static void a_copy_is_not_replaced_by_an_older_one(void **state)
{
    (void)state;
    make_hot();
    struct kit_outcome slow = {0};
    struct larder_request slow_request;
    answer(owners(LARDER_TTL_NONE, 7), "older");
    tell_of_a_write();
    kit_ask(&slow_request, LARDER_OP_GET, key, NULL, &slow);
    struct kit_sent first = kit.sent[0]; /* stays on its way */
    kit.sent_count = 0;
    tell_of_a_write(); /* so that the next get does not wait for the same answer */
    make_hot();
    answer(owners(LARDER_TTL_NONE, 9), "new");
    assert_near("new");
    struct larder_reply reply = owners(LARDER_TTL_NONE, 8);
    reply.ring = ldr_cluster_ring(kit.node->context.cluster);
    reply.value = ldr_slice_text("old");
    first.done(first.arg, &reply);
    assert_string_equal(slow.value, "old"); /* that get began before the write */
    assert_near("new");
}

static void a_new_member_list_ends_all_copies(void **state)
{
    (void)state;
    make_hot();
    answer(owners(LARDER_TTL_NONE, 1), "near");
    kit_members(2, 3);
    assert_far();
    make_hot();
    kit_members(3, 3); /* what was asked for under the old list */
    answer(owners(LARDER_TTL_NONE, 1), "near");
    assert_far();
    make_hot();
    kit_run(NEAR_MS); /* copies of the old list have ended for good */
    answer(owners(LARDER_TTL_NONE, 1), "late");
    make_hot();
    answer(owners(LARDER_TTL_NONE, 1), "near");
    assert_near("near");
}

static void clearing_the_group_clears_its_copies(void **state)
{
    (void)state;
    make_hot();
    answer(owners(LARDER_TTL_NONE, 1), "near");
    assert_near("near");
    struct larder_group *group = larder_group_open(kit.node, "g", NULL);
    assert_int_equal(larder_group_clear(group), LARDER_OK);
    larder_group_close(group);
    assert_far();
}

int main(void)
{
#define NEAR_TEST(name) cmocka_unit_test_setup_teardown(name, open_member, end_member)
    const struct CMUnitTest tests[] = {
        NEAR_TEST(a_hot_key_is_kept),
        NEAR_TEST(a_key_that_is_asked_for_now_and_then_is_not),
        NEAR_TEST(a_copy_ends_near_ttl_after_it_was_asked_for),
        NEAR_TEST(a_copy_ends_with_its_entry),
        NEAR_TEST(what_remains_is_told_of_the_entry_and_not_of_the_copy),
        NEAR_TEST(not_found_is_kept_too),
        NEAR_TEST(an_empty_value_is_a_value),
        NEAR_TEST(only_what_the_owner_has_is_kept),
        NEAR_TEST(a_write_through_this_node_ends_copies_and_overtakes_calls),
        NEAR_TEST(a_write_that_fails_ends_copies),
        NEAR_TEST(fault_17_the_owner_tells_of_a_write),
        NEAR_TEST(a_copy_is_not_replaced_by_an_older_one),
        NEAR_TEST(a_new_member_list_ends_all_copies),
        NEAR_TEST(clearing_the_group_clears_its_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
