/* The form of requests and replies between peers: what is sent arrives, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "larder/v1/larder.pb-c.h"
#include "plugins/transport/grpc/call_form.h"

FAILING(void *, malloc, (size_t size), size)

#define NOW    UINT64_C(5000000000)
#define SECOND UINT64_C(1000000000)
#define PREFIX 5

static struct larder_slice text(const char *string)
{
    return (struct larder_slice){string, strlen(string)};
}

static void assert_slice(struct larder_slice got, struct larder_slice wanted)
{
    assert_int_equal(got.size, wanted.size);
    if (wanted.size > 0)
        assert_memory_equal(got.data, wanted.data, wanted.size);
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
        .cluster = {"\0opaque", 7},
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
        .cluster = {"\0too", 4},
        .message = text("all is well"),
    };
}

/* Head and value, without the prefix, in memory of exactly the size, so that reading past its end is seen. */
static struct larder_slice body_of(struct larder_slice head, struct larder_slice value)
{
    size_t size = head.size - PREFIX + value.size;
    unsigned char *body = malloc(size);
    assert_non_null(body);
    memcpy(body, (const char *)head.data + PREFIX, head.size - PREFIX);
    if (value.size > 0)
        memcpy(body + head.size - PREFIX, value.data, value.size);
    return (struct larder_slice){body, size};
}

static struct larder_slice request_body(const struct larder_request *request)
{
    struct grpc_arena arena;
    struct larder_slice head;
    grpc_arena_init(&arena, NULL, 0, 1 << 20);
    assert_true(call_form_encode_request(request, NOW, &arena, &head));
    assert_true(head.size <= PREFIX + 2048 + request->key.size + request->cluster.size);
    struct larder_slice body = body_of(head, request->value);
    grpc_arena_reset(&arena);
    return body;
}

static struct larder_slice reply_body(const struct larder_reply *reply)
{
    struct grpc_arena arena;
    struct larder_slice head;
    grpc_arena_init(&arena, NULL, 0, 1 << 20);
    assert_true(call_form_encode_reply(reply, 0, &arena, &head));
    assert_true(head.size <= PREFIX + 2048 + reply->cluster.size);
    struct larder_slice body = body_of(head, reply->value);
    grpc_arena_reset(&arena);
    return body;
}

static void drop(struct larder_slice body)
{
    free((void *)(uintptr_t)body.data);
}

/* An arena for one decoding at a time. */
static struct grpc_arena arena;

static enum larder_status decode_request(struct larder_slice body, struct larder_request *request, char *reason)
{
    grpc_arena_reset(&arena);
    return call_form_decode_request(body, NOW, &arena, request, reason);
}

static enum larder_status decode_reply(struct larder_slice body, struct larder_reply *reply, char *reason)
{
    grpc_arena_reset(&arena);
    return call_form_decode_reply(body, &arena, reply, reason);
}

static void assert_request(const struct larder_request *got, const struct larder_request *wanted)
{
    assert_int_equal(got->operation, wanted->operation);
    assert_int_equal(got->flags, wanted->flags | LARDER_REQUEST_PEER);
    assert_slice(got->group, wanted->group);
    assert_slice(got->key, wanted->key);
    assert_slice(got->value, wanted->value);
    assert_true(got->ttl_ms == wanted->ttl_ms);
    assert_memory_equal(&got->version, &wanted->version, sizeof got->version);
    assert_slice(got->sender, wanted->sender);
    assert_memory_equal(&got->ring, &wanted->ring, sizeof got->ring);
    assert_slice(got->cluster, wanted->cluster);
}

static void request_round_trip(void **state)
{
    (void)state;
    struct larder_request sent = some_request(), got;
    char reason[CALL_FORM_REASON];
    struct larder_slice body = request_body(&sent);
    assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
    assert_request(&got, &sent);
    assert_true(got.deadline == sent.deadline);
    /* The value is used where it lies, and all of it is at the end. */
    assert_ptr_equal(got.value.data, (const char *)body.data + body.size - sent.value.size);
    drop(body);
}

static void every_operation(void **state)
{
    (void)state;
    static const enum larder_operation known[] = {
        LARDER_OP_GET,        LARDER_OP_SET,       LARDER_OP_DELETE,      LARDER_OP_TOUCH,      LARDER_OP_PING,
        LARDER_OP_GROUP_LIST, LARDER_OP_GROUP_GET, LARDER_OP_GROUP_PUT,   LARDER_OP_GROUP_DROP, LARDER_OP_GROUP_CLEAR,
        LARDER_OP_STATS,      LARDER_OP_CLUSTER,   LARDER_OP_GROUP_STATS, LARDER_OP_METRICS,    LARDER_OP_HEALTH,
        LARDER_OP_READY,      LARDER_OP_EXCHANGE,  LARDER_OP_LEAVE,       LARDER_OP_TOP,        LARDER_OP_FORGET};
    char reason[CALL_FORM_REASON];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct larder_request sent = some_request(), got;
        sent.operation = known[i];
        struct larder_slice body = request_body(&sent);
        assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
        assert_request(&got, &sent);
        drop(body);
    }
    static const unsigned unknown[] = {0, 6, 9, 23, 26, 255, 0xffffffff};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct larder_request sent = some_request(), got;
        sent.operation = (enum larder_operation)unknown[i];
        struct larder_slice body = request_body(&sent);
        assert_int_equal(decode_request(body, &got, reason), LARDER_INVALID);
        assert_non_null(strstr(reason, "operation"));
        drop(body);
    }
}

static void empty_and_longest(void **state)
{
    (void)state;
    static char key[LARDER_KEY_MAX + 1], name[LARDER_GROUP_MAX + 1];
    memset(key, 'k', sizeof key);
    memset(name, 'n', sizeof name);
    struct larder_request sent = {.operation = LARDER_OP_PING, .deadline = LARDER_NEVER}, got;
    char reason[CALL_FORM_REASON];
    struct larder_slice body = request_body(&sent);
    assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
    assert_request(&got, &sent);
    assert_true(got.deadline == LARDER_NEVER);
    drop(body);
    sent = some_request();
    sent.key = (struct larder_slice){key, LARDER_KEY_MAX};
    sent.group = sent.sender = (struct larder_slice){name, LARDER_GROUP_MAX};
    body = request_body(&sent);
    assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
    assert_request(&got, &sent);
    drop(body);
    /* One byte more of each. */
    static const char *const names[] = {"key", "group", "sender"};
    struct larder_slice *places[] = {&sent.key, &sent.group, &sent.sender};
    for (size_t i = 0; i < 3; i++) {
        places[i]->size++;
        body = request_body(&sent);
        assert_int_equal(decode_request(body, &got, reason), LARDER_INVALID);
        assert_non_null(strstr(reason, names[i]));
        drop(body);
        places[i]->size--;
    }
}

static void deadlines(void **state)
{
    (void)state;
    static const struct {
        uint64_t sent, got;
    } cases[] = {
        {LARDER_NEVER, LARDER_NEVER},
        {NOW + SECOND, NOW + SECOND},
        {NOW + 1, NOW + 1000}, /* what is left of the last microsecond counts */
        {NOW + 1000, NOW + 1000},
        {NOW + 1001, NOW + 2000},
        {NOW, NOW + 1000}, /* over: soon over there, too */
        {1, NOW + 1000},
    };
    char reason[CALL_FORM_REASON];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct larder_request sent = some_request(), got;
        sent.deadline = cases[i].sent;
        struct larder_slice body = request_body(&sent);
        assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
        assert_true(got.deadline == cases[i].got);
        drop(body);
    }
    /* More than the clock holds. */
    Larder__V1__CallRequest message;
    larder__v1__call_request__init(&message);
    message.operation = LARDER_OP_PING;
    message.timeout_us = UINT64_MAX;
    uint8_t bytes[32];
    struct larder_request got;
    struct larder_slice body = {bytes, larder__v1__call_request__pack(&message, bytes)};
    assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
    assert_true(got.deadline == LARDER_NEVER);
}

/* What comes in this form came from a peer, whatever it says; what is not known of it is refused. */
static void flags(void **state)
{
    (void)state;
    struct larder_request sent = some_request(), got;
    char reason[CALL_FORM_REASON];
    sent.flags = 0;
    struct larder_slice body = request_body(&sent);
    assert_int_equal(decode_request(body, &got, reason), LARDER_OK);
    assert_int_equal(got.flags, LARDER_REQUEST_PEER);
    drop(body);
    for (int bit = 0; bit < 32; bit++) {
        sent.flags = 1u << bit;
        body = request_body(&sent);
        assert_int_equal(decode_request(body, &got, reason), bit < 6 ? LARDER_OK : LARDER_INVALID);
        if (bit >= 6)
            assert_non_null(strstr(reason, "flags"));
        drop(body);
    }
}

static void reply_round_trip(void **state)
{
    (void)state;
    char reason[CALL_FORM_REASON];
    for (int status = 0; status < LARDER_STATUS_COUNT; status++)
        for (int source = 0; source <= LARDER_SOURCE_LOADER; source++) {
            struct larder_reply sent = some_reply(), got;
            sent.status = (enum larder_status)status;
            sent.source = (enum larder_source)source;
            struct larder_slice body = reply_body(&sent);
            assert_int_equal(decode_reply(body, &got, reason), LARDER_OK);
            assert_int_equal(got.status, status);
            assert_int_equal(got.source, source);
            assert_int_equal(got.flags, LARDER_REPLY_CREATED);
            assert_slice(got.value, sent.value);
            assert_true(got.ttl_ms == LARDER_TTL_NONE);
            assert_memory_equal(&got.version, &sent.version, sizeof got.version);
            assert_memory_equal(&got.ring, &sent.ring, sizeof got.ring);
            assert_slice(got.cluster, sent.cluster);
            assert_slice(got.message, sent.message);
            assert_null(got.release);
            drop(body);
        }
}

static void reply_extremes(void **state)
{
    (void)state;
    static char long_text[CALL_FORM_MESSAGE_MAX + 10];
    char reason[CALL_FORM_REASON];
    struct larder_reply sent = {.status = LARDER_NOT_FOUND}, got;
    struct larder_slice body = reply_body(&sent);
    assert_int_equal(decode_reply(body, &got, reason), LARDER_OK);
    assert_int_equal(got.status, LARDER_NOT_FOUND);
    assert_int_equal(got.value.size + got.message.size + got.cluster.size, 0);
    drop(body);
    memset(long_text, 'm', sizeof long_text);
    sent = some_reply();
    sent.message = (struct larder_slice){long_text, sizeof long_text};
    sent.flags = LARDER_REPLY_NOT_SENT | LARDER_REPLY_CREATED | LARDER_REPLY_OWNER | 1u << 20;
    body = reply_body(&sent);
    assert_int_equal(decode_reply(body, &got, reason), LARDER_OK);
    assert_int_equal(got.message.size, CALL_FORM_MESSAGE_MAX);
    assert_int_equal(got.flags, LARDER_REPLY_CREATED | LARDER_REPLY_OWNER);
    drop(body);
    /* Numbers that are not known here. */
    static const struct {
        int status, source;
    } unknown[] = {{LARDER_STATUS_COUNT, 0}, {-1, 0}, {0, LARDER_SOURCE_LOADER + 1}, {0, -1}};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        sent = some_reply();
        sent.status = (enum larder_status)unknown[i].status;
        sent.source = (enum larder_source)unknown[i].source;
        body = reply_body(&sent);
        assert_int_equal(decode_reply(body, &got, reason), LARDER_INVALID);
        assert_non_null(strstr(reason, "not known"));
        drop(body);
    }
}

/* Whatever is cut off, or one byte of it is another: an answer, and no read past the end. */
static void garbage(void **state)
{
    (void)state;
    struct larder_request request = some_request(), got_request;
    struct larder_reply reply = some_reply(), got_reply;
    char reason[CALL_FORM_REASON];
    struct larder_slice bodies[] = {request_body(&request), reply_body(&reply)};
    for (size_t kind = 0; kind < 2; kind++) {
        struct larder_slice whole = bodies[kind];
        for (size_t size = 0; size < whole.size; size++) {
            static const char no_head[PREFIX];
            struct larder_slice cut = body_of((struct larder_slice){no_head, PREFIX},
                                              (struct larder_slice){whole.data, size});
            if (kind == 0)
                decode_request(cut, &got_request, reason);
            else
                decode_reply(cut, &got_reply, reason);
            drop(cut);
        }
        for (size_t at = 0; at < whole.size; at++)
            for (int byte = 0; byte < 256; byte++) {
                unsigned char *place = (unsigned char *)(uintptr_t)whole.data + at, was = *place;
                *place = (unsigned char)byte;
                if (kind == 0)
                    decode_request(whole, &got_request, reason);
                else
                    decode_reply(whole, &got_reply, reason);
                *place = was;
            }
        drop(whole);
    }
    grpc_arena_reset(&arena);
    struct larder_slice nonsense = text("\xff\xff\xff");
    assert_int_equal(decode_request(nonsense, &got_request, reason), LARDER_INVALID);
    assert_non_null(strstr(reason, "CallRequest"));
    assert_int_equal(decode_reply(nonsense, &got_reply, reason), LARDER_INVALID);
    assert_non_null(strstr(reason, "CallResponse"));
}

static void without_memory(void **state)
{
    (void)state;
    struct larder_request request = some_request(), got;
    char reason[CALL_FORM_REASON];
    struct larder_slice body = request_body(&request);
    size_t failed = 0;
    for (size_t number = 0;; number++) {
        grpc_arena_reset(&arena);
        fail_from(number, false);
        enum larder_status status = call_form_decode_request(body, NOW, &arena, &got, reason);
        if (!stop_failing()) {
            assert_int_equal(status, LARDER_OK);
            break;
        }
        assert_int_equal(status, LARDER_NO_MEMORY);
        assert_non_null(strstr(reason, "out of memory"));
        failed++;
    }
    assert_true(failed > 0);
    struct grpc_arena tight;
    struct larder_slice head;
    grpc_arena_init(&tight, NULL, 0, 0);
    assert_int_equal(call_form_decode_request(body, NOW, &tight, &got, reason), LARDER_NO_MEMORY);
    assert_non_null(strstr(reason, "room"));
    assert_false(call_form_encode_request(&request, NOW, &tight, &head));
    drop(body);
}

static int setup(void **state)
{
    (void)state;
    grpc_arena_init(&arena, NULL, 0, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    grpc_arena_reset(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_round_trip), cmocka_unit_test(every_operation), cmocka_unit_test(empty_and_longest),
        cmocka_unit_test(deadlines),          cmocka_unit_test(flags),           cmocka_unit_test(reply_round_trip),
        cmocka_unit_test(reply_extremes),     cmocka_unit_test(garbage),         cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
