/* A module's table of parameters is checked before any configuration meets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "core/plugin/params.h"

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

static const struct larder_param some_fields[] = {
    {.name = "name", .type = LARDER_PARAM_STRING, .required = true, .help = "a name"},
    {.name = "*", .type = LARDER_PARAM_MAP, .help = "the rest"},
    END,
};

/* One row that is wrong, and what is said of it. */
static void refused(const struct larder_param *row, const char *error)
{
    const struct larder_param table[] = {{.name = "fine", .type = LARDER_PARAM_BOOL, .help = "fine"}, *row, END};
    assert_int_equal(ldr_params_check("x.so", table), LARDER_INVALID);
    assert_string_equal(larder_last_error(), error);
}

static void a_sensible_table_passes(void **state)
{
    (void)state;
    const struct larder_param table[] = {
        {.name = "flag", .type = LARDER_PARAM_BOOL, .default_text = "true", .help = "h"},
        {.name = "count", .type = LARDER_PARAM_INT, .default_text = "-5", .minimum = -5, .maximum = 5, .help = "h"},
        {.name = "share", .type = LARDER_PARAM_FLOAT, .default_text = "0.25", .minimum = 0, .maximum = 1, .help = "h"},
        {.name = "room", .type = LARDER_PARAM_SIZE, .default_text = "4KiB", .minimum = 1, .maximum = 4096, .help = "h"},
        {.name = "wait", .type = LARDER_PARAM_DURATION, .default_text = "5s", .help = "h"},
        {.name = "mode", .type = LARDER_PARAM_STRING, .default_text = "slow", .choices = "fast|slow", .help = "h"},
        {.name = "urls", .type = LARDER_PARAM_STRINGS, .default_text = "[a, b]", .maximum = 2, .help = "h"},
        {.name = "tls", .type = LARDER_PARAM_RECORD, .fields = some_fields, .help = "h"},
        {.name = "members", .type = LARDER_PARAM_RECORDS, .fields = some_fields, .required = true, .help = "h"},
        {.name = "headers", .type = LARDER_PARAM_MAP, .help = "h"},
        END,
    };
    if (ldr_params_check("x.so", table) != LARDER_OK)
        fail_msg("%s", larder_last_error());
    assert_int_equal(ldr_params_check("x.so", NULL), LARDER_OK);
}

static void names_are_checked(void **state)
{
    (void)state;
    refused(&(struct larder_param){.name = "Max Size", .type = LARDER_PARAM_INT, .help = "h"},
            "x.so: params.Max Size: got name \"Max Size\", wanted 1 to 64 of [a-z0-9_]");
    refused(&(struct larder_param){.name = "", .type = LARDER_PARAM_INT, .help = "h"},
            "x.so: params.: got name \"\", wanted 1 to 64 of [a-z0-9_]");
    refused(&(struct larder_param){.name = "fine", .type = LARDER_PARAM_INT, .help = "h"},
            "x.so: params.fine: got two rows, wanted one");
    refused(&(struct larder_param){.name = "plugin", .type = LARDER_PARAM_STRING, .help = "h"},
            "x.so: params.plugin: got name \"plugin\", wanted another: it names the module itself");
    refused(&(struct larder_param){.name = "*", .type = LARDER_PARAM_MAP, .help = "h"},
            "x.so: params.*: got name \"*\", wanted it for a mapping inside a record only");
}

static void shapes_are_checked(void **state)
{
    (void)state;
    refused(&(struct larder_param){.name = "a", .help = "h"}, "x.so: params.a: got type 0, wanted 1 to 10");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_PLUGIN, .choices = "hash", .help = "h"},
            "x.so: params.a: got type 11, wanted 1 to 10");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_INT},
            "x.so: params.a: got no help, wanted one line");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_INT, .choices = "1|2", .help = "h"},
            "x.so: params.a: got choices, wanted none for a whole number");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_MAP, .fields = some_fields, .help = "h"},
            "x.so: params.a: got fields, wanted none for a mapping of names to texts");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_RECORDS, .help = "h"},
            "x.so: params.a: got no fields, wanted some for a list of mappings");
}

static void ranges_are_checked(void **state)
{
    (void)state;
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_BOOL, .maximum = 1, .help = "h"},
            "x.so: params.a: got a range, wanted none for a true or false");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_INT, .minimum = 2, .maximum = 1, .help = "h"},
            "x.so: params.a: got the range 2 to 1, wanted a minimum up to the maximum");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_FLOAT, .maximum = (double)NAN, .help = "h"},
            "x.so: params.a: got the range 0 to nan, wanted a minimum up to the maximum");
}

static void defaults_are_what_a_user_could_write(void **state)
{
    (void)state;
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_INT, .default_text = "ten", .help = "h"},
            "x.so: default: params.a: got \"ten\", wanted a whole number");
    refused(&(struct larder_param){.name = "a",
                                   .type = LARDER_PARAM_SIZE,
                                   .default_text = "64MB",
                                   .minimum = 1,
                                   .maximum = 64e6 - 1,
                                   .help = "h"},
            "x.so: default: params.a: got \"64MB\", wanted 1B to 63999999B");
    refused(&(struct larder_param){.name = "a", .type = LARDER_PARAM_DURATION, .default_text = "5", .help = "h"},
            "x.so: default: params.a: got \"5\", wanted a time like 30s");
    refused(
        &(struct larder_param){
            .name = "a", .type = LARDER_PARAM_STRING, .default_text = "c", .choices = "a|b", .help = "h"},
        "x.so: default: params.a: got \"c\", wanted one of a, b");
    refused(
        &(struct larder_param){
            .name = "a", .type = LARDER_PARAM_STRINGS, .default_text = "[a, b, c]", .maximum = 2, .help = "h"},
        "x.so: default:1:1: params.a: got 3 items, wanted 0 to 2 items");
}

static void fields_are_checked_like_rows(void **state)
{
    (void)state;
    const struct larder_param fields[] = {
        {.name = "weight", .type = LARDER_PARAM_INT, .default_text = "0", .minimum = 1, .maximum = 9, .help = "h"},
        END};
    refused(&(struct larder_param){.name = "members", .type = LARDER_PARAM_RECORDS, .fields = fields, .help = "h"},
            "x.so: default: params.members.weight: got \"0\", wanted 1 to 9");
}

static void a_table_that_does_not_end_is_refused(void **state)
{
    (void)state;
    struct larder_param endless[2] = {{.name = "again", .type = LARDER_PARAM_RECORD, .help = "h"}, END};
    endless[0].fields = endless;
    assert_int_equal(ldr_params_check("x.so", endless), LARDER_INVALID);
    assert_non_null(strstr(larder_last_error(), ".again: got more than 8 levels, wanted fewer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sensible_table_passes),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(defaults_are_what_a_user_could_write),
        cmocka_unit_test(fields_are_checked_like_rows),
        cmocka_unit_test(a_table_that_does_not_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
