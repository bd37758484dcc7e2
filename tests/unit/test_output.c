/* The output queue: what is written is what was queued, in order, however little the socket takes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/transport/common/output.h"

struct pair {
    int near, far;
};

static struct pair open_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    return (struct pair){fds[0], fds[1]};
}

static void close_pair(struct pair pair)
{
    close(pair.near);
    close(pair.far);
}

static void count_release(void *pin)
{
    ++*(int *)pin;
}

static char byte_at(size_t position)
{
    return (char)(position * 31 + position / 251);
}

static void fill(char *data, size_t position, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(position + i);
}

/* Reads what is there and checks that it continues the stream at `position`. */
static size_t drain(int fd, size_t position)
{
    static char buffer[100000];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0) {
        assert_int_equal(errno, EAGAIN);
        return 0;
    }
    for (size_t i = 0; i < (size_t)got; i++)
        if (buffer[i] != byte_at(position + i))
            fail_msg("byte %zu differs", position + i);
    return (size_t)got;
}

static void nothing_is_written_of_nothing(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct tp_output output = {0};
    assert_int_equal(tp_output_write(&output, pair.near), 0);
    assert_true(tp_output_copy(&output, NULL, 0));
    assert_int_equal(output.pending, 0);
    assert_null(output.first);
    tp_output_free(&output);
    close_pair(pair);
}

static void all_sizes_arrive_in_order(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct tp_output output = {0};
    static const size_t sizes[] = {1, 959, 1, 960, 961, 16384, 2047, 2048, 2049, 100000, 3, 500000, 7};
    static char data[14][500000];
    size_t total = 0, read = 0;
    int releases = 0, pins = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(data[i], total, sizes[i]);
        if (i % 2 == 0) {
            assert_true(tp_output_copy(&output, data[i], sizes[i]));
            memset(data[i], 0, sizes[i]); /* it was copied */
        } else {
            assert_true(tp_output_pin(&output, (struct larder_slice){data[i], sizes[i]}, count_release, &releases));
            pins++;
        }
        total += sizes[i];
        assert_int_equal(output.pending, total);
    }
    while (read < total) {
        assert_int_equal(tp_output_write(&output, pair.near), 0);
        assert_true(output.pending <= total - read);
        size_t got = drain(pair.far, read);
        assert_true(got > 0);
        read += got;
    }
    assert_int_equal(output.pending, 0);
    assert_null(output.first);
    assert_null(output.last);
    assert_int_equal(releases, pins);
    tp_output_free(&output);
    close_pair(pair);
}

static void more_can_be_queued_after_a_partial_write(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct tp_output output = {0};
    size_t queued = 0, read = 0;
    char data[1000];
    for (int round = 0; round < 3000; round++) {
        size_t size = (size_t)(round % 1000) + 1;
        fill(data, queued, size);
        assert_true(tp_output_copy(&output, data, size));
        queued += size;
        assert_int_equal(tp_output_write(&output, pair.near), 0);
        if (round % 500 == 499)
            read += drain(pair.far, read);
    }
    while (read < queued) {
        assert_int_equal(tp_output_write(&output, pair.near), 0);
        read += drain(pair.far, read);
    }
    assert_int_equal(output.pending, 0);
    tp_output_free(&output);
    close_pair(pair);
}

static void pins_are_released_once_when_dropped(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct tp_output output = {0};
    static char large[3000000];
    int releases = 0;
    assert_true(tp_output_pin(&output, (struct larder_slice){large, 10}, count_release, &releases));
    assert_int_equal(releases, 1); /* small: copied, and released at once */
    assert_true(tp_output_pin(&output, (struct larder_slice){large, sizeof large}, count_release, &releases));
    assert_true(tp_output_pin(&output, (struct larder_slice){large, sizeof large}, count_release, &releases));
    assert_true(tp_output_pin(&output, (struct larder_slice){large, sizeof large}, NULL, NULL));
    assert_int_equal(tp_output_write(&output, pair.near), 0);
    assert_int_equal(releases, 1);
    tp_output_free(&output);
    assert_int_equal(releases, 3);
    assert_int_equal(output.pending, 0);
    tp_output_free(&output);
    assert_int_equal(releases, 3);
    close_pair(pair);
}

/* Bytes of one pin are owned while a part of them is written, others are left where they lie. */
static void owned_bytes_are_not_looked_at_again(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct tp_output output = {0};
    size_t size = 1 << 20, read_so_far = 0;
    char *first = malloc(size), *second = malloc(size);
    assert_true(first != NULL && second != NULL);
    fill(first, 0, size);
    fill(second, size, size);
    int released[2] = {0, 0};
    assert_true(tp_output_pin(&output, (struct larder_slice){first, size}, count_release, &released[0]));
    assert_true(tp_output_pin(&output, (struct larder_slice){second, size}, count_release, &released[1]));
    assert_int_equal(tp_output_write(&output, pair.near), 0);
    assert_true(output.pending < 2 * size && output.pending > size);
    assert_true(tp_output_own(&output, &released[0]));
    assert_true(released[0] == 1 && released[1] == 0);
    memset(first, 'x', size);
    free(first);
    while (output.pending > 0) {
        read_so_far += drain(pair.far, read_so_far);
        assert_int_equal(tp_output_write(&output, pair.near), 0);
    }
    for (size_t got = 1; got > 0; read_so_far += got)
        got = drain(pair.far, read_so_far);
    assert_int_equal(read_so_far, 2 * size);
    assert_true(released[0] == 1 && released[1] == 1);
    free(second);
    close_pair(pair);
}

static void a_closed_connection_is_an_error_and_no_signal(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct tp_output output = {0};
    close(pair.far);
    assert_true(tp_output_copy(&output, "x", 1));
    assert_int_equal(tp_output_write(&output, pair.near), -1);
    assert_int_equal(errno, EPIPE);
    tp_output_free(&output);
    close(pair.near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_of_nothing),
        cmocka_unit_test(all_sizes_arrive_in_order),
        cmocka_unit_test(more_can_be_queued_after_a_partial_write),
        cmocka_unit_test(pins_are_released_once_when_dropped),
        cmocka_unit_test(owned_bytes_are_not_looked_at_again),
        cmocka_unit_test(a_closed_connection_is_an_error_and_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
