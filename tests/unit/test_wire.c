/* The cluster's part of messages: what is written is read, and nothing that makes no sense is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/cluster/wire.h"

static const struct larder_address addresses[] = {{"http", "a:1"}, {"grpc", "a:2"}};
static const struct larder_member members[] = {
    {.name = "a", .weight = 1, .address_count = 2, .addresses = addresses, .zone = "east", .incarnation = 7},
    {.name = "b", .weight = 3, .zone = NULL, .incarnation = 9, .leaving = true},
};

static void a_header_arrives_as_it_was_sent(void **state)
{
    (void)state;
    unsigned char bytes[LDR_HEADER_SIZE + 4];
    const struct ldr_header sent = {.kind = LDR_EXCHANGE_ASK,
                                    .flags = LDR_HEADER_DONE | LDR_HEADER_SEASONED,
                                    .items = 5,
                                    .boot = 1,
                                    .stamp = 4,
                                    .budget = 5,
                                    .id = UINT64_MAX,
                                    .floor = {6, 7}};
    struct ldr_header got;
    ldr_header_encode(&sent, bytes);
    memcpy(bytes + LDR_HEADER_SIZE, "list", 4);
    assert_true(ldr_header_decode(ldr_slice(bytes, sizeof bytes), &got));
    assert_int_equal(got.kind, sent.kind);
    assert_int_equal(got.flags, sent.flags);
    assert_int_equal(got.items, 5);
    assert_true(got.boot == 1 && got.stamp == 4 && got.budget == 5);
    assert_true(got.id == UINT64_MAX && ldr_version_equal(got.floor, sent.floor));
    assert_true(ldr_slice_equal(got.list, ldr_slice("list", 4)));
    ldr_header_flag(bytes, LDR_HEADER_MOVED);
    assert_true(ldr_header_decode(ldr_slice(bytes, sizeof bytes), &got));
    assert_int_equal(got.flags, sent.flags | LDR_HEADER_MOVED);
    assert_false(ldr_header_decode(ldr_slice(bytes, LDR_HEADER_SIZE - 1), &got));
    bytes[0]++;
    assert_false(ldr_header_decode(ldr_slice(bytes, sizeof bytes), &got));
    assert_true(ldr_header_decode((struct larder_slice){0}, &got));
    assert_int_equal(got.flags, 0);
}

/* Where others have a floor. */
static void copies_arrive_with_how_long_they_are_waited_for(void **state)
{
    (void)state;
    const enum ldr_exchange kinds[] = {LDR_EXCHANGE_REPLICATE, LDR_EXCHANGE_PUSH};
    for (size_t i = 0; i < 2; i++) {
        unsigned char bytes[LDR_HEADER_SIZE];
        struct ldr_header got;
        ldr_header_encode(&(struct ldr_header){.kind = kinds[i], .stamp = 4, .budget = 5, .wait = 6}, bytes);
        assert_true(ldr_header_decode(ldr_slice(bytes, sizeof bytes), &got));
        assert_true(got.stamp == 4 && got.budget == 5 && got.wait == 6 && got.floor.epoch == 0);
    }
}

static void a_list_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct ldr_buffer buffer = {0};
    struct ldr_list list;
    ldr_list_encode(&buffer, 42, members, 2);
    assert_int_equal(ldr_list_decode(ldr_slice(buffer.data, buffer.size), &list), LARDER_OK);
    assert_int_equal(list.epoch, 42);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.members[0].name, "a");
    assert_string_equal(list.members[0].zone, "east");
    assert_string_equal(list.members[0].addresses[1].transport, "grpc");
    assert_string_equal(list.members[0].addresses[1].address, "a:2");
    assert_true(list.members[0].incarnation == 7 && !list.members[0].leaving);
    assert_true(list.members[1].weight == 3 && list.members[1].leaving && list.members[1].address_count == 0);
    ldr_list_free(&list);
    for (size_t size = 0; size < buffer.size; size++) {
        unsigned char *cut = malloc(size + 1);
        assert_non_null(cut);
        memcpy(cut, buffer.data, size);
        assert_int_equal(ldr_list_decode(ldr_slice(cut, size), &list), LARDER_INVALID);
        free(cut);
    }
    ldr_buffer_free(&buffer);
}

static void a_batch_arrives_as_it_was_sent(void **state)
{
    (void)state;
    struct ldr_buffer buffer = {0};
    struct ldr_wire_copy got;
    const struct ldr_wire_copy sent = {
        .key = {"k\0y", 3}, .value = {"value", 5}, .version = {3, 4}, .ttl_ms = LARDER_TTL_NONE};
    const struct ldr_wire_copy buried = {.key = {"gone", 4}, .version = {5, 6}, .ttl_ms = 7, .tombstone = true};
    ldr_copy_encode(&buffer, &sent);
    ldr_copy_encode(&buffer, &buried);
    struct larder_slice rest = ldr_slice(buffer.data, buffer.size);
    assert_true(ldr_copy_decode(&rest, &got));
    assert_true(ldr_slice_equal(got.key, sent.key) && ldr_slice_equal(got.value, sent.value));
    assert_true(ldr_version_equal(got.version, sent.version) && got.ttl_ms == LARDER_TTL_NONE && !got.tombstone);
    assert_true(ldr_copy_decode(&rest, &got));
    assert_true(got.tombstone && got.ttl_ms == 7 && got.value.size == 0);
    assert_int_equal(rest.size, 0);
    assert_false(ldr_copy_decode(&rest, &got));
    ldr_buffer_free(&buffer);
}

/* Whatever comes is refused, or read within its bounds; AddressSanitizer watches. */
static void garbage_is_refused(void **state)
{
    (void)state;
    uint64_t chance = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[200];
        for (size_t i = 0; i < sizeof bytes; i++) {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            bytes[i] = (unsigned char)(chance >> (round % 8) * 8) & (round % 3 == 0 ? 7 : 255);
        }
        size_t size = chance % sizeof bytes;
        unsigned char *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        struct ldr_header header;
        struct ldr_list list;
        struct ldr_wire_copy item;
        struct larder_slice offers = ldr_slice(copy, size), copies = offers;
        ldr_header_decode(offers, &header);
        if (ldr_list_decode(offers, &list) == LARDER_OK)
            ldr_list_free(&list);
        while (ldr_offer_decode(&offers, &item))
            continue;
        while (ldr_copy_decode(&copies, &item))
            continue;
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_arrives_as_it_was_sent),
        cmocka_unit_test(copies_arrive_with_how_long_they_are_waited_for),
        cmocka_unit_test(a_list_arrives_as_it_was_sent),
        cmocka_unit_test(a_batch_arrives_as_it_was_sent),
        cmocka_unit_test(garbage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
