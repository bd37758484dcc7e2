/* Every status has a name and a text of its own; the thread's last error is kept and escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/fail.h"

static void every_status_is_named(void **state)
{
    (void)state;
    for (int a = 0; a < LARDER_STATUS_COUNT; a++) {
        assert_string_not_equal(larder_status_name((enum larder_status)a), "UNKNOWN");
        for (int b = 0; b < a; b++)
            assert_string_not_equal(larder_status_text((enum larder_status)a),
                                    larder_status_text((enum larder_status)b));
    }
    assert_string_equal(larder_status_name((enum larder_status)LARDER_STATUS_COUNT), "UNKNOWN");
    assert_string_equal(larder_status_text((enum larder_status) - 1), "unknown status");
}

static void last_error_is_kept_and_escaped(void **state)
{
    (void)state;
    assert_int_equal(ldr_fail(LARDER_INVALID, "key \"%s\"", "a\x1b[31m\n"), LARDER_INVALID);
    assert_string_equal(larder_last_error(), "key \"a\\x1b[31m\\x0a\"");
    assert_int_equal(larder_last_status(), LARDER_INVALID);
}

static void a_long_error_is_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ldr_fail(LARDER_IO, "%s", text);
    assert_in_range(strlen(larder_last_error()), 1000, 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_named),
        cmocka_unit_test(last_error_is_kept_and_escaped),
        cmocka_unit_test(a_long_error_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
