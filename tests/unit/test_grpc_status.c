/* gRPC's codes: every status has one and a name, and the .proto tells the same numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "larder/plugin/request.h"
#include "larder/v1/larder.pb-c.h"
#include "plugins/transport/grpc/status.h"

static void codes(void **state)
{
    (void)state;
    static const struct {
        enum larder_status status;
        enum grpc_code code;
    } expected[] = {
        {LARDER_OK, GRPC_OK},
        {LARDER_NOT_FOUND, GRPC_NOT_FOUND},
        {LARDER_INVALID, GRPC_INVALID_ARGUMENT},
        {LARDER_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED},
        {LARDER_NO_ROOM, GRPC_RESOURCE_EXHAUSTED},
        {LARDER_NO_MEMORY, GRPC_RESOURCE_EXHAUSTED},
        {LARDER_PRECONDITION, GRPC_FAILED_PRECONDITION},
        {LARDER_DEADLINE, GRPC_DEADLINE_EXCEEDED},
        {LARDER_UNAVAILABLE, GRPC_UNAVAILABLE},
        {LARDER_BUSY, GRPC_RESOURCE_EXHAUSTED},
        {LARDER_LOAD_FAILED, GRPC_UNAVAILABLE},
        {LARDER_NO_GROUP, GRPC_NOT_FOUND},
        {LARDER_EXISTS, GRPC_ALREADY_EXISTS},
        {LARDER_REFUSED, GRPC_UNAVAILABLE},
        {LARDER_UNSUPPORTED, GRPC_UNIMPLEMENTED},
        {LARDER_IO, GRPC_INTERNAL},
    };
    assert_int_equal(sizeof expected / sizeof *expected, LARDER_STATUS_COUNT);
    for (int i = 0; i < LARDER_STATUS_COUNT; i++) {
        assert_int_equal(expected[i].status, i);
        assert_int_equal(grpc_code_of(expected[i].status), expected[i].code);
    }
    assert_int_equal(grpc_code_of(LARDER_STATUS_COUNT), GRPC_UNKNOWN);
    assert_int_equal(grpc_code_of((enum larder_status) - 1), GRPC_UNKNOWN);
}

static void codes_and_back(void **state)
{
    (void)state;
    /* A status whose code is its own comes back; of others, one that means the same to the caller. */
    static const enum larder_status own[] = {LARDER_OK,       LARDER_NOT_FOUND,   LARDER_INVALID, LARDER_PRECONDITION,
                                             LARDER_DEADLINE, LARDER_UNAVAILABLE, LARDER_BUSY,    LARDER_EXISTS,
                                             LARDER_IO,       LARDER_UNSUPPORTED};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_int_equal(grpc_status_of((int)grpc_code_of(own[i])), own[i]);
    for (int code = GRPC_CANCELLED; code < GRPC_CODE_COUNT; code++)
        assert_int_not_equal(grpc_status_of(code), LARDER_OK);
    assert_int_equal(grpc_status_of(GRPC_CANCELLED), LARDER_UNAVAILABLE);
    assert_int_equal(grpc_status_of(GRPC_CODE_COUNT), LARDER_UNAVAILABLE);
    assert_int_equal(grpc_status_of(-1), LARDER_UNAVAILABLE);
}

static void names(void **state)
{
    (void)state;
    for (int i = 0; i < LARDER_STATUS_COUNT; i++) {
        const char *name = grpc_status_name((enum larder_status)i);
        assert_string_equal(name, larder_status_name((enum larder_status)i));
        assert_int_equal(grpc_status_named(name, strlen(name)), i);
        assert_int_equal(grpc_status_named(name, strlen(name) - 1), LARDER_STATUS_COUNT);
    }
    assert_string_equal(grpc_status_name(LARDER_STATUS_COUNT), "UNKNOWN");
    assert_int_equal(grpc_status_named("", 0), LARDER_STATUS_COUNT);
    assert_string_equal(grpc_code_name(GRPC_RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(grpc_code_name(17), "UNKNOWN");
    assert_string_equal(grpc_code_name(-1), "UNKNOWN");
}

static void proto_numbers(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *statuses = &larder__v1__status__descriptor,
                                  *sources = &larder__v1__source__descriptor;
    assert_int_equal(statuses->n_values, LARDER_STATUS_COUNT);
    for (int i = 0; i < LARDER_STATUS_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "STATUS_%s", larder_status_name((enum larder_status)i));
        assert_string_equal(protobuf_c_enum_descriptor_get_value(statuses, i)->name, name);
    }
    assert_int_equal(sources->n_values, LARDER_SOURCE_LOADER + 1);
    for (int i = 0; i <= LARDER_SOURCE_LOADER; i++) {
        const char *name = protobuf_c_enum_descriptor_get_value(sources, i)->name;
        assert_memory_equal(name, "SOURCE_", 7);
        assert_int_equal(strcasecmp(name + 7, larder_source_name((enum larder_source)i)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),
        cmocka_unit_test(codes_and_back),
        cmocka_unit_test(names),
        cmocka_unit_test(proto_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
