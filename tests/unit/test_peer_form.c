/* The form of requests and replies between peers: what is sent arrives, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/transport/http/peer_form.h"

#define NOW    UINT64_C(5000000000)
#define SECOND UINT64_C(1000000000)

static struct larder_slice text(const char *string)
{
    return (struct larder_slice){string, strlen(string)};
}

static void assert_bytes(struct larder_slice got, const void *data, size_t size)
{
    assert_int_equal(got.size, size);
    if (size > 0)
        assert_memory_equal(got.data, data, size);
}

static struct larder_request some_request(void)
{
    return (struct larder_request){
        .operation = LARDER_OP_SET,
        .flags = LARDER_REQUEST_PEER | LARDER_REQUEST_IF_VERSION,
        .group = text("users"),
        .key = {"a\0b/\xff", 5},
        .value = text("what is kept"),
        .ttl_ms = 30000,
        .version = {7, UINT64_C(0x1122334455667788)},
        .deadline = NOW + 2 * SECOND,
        .sender = text("node-a"),
        .ring = {9, UINT64_C(0xfedcba9876543210), 11},
        .cluster = text("protocol"),
    };
}

static struct larder_reply some_reply(void)
{
    return (struct larder_reply){
        .status = LARDER_OK,
        .source = LARDER_SOURCE_LOADER,
        .flags = LARDER_REPLY_CREATED,
        .value = {"\0value", 6},
        .ttl_ms = LARDER_TTL_NONE,
        .version = {3, 4},
        .ring = {5, 6, 7},
        .message = text("all is well"),
        .cluster = text("answer"),
    };
}

/* A body of its parts, in memory of exactly its size, so that reading past its end is seen. */
static struct larder_slice joined(const struct larder_slice *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    unsigned char *body = malloc(total);
    assert_non_null(body);
    for (size_t i = 0, at = 0; i < count; at += parts[i++].size)
        if (parts[i].size > 0)
            memcpy(body + at, parts[i].data, parts[i].size);
    return (struct larder_slice){body, total};
}

static struct larder_slice request_body(const struct larder_request *request)
{
    unsigned char head[PEER_FORM_REQUEST_HEAD];
    size_t size = peer_form_encode_request(request, NOW, head);
    assert_true(size > 0);
    const struct larder_slice parts[] = {{head, size}, request->cluster, request->key, request->value};
    return joined(parts, 4);
}

static struct larder_slice reply_body(const struct larder_reply *reply)
{
    unsigned char head[PEER_FORM_REPLY_HEAD];
    struct larder_slice cluster;
    size_t size = peer_form_encode_reply(reply, head, &cluster);
    const struct larder_slice parts[] = {{head, size}, cluster, reply->value};
    return joined(parts, 3);
}

static void drop(struct larder_slice body)
{
    free((void *)(uintptr_t)body.data);
}

static void check_request(const struct larder_request *sent)
{
    struct larder_slice body = request_body(sent);
    struct larder_request got;
    char reason[PEER_FORM_REASON];
    assert_true(peer_form_decode_request(body, NOW + SECOND, &got, reason));
    assert_int_equal(got.operation, sent->operation);
    assert_int_equal(got.flags, sent->flags | LARDER_REQUEST_PEER);
    assert_bytes(got.group, sent->group.data, sent->group.size);
    assert_bytes(got.key, sent->key.data, sent->key.size);
    assert_bytes(got.value, sent->value.data, sent->value.size);
    assert_bytes(got.sender, sent->sender.data, sent->sender.size);
    assert_bytes(got.cluster, sent->cluster.data, sent->cluster.size);
    assert_true(got.ttl_ms == sent->ttl_ms);
    assert_true(got.version.epoch == sent->version.epoch && got.version.clock == sent->version.clock);
    assert_true(got.ring.epoch == sent->ring.epoch && got.ring.checksum == sent->ring.checksum &&
                got.ring.settings == sent->ring.settings);
    drop(body);
}

static void a_request_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct larder_request request = some_request();
    check_request(&request);
    static const enum larder_operation operations[] = {
        LARDER_OP_GET,         LARDER_OP_SET,       LARDER_OP_DELETE,    LARDER_OP_TOUCH,      LARDER_OP_PING,
        LARDER_OP_GROUP_LIST,  LARDER_OP_GROUP_GET, LARDER_OP_GROUP_PUT, LARDER_OP_GROUP_DROP, LARDER_OP_GROUP_CLEAR,
        LARDER_OP_GROUP_STATS, LARDER_OP_STATS,     LARDER_OP_CLUSTER,   LARDER_OP_METRICS,    LARDER_OP_HEALTH,
        LARDER_OP_READY,       LARDER_OP_EXCHANGE,  LARDER_OP_LEAVE};
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        request.operation = operations[i];
        check_request(&request);
    }
    struct larder_request bare = {.operation = LARDER_OP_PING, .flags = LARDER_REQUEST_PEER, .ttl_ms = LARDER_TTL_NONE};
    check_request(&bare);
}

static void names_and_keys_of_every_allowed_length_arrive(void **state)
{
    (void)state;
    char *bytes = malloc(LARDER_KEY_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', LARDER_KEY_MAX + 1);
    struct larder_request request = some_request();
    request.group = (struct larder_slice){bytes, 255};
    request.sender = (struct larder_slice){bytes, 255};
    request.key = (struct larder_slice){bytes, LARDER_KEY_MAX};
    check_request(&request);
    unsigned char head[PEER_FORM_REQUEST_HEAD];
    request.key.size++;
    assert_int_equal(peer_form_encode_request(&request, NOW, head), 0);
    request.key.size = 1;
    request.group.size = 256;
    assert_int_equal(peer_form_encode_request(&request, NOW, head), 0);
    request.group.size = 255;
    request.sender.size = 256;
    assert_int_equal(peer_form_encode_request(&request, NOW, head), 0);
    free(bytes);
}

static void fault_16_an_empty_value_travels(void **state)
{
    (void)state;
    struct larder_request request = some_request();
    request.value = (struct larder_slice){0};
    check_request(&request);
    struct larder_reply reply = some_reply();
    struct larder_reply got;
    char reason[PEER_FORM_REASON];
    reply.value = (struct larder_slice){0};
    struct larder_slice body = reply_body(&reply);
    assert_true(peer_form_decode_reply(body, &got, reason));
    assert_int_equal(got.status, LARDER_OK);
    assert_int_equal(got.value.size, 0);
    drop(body);
}

static void the_layout_is_as_documented(void **state)
{
    (void)state;
    struct larder_request request = some_request();
    struct larder_slice body = request_body(&request);
    static const unsigned char start[] = {2, 2, 5, 0, 5, 6, 0, 0, 9, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0x30, 0x75};
    assert_memory_equal(body.data, start, sizeof start);
    assert_memory_equal((const char *)body.data + 80, "usersnode-aprotocola\0b/\xffwhat is kept", 36);
    drop(body);
    struct larder_reply reply = some_reply();
    body = reply_body(&reply);
    static const unsigned char reply_start[] = {2, 0, 5, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    assert_memory_equal(body.data, reply_start, sizeof reply_start);
    assert_memory_equal((const char *)body.data + 72, "all is wellanswer\0value", 23);
    drop(body);
}

/* What `deadline` becomes on a machine whose clock shows `there` when the request arrives. */
static uint64_t deadline_on_arrival(uint64_t deadline, uint64_t there)
{
    struct larder_request request = some_request();
    request.deadline = deadline;
    struct larder_slice body = request_body(&request);
    struct larder_request got;
    char reason[PEER_FORM_REASON];
    assert_true(peer_form_decode_request(body, there, &got, reason));
    drop(body);
    return got.deadline;
}

static void a_deadline_travels_as_the_time_that_remains(void **state)
{
    (void)state;
    assert_true(deadline_on_arrival(NOW + 2 * SECOND, 100) == 100 + 2 * SECOND);
    assert_true(deadline_on_arrival(NOW + 1, 100) == 1100); /* rounded up to a microsecond */
    assert_true(deadline_on_arrival(NOW, 100) == 100);
    assert_true(deadline_on_arrival(1, 100) == 100); /* passed already */
    assert_true(deadline_on_arrival(LARDER_NEVER, 100) == LARDER_NEVER);
    assert_true(deadline_on_arrival(LARDER_NEVER - 1, UINT64_MAX / 2) > UINT64_MAX - NOW);
    assert_true(deadline_on_arrival(NOW + SECOND, UINT64_MAX - 5) == LARDER_NEVER); /* beyond its clock */
}

static void what_came_from_a_peer_is_marked_so(void **state)
{
    (void)state;
    struct larder_request request = some_request();
    request.flags = 0;
    struct larder_slice body = request_body(&request);
    struct larder_request got;
    char reason[PEER_FORM_REASON];
    assert_true(peer_form_decode_request(body, NOW, &got, reason));
    assert_int_equal(got.flags, LARDER_REQUEST_PEER);
    drop(body);
}

static void a_reply_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct larder_reply reply = some_reply();
    for (int status = 0; status < LARDER_STATUS_COUNT; status++) {
        reply.status = (enum larder_status)status;
        reply.source = (enum larder_source)(status % (LARDER_SOURCE_LOADER + 1));
        struct larder_slice body = reply_body(&reply);
        struct larder_reply got;
        char reason[PEER_FORM_REASON];
        assert_true(peer_form_decode_reply(body, &got, reason));
        assert_int_equal(got.status, status);
        assert_int_equal(got.source, reply.source);
        assert_int_equal(got.flags, LARDER_REPLY_CREATED);
        assert_bytes(got.value, "\0value", 6);
        assert_true(got.ttl_ms == LARDER_TTL_NONE);
        assert_true(got.version.epoch == 3 && got.version.clock == 4);
        assert_true(got.ring.epoch == 5 && got.ring.checksum == 6 && got.ring.settings == 7);
        assert_bytes(got.message, "all is well", 11);
        assert_bytes(got.cluster, "answer", 6);
        assert_null(got.release);
        drop(body);
    }
}

static void what_only_this_side_knows_does_not_travel(void **state)
{
    (void)state;
    struct larder_reply reply = some_reply();
    reply.flags = LARDER_REPLY_NOT_SENT | LARDER_REPLY_CREATED;
    struct larder_slice body = reply_body(&reply);
    struct larder_reply got;
    char reason[PEER_FORM_REASON];
    ((unsigned char *)(uintptr_t)body.data)[4] |= LARDER_REPLY_NOT_SENT;
    ((unsigned char *)(uintptr_t)body.data)[7] |= 0x80;
    assert_true(peer_form_decode_reply(body, &got, reason));
    assert_int_equal(got.flags, LARDER_REPLY_CREATED);
    drop(body);
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    char message[5000];
    memset(message, 'm', sizeof message);
    struct larder_reply reply = some_reply();
    reply.message = (struct larder_slice){message, sizeof message};
    struct larder_slice body = reply_body(&reply);
    struct larder_reply got;
    char reason[PEER_FORM_REASON];
    assert_true(peer_form_decode_reply(body, &got, reason));
    assert_bytes(got.message, message, PEER_FORM_MESSAGE_MAX);
    assert_bytes(got.value, "\0value", 6);
    drop(body);
}

/* Decodes a copy that ends where its memory ends. True when it was taken; its slices must then lie inside. */
static bool take_request(const void *data, size_t size, char *reason)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    struct larder_request got;
    memset(reason, 0, PEER_FORM_REASON);
    bool taken = peer_form_decode_request((struct larder_slice){copy, size}, NOW, &got, reason);
    if (taken) {
        assert_true(got.flags & LARDER_REQUEST_PEER);
        assert_int_equal(got.group.size + got.sender.size + got.cluster.size + got.key.size + got.value.size,
                         size - PEER_FORM_REQUEST_FIXED);
        assert_ptr_equal((const unsigned char *)got.value.data + got.value.size, copy + size);
    } else {
        assert_in_range(strlen(reason), 1, PEER_FORM_REASON - 1);
    }
    free(copy);
    return taken;
}

static bool take_reply(const void *data, size_t size, char *reason)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    struct larder_reply got;
    memset(reason, 0, PEER_FORM_REASON);
    bool taken = peer_form_decode_reply((struct larder_slice){copy, size}, &got, reason);
    if (taken) {
        assert_true(got.value.data == NULL ||
                    got.message.size + got.cluster.size + got.value.size == size - PEER_FORM_REPLY_FIXED);
        assert_true((unsigned)got.status < LARDER_STATUS_COUNT);
    } else {
        assert_in_range(strlen(reason), 1, PEER_FORM_REASON - 1);
    }
    free(copy);
    return taken;
}

static void nothing_cut_short_or_too_long_is_taken(void **state)
{
    (void)state;
    char reason[PEER_FORM_REASON];
    struct larder_request request = some_request();
    struct larder_slice body = request_body(&request);
    for (size_t size = 0; size < body.size; size++)
        assert_false(take_request(body.data, size, reason));
    assert_true(take_request(body.data, body.size, reason));
    unsigned char longer[300] = {0};
    memcpy(longer, body.data, body.size);
    assert_false(take_request(longer, body.size + 1, reason));
    assert_string_equal(reason, "peer request: got 117 bytes, wanted 104 and a value of 12");
    drop(body);

    struct larder_reply reply = some_reply();
    body = reply_body(&reply);
    for (size_t size = 0; size < body.size; size++)
        assert_false(take_reply(body.data, size, reason));
    assert_true(take_reply(body.data, body.size, reason));
    memcpy(longer, body.data, body.size);
    assert_false(take_reply(longer, body.size + 1, reason));
    drop(body);
}

static void every_flipped_byte_is_refused_or_harmless(void **state)
{
    (void)state;
    char reason[PEER_FORM_REASON];
    struct larder_request request = some_request();
    struct larder_reply reply = some_reply();
    struct larder_slice bodies[] = {request_body(&request), reply_body(&reply)};
    for (size_t which = 0; which < 2; which++) {
        unsigned char *bytes = (unsigned char *)(uintptr_t)bodies[which].data;
        size_t size = bodies[which].size;
        for (size_t at = 0; at < size; at++) {
            for (unsigned flip = 1; flip < 256; flip++) {
                bytes[at] ^= (unsigned char)flip;
                bool taken = which == 0 ? take_request(bytes, size, reason) : take_reply(bytes, size, reason);
                if (at == 0)
                    assert_false(taken);
                bytes[at] ^= (unsigned char)flip;
            }
        }
        drop(bodies[which]);
    }
}

static void garbage_is_refused(void **state)
{
    (void)state;
    char reason[PEER_FORM_REASON];
    unsigned char bytes[400];
    uint64_t chance = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            bytes[i] = (unsigned char)chance;
        }
        bytes[0] = PEER_FORM_VERSION;
        size_t size = chance % sizeof bytes;
        take_request(bytes, size, reason);
        take_reply(bytes, size, reason);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    char reason[PEER_FORM_REASON];
    struct larder_request request = some_request();
    struct larder_slice body = request_body(&request);
    unsigned char *bytes = (unsigned char *)(uintptr_t)body.data;
    assert_false(take_request(bytes, 10, reason));
    assert_string_equal(reason, "peer request: got 10 bytes, wanted 80 or more");
    bytes[0] = 1;
    assert_false(take_request(bytes, body.size, reason));
    assert_string_equal(reason, "peer request: version: got 1, wanted 2");
    bytes[0] = PEER_FORM_VERSION;
    bytes[1] = 99;
    assert_false(take_request(bytes, body.size, reason));
    assert_string_equal(reason, "peer request: operation: got 99, which is not known here");
    bytes[1] = LARDER_OP_GET;
    bytes[11] = 0x80;
    assert_false(take_request(bytes, body.size, reason));
    assert_string_equal(reason, "peer request: flags: got 0x80000009, of which 0x80000000 is not known");
    drop(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_arrives_as_it_was_sent),
        cmocka_unit_test(names_and_keys_of_every_allowed_length_arrive),
        cmocka_unit_test(fault_16_an_empty_value_travels),
        cmocka_unit_test(the_layout_is_as_documented),
        cmocka_unit_test(a_deadline_travels_as_the_time_that_remains),
        cmocka_unit_test(what_came_from_a_peer_is_marked_so),
        cmocka_unit_test(a_reply_arrives_as_it_was_sent),
        cmocka_unit_test(what_only_this_side_knows_does_not_travel),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(nothing_cut_short_or_too_long_is_taken),
        cmocka_unit_test(every_flipped_byte_is_refused_or_harmless),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
