/* Parameters of a module from settings, as programs get them that open modules themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "larder/plugins.h"

static const struct larder_param rows[] = {
    {.name = "in", .type = LARDER_PARAM_INT, .default_text = "25", .minimum = 1, .maximum = 99, .help = "a share"},
    {.name = "room", .type = LARDER_PARAM_SIZE, .default_text = "64KiB", .help = "bytes"},
    {.name = "must", .type = LARDER_PARAM_STRING, .required = true, .help = "a text"},
    {.name = NULL},
};

static const struct larder_plugin head = {.name = "mine", .params = rows};

static void refused(const char *const *settings, size_t count, const char *wanted)
{
    assert_null(larder_params_read(&head, settings, count));
    assert_int_equal(larder_last_status(), LARDER_INVALID);
    assert_string_equal(larder_last_error(), wanted);
}

static void settings_win_over_defaults_and_earlier_ones(void **state)
{
    (void)state;
    const char *settings[] = {"in=30", "must=x", "in=40"};
    struct larder_params *params = larder_params_read(&head, settings, 3);
    assert_non_null(params);
    const struct larder_param_value *values = larder_params_values(params);
    assert_int_equal(values[0].integer, 40);
    assert_true(values[0].given);
    assert_int_equal(values[1].integer, 65536);
    assert_false(values[1].given);
    assert_string_equal(values[2].string, "x");
    larder_params_free(params);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    refused((const char *[]){"in=30"}, 1, "mine: must: missing, it has no default");
    refused((const char *[]){"must=x", "in=100"}, 2, "mine: in: got \"100\", wanted 1 to 99");
    refused((const char *[]){"must=x", "inn=9"}, 2, "mine: inn: unknown key, did you mean \"in\"?");
    refused((const char *[]){"must=x", "in"}, 2, "mine: got \"in\", wanted name=value");
    refused((const char *[]){"=x"}, 1, "mine: got \"=x\", wanted name=value");
}

static void a_module_without_parameters_takes_none(void **state)
{
    (void)state;
    const struct larder_plugin none = {.name = "none"};
    struct larder_params *params = larder_params_read(&none, NULL, 0);
    assert_non_null(params);
    larder_params_free(params);
    assert_null(larder_params_read(&none, (const char *[]){"in=1"}, 1));
    larder_params_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_win_over_defaults_and_earlier_ones),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_module_without_parameters_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
