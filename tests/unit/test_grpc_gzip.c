/* Compressed messages: both forms, nothing else, and bombs that stay small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "failing.h"
#include "plugins/transport/grpc/gzip.h"

FAILING(void *, realloc, (void *memory, size_t size), memory, size)

#define GZIP    (15 + 16)
#define DEFLATE 15

/* In memory of exactly its size. */
static struct larder_slice pack(const char *data, size_t size, int form)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, form, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t most = deflateBound(&stream, size);
    char *large = malloc(most);
    assert_non_null(large);
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)size;
    stream.next_out = (Bytef *)large;
    stream.avail_out = (uInt)most;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t packed = most - stream.avail_out;
    deflateEnd(&stream);
    char *exact = malloc(packed);
    assert_non_null(exact);
    memcpy(exact, large, packed);
    free(large);
    return (struct larder_slice){exact, packed};
}

static void drop(struct larder_slice slice)
{
    free((void *)(uintptr_t)slice.data);
}

static enum grpc_inflate inflate_with(const struct grpc_inflation *inflation, struct larder_slice bytes,
                                      const char *wanted, size_t size)
{
    char *memory;
    struct larder_slice outcome;
    enum grpc_inflate result = grpc_inflate(inflation, bytes, &memory, &outcome);
    if (result == GRPC_INFLATED) {
        assert_int_equal(outcome.size, size);
        if (size > 0)
            assert_memory_equal(outcome.data, wanted, size);
    }
    free(memory);
    return result;
}

static enum grpc_inflate inflate_up_to(size_t limit, struct larder_slice bytes, const char *wanted, size_t size)
{
    const struct grpc_inflation inflation = {.limit = limit};
    return inflate_with(&inflation, bytes, wanted, size);
}

static char *some_data(size_t size)
{
    char *data = malloc(size + 1);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * i / 7);
    return data;
}

static const int forms[] = {GZIP, DEFLATE};

static void both_forms(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int form = 0; form < 2; form++) {
            char *data = some_data(sizes[i]);
            struct larder_slice packed = pack(data, sizes[i], forms[form]);
            assert_int_equal(inflate_up_to(1 << 20, packed, data, sizes[i]), GRPC_INFLATED);
            assert_int_equal(inflate_up_to(sizes[i], packed, data, sizes[i]), GRPC_INFLATED);
            if (sizes[i] > 0)
                assert_int_equal(inflate_up_to(sizes[i] - 1, packed, NULL, 0), GRPC_INFLATE_TOO_LARGE);
            drop(packed);
            free(data);
        }
}

static void cut_off_and_added_to(void **state)
{
    (void)state;
    char *data = some_data(1000);
    for (int form = 0; form < 2; form++) {
        struct larder_slice packed = pack(data, 1000, forms[form]);
        for (size_t size = 0; size < packed.size; size++) {
            char *copy = malloc(size + 1);
            assert_non_null(copy);
            memcpy(copy + 1, packed.data, size);
            assert_int_equal(inflate_up_to(1 << 20, (struct larder_slice){copy + 1, size}, NULL, 0),
                             GRPC_INFLATE_MALFORMED);
            free(copy);
        }
        char *longer = malloc(packed.size + 1);
        assert_non_null(longer);
        memcpy(longer, packed.data, packed.size);
        longer[packed.size] = 'x';
        assert_int_equal(inflate_up_to(1 << 20, (struct larder_slice){longer, packed.size + 1}, NULL, 0),
                         GRPC_INFLATE_MALFORMED);
        free(longer);
        drop(packed);
    }
    free(data);
}

static void garbage(void **state)
{
    (void)state;
    char bytes[256];
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rand();
        if (round % 2 == 0)
            memcpy(bytes, "\x1f\x8b\x08\x00", 4);
        assert_int_not_equal(inflate_up_to(1 << 16, (struct larder_slice){bytes, sizeof bytes}, NULL, 0),
                             GRPC_INFLATED);
    }
}

static size_t most_asked;

static bool charge(void *arg, size_t size)
{
    most_asked = size > most_asked ? size : most_asked;
    return arg == NULL || size <= *(const size_t *)arg;
}

/* 100 MB of zeros in 100 KB: no more memory than the limit. */
static void bomb(void **state)
{
    (void)state;
    size_t size = 100000000;
    char *zeros = calloc(1, size);
    assert_non_null(zeros);
    struct larder_slice packed = pack(zeros, size, GZIP);
    free(zeros);
    assert_true(packed.size < 200000);
    most_asked = 0;
    const struct grpc_inflation inflation = {.limit = 1 << 20, .charged = 1000, .charge = charge};
    assert_int_equal(inflate_with(&inflation, packed, NULL, 0), GRPC_INFLATE_TOO_LARGE);
    assert_int_equal(most_asked, 1000 + (1 << 20) + 1);
    size_t allowed = 50000;
    const struct grpc_inflation charged = {.limit = 1 << 20, .charge = charge, .arg = &allowed};
    assert_int_equal(inflate_with(&charged, packed, NULL, 0), GRPC_INFLATE_NO_MEMORY);
    drop(packed);
}

static void without_memory(void **state)
{
    (void)state;
    char *data = some_data(50000);
    struct larder_slice packed = pack(data, 50000, GZIP);
    for (size_t number = 0;; number++) {
        fail_from(number, false);
        enum grpc_inflate result = inflate_up_to(1 << 20, packed, data, 50000);
        if (!stop_failing()) {
            assert_int_equal(result, GRPC_INFLATED);
            assert_true(number > 2);
            break;
        }
        assert_int_equal(result, GRPC_INFLATE_NO_MEMORY);
    }
    drop(packed);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms), cmocka_unit_test(cut_off_and_added_to), cmocka_unit_test(garbage),
        cmocka_unit_test(bomb),       cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
