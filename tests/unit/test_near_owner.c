/* Near copies as the owner of a key sees them: which answers may be kept, and who is told of writes. */
#include "node_kit.h"

#include "core/group/holders.h"

#define NEAR_MS 500
#define HELD_MS (NEAR_MS + NEAR_MS / 50 + 1) /* what the owner counts with, as clocks may differ a little */

static char key[12]; /* this node's own */

static enum larder_status load(void *arg, const void *loaded_key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)timeout_ms;
    (void)loaded_key;
    (void)key_size;
    return larder_loaded_set(loaded, "loaded", 6, 60000);
}

static enum larder_status load_nothing(void *arg, const void *loaded_key, size_t key_size, uint64_t timeout_ms,
                                       struct larder_loaded *loaded)
{
    (void)arg;
    (void)timeout_ms;
    (void)loaded_key;
    (void)key_size;
    (void)loaded;
    return LARDER_NOT_FOUND;
}

static void open_group(const struct larder_group_options *options)
{
    struct larder_group *group = larder_group_open(kit.node, "g", options);
    assert_non_null(group);
    larder_group_close(group);
}

static int open_owner(void **state)
{
    (void)state;
    kit_open((const char *const[]){KIT_MEMBER, NULL});
    kit_members(1, 3);
    kit_key(true, key);
    return 0;
}

static int open_plain(void **state)
{
    int opened = open_owner(state);
    open_group(&(struct larder_group_options){.max_bytes = 1 << 20});
    return opened;
}

static int end_owner(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

/* What a member gets that wants to keep it. */
struct lent {
    unsigned count;
    struct larder_reply reply;
};

static void keep_reply(void *arg, struct larder_reply *reply)
{
    struct lent *lent = arg;
    lent->count++;
    lent->reply = *reply;
    larder_reply_release(reply);
}

static struct larder_reply ask_of(const char *member, uint32_t flags)
{
    struct lent lent = {0};
    struct larder_request request = kit_peer_request(key);
    request.flags |= flags;
    request.ttl_ms = NEAR_MS;
    request.sender = ldr_slice_text(member);
    kit.door->submit(kit.door, &request, keep_reply, &lent);
    kit_run(10);
    assert_int_equal(lent.count, 1);
    return lent.reply;
}

static bool may_keep(const char *member)
{
    return (ask_of(member, LARDER_REQUEST_NEAR).flags & LARDER_REPLY_OWNER) != 0;
}

static struct larder_request write_request;
static struct kit_outcome written;

/* Writes, and returns how many members are being told of it. */
static size_t write_key(enum larder_operation operation)
{
    size_t before = kit.sent_count;
    kit_ask(&write_request, operation, key, "value", &written);
    for (size_t i = before; i < kit.sent_count; i++) {
        const struct larder_request *told = kit.sent[i].request;
        assert_int_equal(told->operation, LARDER_OP_FORGET);
        assert_true(ldr_slice_equal(told->key, ldr_slice_text(key)));
        assert_true(ldr_slice_equal(told->group, ldr_slice_text("g")));
    }
    return kit.sent_count - before;
}

static void answer_told(void)
{
    while (kit.sent_count > 0)
        kit_answer(LARDER_OK, NULL);
}

/* ------------------------------------------------------------------------------------------------ answers */

static void what_is_in_the_store_may_be_kept(void **state)
{
    (void)state;
    write_key(LARDER_OP_SET);
    assert_true(may_keep("b"));
    assert_int_equal(ask_of("b", 0).flags & LARDER_REPLY_OWNER, 0);
    write_key(LARDER_OP_DELETE);
    answer_told();
    struct larder_reply reply = ask_of("b", LARDER_REQUEST_NEAR); /* that there is nothing, too */
    assert_int_equal(reply.status, LARDER_NOT_FOUND);
    assert_int_equal(reply.flags & LARDER_REPLY_OWNER, LARDER_REPLY_OWNER);
    assert_int_equal(reply.ttl_ms, LARDER_TTL_NONE);
}

static void what_is_loaded_may_be_kept(void **state)
{
    (void)state;
    open_group(&(struct larder_group_options){.max_bytes = 1 << 20, .load = load});
    struct larder_reply reply = ask_of("b", LARDER_REQUEST_NEAR);
    assert_int_equal(reply.status, LARDER_OK);
    assert_int_equal(reply.source, LARDER_SOURCE_LOADER);
    assert_int_equal(reply.flags & LARDER_REPLY_OWNER, LARDER_REPLY_OWNER);
    assert_in_range(reply.ttl_ms, 1, 60000);
}

static void a_not_found_that_is_not_remembered_may_not(void **state)
{
    (void)state;
    open_group(&(struct larder_group_options){.max_bytes = 1 << 20, .load = load_nothing});
    assert_false(may_keep("b"));
}

static void a_not_found_that_is_remembered_may_as_long_as_it_is(void **state)
{
    (void)state;
    open_group(&(struct larder_group_options){.max_bytes = 1 << 20, .negative_ttl_ms = 1000, .load = load_nothing});
    struct larder_reply reply = ask_of("b", LARDER_REQUEST_NEAR);
    assert_int_equal(reply.status, LARDER_NOT_FOUND);
    assert_int_equal(reply.flags & LARDER_REPLY_OWNER, LARDER_REPLY_OWNER);
    assert_in_range(reply.ttl_ms, 900, 1000);
    kit_run(500);
    reply = ask_of("b", LARDER_REQUEST_NEAR);
    assert_int_equal(reply.flags & LARDER_REPLY_OWNER, LARDER_REPLY_OWNER);
    assert_in_range(reply.ttl_ms, 350, 500);
}

static void nothing_of_another_members_key_may_be_kept(void **state)
{
    (void)state;
    kit_key(false, key);
    assert_false(may_keep("b"));
    kit_key(true, key);
    struct lent lent = {0};
    struct larder_request request = kit_peer_request(key);
    request.flags |= LARDER_REQUEST_NEAR;
    request.ttl_ms = NEAR_MS;
    request.ring.checksum ^= 1; /* the sender sees another ring */
    kit.door->submit(kit.door, &request, keep_reply, &lent);
    assert_int_equal(lent.count, 1);
    assert_int_equal(lent.reply.flags & LARDER_REPLY_OWNER, 0);
}

/* ------------------------------------------------------------------------------------------------ telling */

/* Fault 17: deletes and writes never reached copies. Fault 3: one delete became 37,000 requests. */
static void fault_17_and_3_each_holder_is_told_once(void **state)
{
    (void)state;
    static const enum larder_operation writes[] = {LARDER_OP_SET, LARDER_OP_TOUCH, LARDER_OP_DELETE, LARDER_OP_DELETE};
    assert_int_equal(write_key(LARDER_OP_SET), 0);
    assert_int_equal(written.count, 1);
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        assert_true(may_keep("b"));
        assert_true(may_keep("b"));
        assert_true(may_keep("c"));
        assert_int_equal(write_key(writes[i]), 2);
        answer_told();
        assert_int_equal(written.count, 1);
        assert_int_equal(written.status, i < 3 ? LARDER_OK : LARDER_NOT_FOUND);
        assert_int_equal(write_key(LARDER_OP_TOUCH), 0);
        assert_true(may_keep("c"));
        assert_int_equal(write_key(LARDER_OP_DELETE), 1); /* those who asked since */
        answer_told();
        if (i < 2)
            write_key(LARDER_OP_SET);
    }
}

static void a_write_is_answered_when_all_have_been_told(void **state)
{
    (void)state;
    assert_true(may_keep("b"));
    assert_true(may_keep("c"));
    assert_int_equal(write_key(LARDER_OP_SET), 2);
    assert_int_equal(written.count, 0);
    kit_answer(LARDER_OK, NULL);
    assert_int_equal(written.count, 0);
    kit_answer(LARDER_UNAVAILABLE, NULL); /* who cannot be told has a copy that ends by itself */
    kit_run(1000);
    while (kit.sent_count > 0)
        kit_answer(LARDER_UNAVAILABLE, NULL);
    kit_run(1000);
    assert_int_equal(written.count, 1);
    assert_int_equal(written.status, LARDER_OK);
}

/* No longer than a copy lives, and not so long that whoever waits for the write gives up. */
static void telling_takes_no_longer_than_it_is_worth(void **state)
{
    (void)state;
    assert_true(may_keep("b")); /* 10 ms pass */
    assert_int_equal(write_key(LARDER_OP_SET), 1);
    assert_true(kit.sent[0].request->deadline <= larder_deadline_in(kit.runtime, HELD_MS - 10));
    answer_told();
    assert_true(may_keep("b"));
    struct larder_request hurried = kit_peer_request(key);
    struct kit_outcome outcome = {0};
    hurried.operation = LARDER_OP_SET;
    hurried.deadline = larder_deadline_in(kit.runtime, 100);
    kit.door->submit(kit.door, &hurried, kit_answered, &outcome);
    assert_int_equal(kit.sent_count, 1);
    assert_true(kit.sent[0].request->deadline <= larder_deadline_in(kit.runtime, 25));
    answer_told();
    assert_int_equal(outcome.count, 1);
}

static void copies_that_have_ended_are_not_told_of(void **state)
{
    (void)state;
    assert_true(may_keep("b"));
    kit_run(HELD_MS);
    assert_int_equal(write_key(LARDER_OP_SET), 0);
    assert_int_equal(written.count, 1);
}

/* Its own answer would come before that of the first otherwise. */
static void a_write_while_another_tells_tells_too(void **state)
{
    (void)state;
    assert_true(may_keep("b"));
    assert_int_equal(write_key(LARDER_OP_SET), 1);
    struct larder_request second = write_request;
    struct kit_outcome outcome = {0};
    kit.door->submit(kit.door, &second, kit_answered, &outcome);
    assert_int_equal(kit.sent_count, 2);
    assert_true(may_keep("c")); /* after both: to be told of the third */
    answer_told();
    assert_int_equal(written.count + outcome.count, 2);
    assert_int_equal(write_key(LARDER_OP_SET), 1);
    answer_told();
    assert_int_equal(write_key(LARDER_OP_SET), 0);
}

static void a_write_that_changes_nothing_tells_nobody(void **state)
{
    (void)state;
    write_key(LARDER_OP_SET);
    assert_true(may_keep("b"));
    kit_ask(&write_request, LARDER_OP_SET, key, "value", &written);
    answer_told();
    assert_true(may_keep("b"));
    struct larder_request conditional = write_request;
    struct kit_outcome outcome = {0};
    conditional.flags = LARDER_REQUEST_IF_ABSENT;
    kit.door->submit(kit.door, &conditional, kit_answered, &outcome);
    assert_int_equal(outcome.status, LARDER_PRECONDITION);
    assert_int_equal(kit.sent_count, 0);
}

/* ------------------------------------------------------------------------------------------------ the table */

/* Fault 18: a map of hot keys without a bound. */
static void fault_18_what_is_remembered_of_holders_is_bounded(void **state)
{
    (void)state;
    struct ldr_holders *holders = ldr_holders_open(64);
    size_t bytes = ldr_holders_bytes(holders), taken = 0, held = 0;
    assert_true(bytes <= 64 * 128 + 128);
    /* Where there is no room, no copy may be made: none is forgotten. */
    for (uint64_t i = 0; i < 100000; i++) {
        bool added = ldr_holders_add(holders, ldr_mix(i), 1, 0, 100 + i);
        assert_int_equal(ldr_holders_held(holders, ldr_mix(i), 0), added);
        taken += added;
    }
    for (uint64_t i = 0; i < 100000; i++)
        held += ldr_holders_held(holders, ldr_mix(i), 0);
    assert_int_equal(held, 64 * 3);
    assert_int_equal(taken, held);
    assert_int_equal(ldr_holders_bytes(holders), bytes);
    /* When copies have ended there is room again. */
    uint64_t until;
    assert_true(ldr_holders_add(holders, ldr_mix(99999), 1, 200000, 300000));
    assert_true(ldr_holders_add(holders, ldr_mix(99999), 2, 200001, 290000));
    assert_int_equal(ldr_holders_tell(holders, ldr_mix(99999), 200002, &until), 3);
    assert_int_equal(until, 300000);
    ldr_holders_told(holders, ldr_mix(99999), false); /* somebody was not reached: the next write tells again */
    assert_true(ldr_holders_held(holders, ldr_mix(99999), 200002));
    assert_int_equal(ldr_holders_tell(holders, ldr_mix(99999), 200002, &until), 3);
    ldr_holders_told(holders, ldr_mix(99999), true);
    ldr_holders_told(holders, ldr_mix(99999), true); /* once too often: nothing is there */
    assert_false(ldr_holders_held(holders, ldr_mix(99999), 200002));
    ldr_holders_close(holders);
    ldr_holders_close(NULL);
}

/* Writes tell at the same time; who was not told of the last of them is told of the next, whatever came of the first. */
static void who_was_missed_once_is_told_again(void **state)
{
    (void)state;
    struct ldr_holders *holders = ldr_holders_open(1);
    uint64_t until;
    assert_true(ldr_holders_add(holders, 7, 1, 0, 100));
    assert_int_equal(ldr_holders_tell(holders, 7, 10, &until), 1);
    assert_true(ldr_holders_add(holders, 7, 2, 20, 200));
    assert_int_equal(ldr_holders_tell(holders, 7, 30, &until), 3);
    ldr_holders_told(holders, 7, false);
    ldr_holders_told(holders, 7, true); /* all that the first write told of have ended */
    assert_true(ldr_holders_held(holders, 7, 110));
    assert_int_equal(ldr_holders_tell(holders, 7, 110, &until), 3);
    assert_true(ldr_holders_add(holders, 7, 4, 120, 200));
    ldr_holders_told(holders, 7, true);
    assert_int_equal(ldr_holders_tell(holders, 7, 130, &until), 4); /* who came since */
    ldr_holders_told(holders, 7, true);
    assert_false(ldr_holders_held(holders, 7, 140));
    ldr_holders_close(holders);
}

int main(void)
{
#define OWNER_TEST(name) cmocka_unit_test_setup_teardown(name, open_owner, end_owner)
#define PLAIN_TEST(name) cmocka_unit_test_setup_teardown(name, open_plain, end_owner)
    const struct CMUnitTest tests[] = {
        PLAIN_TEST(what_is_in_the_store_may_be_kept),
        OWNER_TEST(what_is_loaded_may_be_kept),
        OWNER_TEST(a_not_found_that_is_not_remembered_may_not),
        OWNER_TEST(a_not_found_that_is_remembered_may_as_long_as_it_is),
        PLAIN_TEST(nothing_of_another_members_key_may_be_kept),
        PLAIN_TEST(fault_17_and_3_each_holder_is_told_once),
        PLAIN_TEST(a_write_is_answered_when_all_have_been_told),
        PLAIN_TEST(telling_takes_no_longer_than_it_is_worth),
        PLAIN_TEST(copies_that_have_ended_are_not_told_of),
        PLAIN_TEST(a_write_while_another_tells_tells_too),
        PLAIN_TEST(a_write_that_changes_nothing_tells_nobody),
        cmocka_unit_test(who_was_missed_once_is_told_again),
        cmocka_unit_test(fault_18_what_is_remembered_of_holders_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
