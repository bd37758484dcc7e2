/* Messages as they arrive: in pieces of any size, announced too large, and without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "plugins/transport/grpc/reader.h"

FAILING(void *, realloc, (void *memory, size_t size), memory, size)

/* Prefix and a message whose bytes tell their places. */
static size_t put_message(unsigned char *at, unsigned char flag, uint32_t size)
{
    at[0] = flag;
    for (int i = 0; i < 4; i++)
        at[1 + i] = (unsigned char)(size >> (24 - 8 * i));
    for (uint32_t i = 0; i < size; i++)
        at[GRPC_PREFIX_SIZE + i] = (unsigned char)(i * 7 + size);
    return GRPC_PREFIX_SIZE + size;
}

static void assert_message(const struct grpc_reader *reader, uint32_t size)
{
    struct larder_slice message = grpc_reader_message(reader);
    assert_int_equal(message.size, size);
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(((const unsigned char *)message.data)[i], (unsigned char)(i * 7 + size));
}

/* Two messages, one after the other, in pieces of `piece` bytes. */
static void two_in_pieces(uint32_t first, uint32_t second, size_t piece)
{
    char small[64];
    struct grpc_reader reader = {.limit = 1 << 20, .small = small, .small_size = sizeof small};
    unsigned char *stream = malloc(first + second + 2 * GRPC_PREFIX_SIZE);
    assert_non_null(stream);
    size_t total = put_message(stream, 0, first);
    total += put_message(stream + total, 1, second);
    const uint32_t sizes[] = {first, second};
    size_t done = 0;
    for (size_t at = 0; at < total; at += piece) {
        /* A copy of the piece alone, so that reading past its end is seen. */
        size_t size = total - at < piece ? total - at : piece;
        unsigned char *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, stream + at, size);
        struct larder_slice data = {copy, size};
        while (data.size > 0) {
            enum grpc_read read = grpc_reader_take(&reader, &data);
            assert_true(read == GRPC_READ_DONE || (read == GRPC_READ_MORE && data.size == 0));
            assert_int_equal(grpc_reader_inside(&reader), read == GRPC_READ_MORE);
            if (read != GRPC_READ_DONE)
                continue;
            assert_int_equal(reader.compressed, done == 1);
            assert_message(&reader, sizes[done++]);
            grpc_reader_next(&reader);
            assert_false(grpc_reader_inside(&reader));
        }
        free(copy);
    }
    assert_int_equal(done, 2);
    free(stream);
    grpc_reader_free(&reader);
}

static void pieces(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 63, 64, 65, 5000};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++)
            for (size_t piece = 1; piece < 12; piece++)
                two_in_pieces(sizes[i], sizes[j], piece);
    two_in_pieces(300000, 1000, 16384);
    two_in_pieces(3, 700000, 1 << 20);
}

static enum grpc_read take_all(struct grpc_reader *reader, const void *data, size_t size)
{
    struct larder_slice slice = {data, size};
    return grpc_reader_take(reader, &slice);
}

/* Refused at the prefix: nothing of the message has to arrive, and no memory is taken. */
static void announced_too_large(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {101, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct grpc_reader reader = {.limit = 100};
        unsigned char prefix[GRPC_PREFIX_SIZE];
        for (int k = 0; k < 4; k++)
            prefix[1 + k] = (unsigned char)(sizes[i] >> (24 - 8 * k));
        prefix[0] = 0;
        assert_int_equal(take_all(&reader, prefix, 4), GRPC_READ_MORE);
        assert_true(grpc_reader_inside(&reader));
        assert_int_equal(take_all(&reader, prefix + 4, 1), GRPC_READ_TOO_LARGE);
        assert_null(reader.bytes);
        grpc_reader_free(&reader);
    }
    struct grpc_reader reader = {.limit = 100};
    unsigned char exact[GRPC_PREFIX_SIZE + 100];
    assert_int_equal(take_all(&reader, exact, put_message(exact, 0, 100)), GRPC_READ_DONE);
    assert_message(&reader, 100);
    grpc_reader_free(&reader);
}

static void bad_flags(void **state)
{
    (void)state;
    for (int flag = 2; flag < 256; flag++) {
        struct grpc_reader reader = {.limit = 100};
        const unsigned char prefix[GRPC_PREFIX_SIZE] = {(unsigned char)flag, 0, 0, 0, 1};
        assert_int_equal(take_all(&reader, prefix, sizeof prefix), GRPC_READ_BAD_FLAG);
        grpc_reader_free(&reader);
    }
}

/* Memory follows what has arrived, not what was announced. */
static void memory_follows_arrival(void **state)
{
    (void)state;
    struct grpc_reader reader = {.limit = UINT32_MAX};
    const unsigned char prefix[GRPC_PREFIX_SIZE] = {0, 0xff, 0xff, 0xff, 0xff};
    unsigned char piece[1000] = {0};
    assert_int_equal(take_all(&reader, prefix, sizeof prefix), GRPC_READ_MORE);
    assert_int_equal(reader.capacity, 0);
    for (size_t arrived = 1000; arrived <= 100000; arrived += 1000) {
        assert_int_equal(take_all(&reader, piece, sizeof piece), GRPC_READ_MORE);
        assert_true(reader.capacity <= (arrived < 4096 ? 4096 : 2 * arrived));
    }
    grpc_reader_free(&reader);
}

static bool charge(void *arg, size_t size)
{
    return size <= *(const size_t *)arg;
}

static void charged(void **state)
{
    (void)state;
    size_t allowed = 10000;
    struct grpc_reader reader = {.limit = 1 << 20, .charge = charge, .arg = &allowed};
    static unsigned char message[GRPC_PREFIX_SIZE + 20000];
    put_message(message, 0, 20000);
    assert_int_equal(take_all(&reader, message, 4000), GRPC_READ_MORE);
    assert_int_equal(take_all(&reader, message + 4000, 6000), GRPC_READ_NO_MEMORY);
    assert_true(reader.capacity <= allowed);
    grpc_reader_free(&reader);
    allowed = 20000;
    reader = (struct grpc_reader){.limit = 1 << 20, .charge = charge, .arg = &allowed};
    assert_int_equal(take_all(&reader, message, sizeof message), GRPC_READ_DONE);
    assert_message(&reader, 20000);
    grpc_reader_free(&reader);
}

static void detached(void **state)
{
    (void)state;
    char small[16];
    struct grpc_reader reader = {.limit = 1 << 20, .small = small, .small_size = sizeof small};
    unsigned char message[GRPC_PREFIX_SIZE + 100];
    assert_int_equal(take_all(&reader, message, put_message(message, 0, 100)), GRPC_READ_DONE);
    unsigned char *bytes = grpc_reader_detach(&reader);
    assert_memory_equal(bytes, message + GRPC_PREFIX_SIZE, 100);
    free(bytes);
    assert_int_equal(take_all(&reader, message, put_message(message, 0, 16)), GRPC_READ_DONE);
    assert_null(grpc_reader_detach(&reader));
    assert_memory_equal(small, message + GRPC_PREFIX_SIZE, 16);
    assert_false(grpc_reader_inside(&reader));
    grpc_reader_free(&reader);
}

static void without_memory(void **state)
{
    (void)state;
    static unsigned char message[GRPC_PREFIX_SIZE + 50000];
    size_t size = put_message(message, 0, 50000);
    for (size_t number = 0;; number++) {
        struct grpc_reader reader = {.limit = 1 << 20};
        fail_from(number, false);
        enum grpc_read read = GRPC_READ_MORE;
        for (size_t at = 0; at < size && read == GRPC_READ_MORE; at += 7000)
            read = take_all(&reader, message + at, size - at < 7000 ? size - at : 7000);
        bool met = stop_failing();
        assert_int_equal(read, met ? GRPC_READ_NO_MEMORY : GRPC_READ_DONE);
        grpc_reader_free(&reader);
        if (!met) {
            assert_true(number > 2);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),         cmocka_unit_test(announced_too_large),    cmocka_unit_test(bad_flags),
        cmocka_unit_test(charged),        cmocka_unit_test(memory_follows_arrival), cmocka_unit_test(detached),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
