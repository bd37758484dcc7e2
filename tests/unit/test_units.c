/* Sizes, times and numbers are read exactly or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/config/units.h"

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } rows[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"64KB", 64000},
        {"64KiB", 65536},
        {"2MB", 2000000},
        {"2MiB", 2097152},
        {"3GB", 3000000000},
        {"3GiB", 3221225472},
        {"9223372036854775807", INT64_MAX},
        {"8589934591GiB", INT64_C(8589934591) << 30},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t bytes = -1;
        assert_true(ldr_parse_size(rows[i].text, &bytes));
        assert_int_equal(bytes, rows[i].bytes);
    }
}

static void other_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "B",
                                        "-1",
                                        "+1",
                                        "1.5MiB",
                                        "64 MiB",
                                        "64MBit",
                                        "64mb",
                                        "64kib",
                                        "64K",
                                        "0x10",
                                        "1e3",
                                        "007",
                                        "64MiB ",
                                        " 64",
                                        "64TiB",
                                        "1_000",
                                        "64MiBB",
                                        "infinity",
                                        "9223372036854775808",
                                        "8589934592GiB"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t bytes = -7;
        if (ldr_parse_size(texts[i], &bytes))
            fail_msg("\"%s\" was read as %lld", texts[i], (long long)bytes);
    }
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"0", 0}, {"250ms", 250}, {"30s", 30000}, {"5m", 300000}, {"1h", 3600000}, {"0s", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = -1;
        assert_true(ldr_parse_duration(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
}

static void other_durations_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "10",
                                        "s",
                                        "-1s",
                                        "1.5s",
                                        "1d",
                                        "1h30m",
                                        "1 s",
                                        "00s",
                                        "1S",
                                        "1sec",
                                        "1min",
                                        "1us",
                                        "9223372036854775807s",
                                        "2562047788016h"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ms;
        if (ldr_parse_duration(texts[i], &ms))
            fail_msg("\"%s\" was read", texts[i]);
    }
}

static void integers_are_whole(void **state)
{
    (void)state;
    int64_t value;
    assert_true(ldr_parse_integer("0", &value) && value == 0);
    assert_true(ldr_parse_integer("-42", &value) && value == -42);
    assert_true(ldr_parse_integer("9223372036854775807", &value) && value == INT64_MAX);
    assert_true(ldr_parse_integer("-9223372036854775808", &value) && value == INT64_MIN);
    static const char *const texts[] = {"",
                                        "-",
                                        "+1",
                                        "1.0",
                                        "1e3",
                                        "0x1",
                                        "010",
                                        "1_0",
                                        " 1",
                                        "1 ",
                                        "--1",
                                        "one",
                                        "9223372036854775808",
                                        "-9223372036854775809"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (ldr_parse_integer(texts[i], &value))
            fail_msg("\"%s\" was read", texts[i]);
    }
}

static void numbers_are_decimal(void **state)
{
    (void)state;
    double value;
    assert_true(ldr_parse_number("0.5", &value) && value == 0.5);
    assert_true(ldr_parse_number("-2", &value) && value == -2);
    assert_true(ldr_parse_number("1.25e-2", &value) && value == 0.0125);
    static const char *const texts[] = {"",      ".5",  "1.", "inf", "nan", "0x1p3", "1e",
                                        "1e999", "1,5", "1 ", " 1",  "1e+", "00.5",  "-"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (ldr_parse_number(texts[i], &value))
            fail_msg("\"%s\" was read", texts[i]);
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const int64_t values[] = {
        0, 1, 999, 1000, 1024, 1536, 60000, 65536, 90000, 3600000, INT64_C(1) << 30, INT64_C(3155760000000), INT64_MAX};
    char text[LDR_UNIT_TEXT];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int64_t back = -1;
        ldr_format_size(values[i], text, sizeof text);
        assert_true(ldr_parse_size(text, &back));
        assert_int_equal(back, values[i]);
        ldr_format_duration(values[i], text, sizeof text);
        assert_true(ldr_parse_duration(text, &back));
        assert_int_equal(back, values[i]);
    }
    ldr_format_size(INT64_C(64) << 20, text, sizeof text);
    assert_string_equal(text, "64MiB");
    ldr_format_duration(90000, text, sizeof text);
    assert_string_equal(text, "90s");
}

static void the_nearest_name_is_near(void **state)
{
    (void)state;
    static const char *const names[] = {"max_bytes", "max_value", "ttl", "loader", "load_timeout"};
    const unsigned count = sizeof names / sizeof *names;
    assert_string_equal(ldr_nearest("max_byte", names, count), "max_bytes");
    assert_string_equal(ldr_nearest("maxbytes", names, count), "max_bytes");
    assert_string_equal(ldr_nearest("tlt", names, count), "ttl");
    assert_string_equal(ldr_nearest("laoder", names, count), "loader");
    assert_null(ldr_nearest("colour", names, count));
    assert_null(ldr_nearest("", names, count));
    assert_null(ldr_nearest("max_bytes", names, 0));
    char long_name[4096];
    memset(long_name, 'm', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_null(ldr_nearest(long_name, names, count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(other_sizes_are_refused),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(other_durations_are_refused),
        cmocka_unit_test(integers_are_whole),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_nearest_name_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
