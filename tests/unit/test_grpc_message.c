/* The arena, and messages to and from bytes: values stay where they lie, hostile ones stay small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "larder/v1/larder.pb-c.h"
#include "plugins/transport/grpc/message.h"

FAILING(void *, malloc, (size_t size), size)

#define VALUE 7 /* of SetRequest */

/* ------------------------------------------------------------------------------------------------ the arena */

static void arena_uses_the_first_block(void **state)
{
    (void)state;
    alignas(max_align_t) char first[256];
    struct grpc_arena arena;
    grpc_arena_init(&arena, first, sizeof first, 1 << 20);
    fail_from(0, true); /* nothing is asked of malloc */
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 20; size++) {
            char *memory = grpc_arena_alloc(&arena, size % 7);
            assert_true(memory >= first && memory + size % 7 <= first + sizeof first);
            assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
            if (arena.end - arena.at < 16)
                break;
        }
        grpc_arena_reset(&arena);
    }
    assert_false(stop_failing());
}

static void arena_grows(void **state)
{
    (void)state;
    struct grpc_arena arena;
    grpc_arena_init(&arena, NULL, 0, 1 << 20);
    char *many[200];
    for (size_t i = 0; i < 200; i++) {
        many[i] = grpc_arena_alloc(&arena, i * 5);
        assert_non_null(many[i]);
        assert_int_equal((uintptr_t)many[i] % alignof(max_align_t), 0);
        memset(many[i], (int)i, i * 5);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 5; k++)
            assert_int_equal((unsigned char)many[i][k], i);
    assert_true(arena.allocated > 100 * 200 * 5 / 2);
    grpc_arena_reset(&arena);
    assert_int_equal(arena.allocated, 0);
    assert_null(arena.blocks);
}

static void arena_keeps_its_limit(void **state)
{
    (void)state;
    char first[64];
    struct grpc_arena arena;
    grpc_arena_init(&arena, first, sizeof first, 20000);
    size_t got = 0;
    while (grpc_arena_alloc(&arena, 100) != NULL)
        got += 100;
    assert_true(got > 12000 && got <= 20000);
    assert_true(arena.over_limit && arena.failed);
    assert_true(arena.allocated <= 20000);
    grpc_arena_reset(&arena);
    assert_false(arena.over_limit || arena.failed);
    assert_null(grpc_arena_alloc(&arena, 20000));
    assert_null(grpc_arena_alloc(&arena, SIZE_MAX));
    assert_null(grpc_arena_alloc(&arena, SIZE_MAX - 8));
    assert_non_null(grpc_arena_alloc(&arena, 19000));
    grpc_arena_reset(&arena);
}

static void arena_without_memory(void **state)
{
    (void)state;
    struct grpc_arena arena;
    grpc_arena_init(&arena, NULL, 0, 1 << 20);
    fail_from(0, false);
    assert_null(grpc_arena_alloc(&arena, 10));
    assert_true(stop_failing());
    assert_true(arena.failed && !arena.over_limit);
    assert_non_null(grpc_arena_alloc(&arena, 10));
    grpc_arena_reset(&arena);
}

/* ------------------------------------------------------------------------------------------------ messages */

/* What stands on the wire, without the prefix, in memory of exactly its size. */
static struct larder_slice pack(const ProtobufCMessage *message, uint32_t field, struct larder_slice value)
{
    struct grpc_arena arena;
    struct larder_slice head;
    grpc_arena_init(&arena, NULL, 0, 1 << 20);
    assert_true(grpc_message_pack(message, field, value, &arena, &head));
    const unsigned char *prefix = head.data;
    size_t size = head.size - 5 + value.size;
    assert_int_equal(prefix[0], 0);
    assert_int_equal((size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4], size);
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, prefix + 5, head.size - 5);
    if (value.size > 0)
        memcpy(bytes + head.size - 5, value.data, value.size);
    grpc_arena_reset(&arena);
    return (struct larder_slice){bytes, size};
}

static Larder__V1__SetRequest some_set(void)
{
    static uint8_t group[] = "users", key[] = "a\0b/\xff";
    Larder__V1__SetRequest set;
    larder__v1__set_request__init(&set);
    set.group = (ProtobufCBinaryData){5, group};
    set.key = (ProtobufCBinaryData){5, key};
    set.ttl_ms = -1;
    set.if_present = true;
    return set;
}

static void assert_set(const ProtobufCMessage *message)
{
    const Larder__V1__SetRequest *set = (const Larder__V1__SetRequest *)message;
    assert_int_equal(set->group.len, 5);
    assert_memory_equal(set->group.data, "users", 5);
    assert_int_equal(set->key.len, 5);
    assert_memory_equal(set->key.data, "a\0b/\xff", 5);
    assert_true(set->ttl_ms == -1);
    assert_true(set->if_present && !set->if_absent);
    assert_int_equal(set->value.len, 0);
}

static enum grpc_unpack unpack(struct larder_slice bytes, struct grpc_arena *arena, ProtobufCMessage **message,
                               struct larder_slice *value)
{
    return grpc_message_unpack(&larder__v1__set_request__descriptor, bytes, VALUE, arena, message, value);
}

static void values_stay_where_they_lie(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 127, 128, 70000};
    static char data[70000] = "the value";
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Larder__V1__SetRequest set = some_set();
        struct larder_slice value = {data, sizes[i]}, bytes = pack(&set.base, VALUE, value);
        /* protobuf-c itself reads what was sent that way. */
        Larder__V1__SetRequest *whole = larder__v1__set_request__unpack(NULL, bytes.size, bytes.data);
        assert_non_null(whole);
        assert_int_equal(whole->value.len, value.size);
        if (value.size > 0)
            assert_memory_equal(whole->value.data, data, value.size);
        larder__v1__set_request__free_unpacked(whole, NULL);

        char first[1024];
        struct grpc_arena arena;
        ProtobufCMessage *message = NULL;
        struct larder_slice got;
        grpc_arena_init(&arena, first, sizeof first, 0); /* neither the value nor anything else needs more */
        assert_int_equal(unpack(bytes, &arena, &message, &got), GRPC_UNPACK_OK);
        assert_set(message);
        assert_int_equal(got.size, value.size);
        if (value.size > 0)
            assert_ptr_equal(got.data, (const char *)bytes.data + bytes.size - value.size);
        free((void *)(uintptr_t)bytes.data);
    }
}

/* Fields come in any order, a value too; of several the last counts; those that are not known are passed over. */
static void any_order(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {
        0x3a, 3,    'o',  'l',  'd',                     /* 7: value */
        0x0a, 5,    'u',  's',  'e', 'r', 's',           /* 1: group */
        0x3a, 3,    'n',  'e',  'w',                     /* 7 */
        0xf8, 0x07, 0x80, 0x01,                          /* 127: varint */
        0x12, 5,    'a',  0,    'b', '/', 0xff,          /* 2: key */
        0xf9, 0x07, 1,    2,    3,   4,   5,    6, 7, 8, /* 127: 64 bits */
        0xfd, 0x07, 1,    2,    3,   4,                  /* 127: 32 bits */
        0x18, 0x01,                                      /* 3: ttl_ms */
        0x30, 0x01,                                      /* 6: if_present */
    };
    struct grpc_arena arena;
    ProtobufCMessage *message = NULL;
    struct larder_slice value;
    grpc_arena_init(&arena, NULL, 0, 1 << 16);
    assert_int_equal(unpack((struct larder_slice){bytes, sizeof bytes}, &arena, &message, &value), GRPC_UNPACK_OK);
    assert_set(message);
    assert_int_equal(value.size, 3);
    assert_ptr_equal(value.data, bytes + 14);
    grpc_arena_reset(&arena);
}

/* Whatever is cut off: no message, or one whose last fields are missing; never a read past the end. */
static void truncated(void **state)
{
    (void)state;
    Larder__V1__SetRequest set = some_set();
    struct larder_slice whole = pack(&set.base, VALUE, (struct larder_slice){"what is kept", 12});
    for (size_t size = 0; size < whole.size; size++) {
        unsigned char *bytes = malloc(size + 1); /* at least one byte */
        assert_non_null(bytes);
        memcpy(bytes + 1, whole.data, size);
        struct grpc_arena arena;
        ProtobufCMessage *message = NULL;
        struct larder_slice value;
        grpc_arena_init(&arena, NULL, 0, 1 << 16);
        enum grpc_unpack unpacked = unpack((struct larder_slice){bytes + 1, size}, &arena, &message, &value);
        assert_true(unpacked == GRPC_UNPACK_OK || unpacked == GRPC_UNPACK_MALFORMED);
        if (size > whole.size - 14) /* inside of the value */
            assert_int_equal(unpacked, GRPC_UNPACK_MALFORMED);
        grpc_arena_reset(&arena);
        free(bytes);
    }
    free((void *)(uintptr_t)whole.data);
}

static void malformed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* a length of 2^64 - 1 */
        {"\x3a\xff\xff\xff\xff\x07zz", 8},                        /* of 2^31 - 1 */
        {"\x3a\x03zz", 4},                                        /* one more than there is */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a tag without an end */
        {"\x3b\x3c", 2},                                          /* a group */
        {"\x3f", 1},                                              /* wire type 7 */
        {"\x3d\x01\x02", 3},                                      /* half of a number */
        {"\x02\x01zz", 4},                                        /* field 0 */
        {"\x0a\x05us", 4},                                        /* another field */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *bytes = malloc(cases[i].size);
        assert_non_null(bytes);
        memcpy(bytes, cases[i].bytes, cases[i].size);
        struct grpc_arena arena;
        ProtobufCMessage *message = NULL;
        struct larder_slice value;
        grpc_arena_init(&arena, NULL, 0, 1 << 16);
        assert_int_equal(unpack((struct larder_slice){bytes, cases[i].size}, &arena, &message, &value),
                         GRPC_UNPACK_MALFORMED);
        grpc_arena_reset(&arena);
        free(bytes);
    }
}

/* Two bytes a field, and each would become a struct of its own. */
static void unknown_fields_stay_small(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i += 2)
        memcpy(bytes + i, "\x78\x01", 2); /* 15: varint */
    struct grpc_arena arena;
    ProtobufCMessage *message = NULL;
    struct larder_slice value;
    grpc_arena_init(&arena, NULL, 0, 2 << 20);
    assert_int_equal(unpack((struct larder_slice){bytes, size}, &arena, &message, &value), GRPC_UNPACK_NO_MEMORY);
    assert_true(arena.over_limit);
    assert_true(arena.allocated <= 2 << 20);
    grpc_arena_reset(&arena);
    free(bytes);
}

static void empty_message(void **state)
{
    (void)state;
    char first[512];
    struct grpc_arena arena;
    ProtobufCMessage *message = NULL;
    struct larder_slice value, head;
    grpc_arena_init(&arena, first, sizeof first, 0);
    assert_int_equal(unpack((struct larder_slice){0}, &arena, &message, &value), GRPC_UNPACK_OK);
    assert_int_equal(((const Larder__V1__SetRequest *)message)->key.len, 0);
    assert_int_equal(value.size, 0);
    assert_true(grpc_message_pack(message, VALUE, value, &arena, &head));
    assert_int_equal(head.size, 5);
    assert_memory_equal(head.data, "\0\0\0\0\0", 5);
}

static void too_large_for_a_prefix(void **state)
{
    (void)state;
    Larder__V1__SetRequest set = some_set();
    struct grpc_arena arena;
    struct larder_slice head;
    grpc_arena_init(&arena, NULL, 0, 1 << 16);
    assert_false(grpc_message_pack(&set.base, VALUE, (struct larder_slice){"", UINT32_MAX}, &arena, &head));
    assert_false(grpc_message_pack(&set.base, VALUE, (struct larder_slice){"", SIZE_MAX}, &arena, &head));
    assert_true(grpc_message_pack(&set.base, VALUE, (struct larder_slice){"", UINT32_MAX - 64}, &arena, &head));
    assert_int_equal(*(const unsigned char *)head.data, 0);
    assert_int_equal(((const unsigned char *)head.data)[1], 0xff);
    grpc_arena_reset(&arena);
}

static void without_memory(void **state)
{
    (void)state;
    Larder__V1__SetRequest set = some_set();
    struct larder_slice bytes = pack(&set.base, VALUE, (struct larder_slice){"v", 1});
    for (size_t number = 0;; number++) {
        struct grpc_arena arena;
        ProtobufCMessage *message = NULL;
        struct larder_slice value, head;
        grpc_arena_init(&arena, NULL, 0, 1 << 16);
        fail_from(number, false);
        enum grpc_unpack unpacked = unpack(bytes, &arena, &message, &value);
        bool packed = grpc_message_pack(&set.base, 0, (struct larder_slice){0}, &arena, &head);
        bool met = stop_failing();
        grpc_arena_reset(&arena);
        if (!met) {
            assert_int_equal(unpacked, GRPC_UNPACK_OK);
            assert_true(packed);
            assert_true(number > 0);
            break;
        }
        assert_true(unpacked == GRPC_UNPACK_NO_MEMORY || !packed);
    }
    free((void *)(uintptr_t)bytes.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_uses_the_first_block),
        cmocka_unit_test(arena_grows),
        cmocka_unit_test(arena_keeps_its_limit),
        cmocka_unit_test(arena_without_memory),
        cmocka_unit_test(values_stay_where_they_lie),
        cmocka_unit_test(any_order),
        cmocka_unit_test(truncated),
        cmocka_unit_test(malformed),
        cmocka_unit_test(unknown_fields_stay_small),
        cmocka_unit_test(empty_message),
        cmocka_unit_test(too_large_for_a_prefix),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
