/* The form of a line in both formats, escaping, levels, and how often a place may write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/log_limit.h"

/* A log that writes into a file without a name. */
struct fixture {
    FILE *file;
    struct ldr_log *log;
};

static struct fixture start(const char *node, enum larder_log_level level, enum ldr_log_format format)
{
    struct fixture fixture = {.file = tmpfile()};
    assert_non_null(fixture.file);
    fixture.log = ldr_log_open(node, level, format, fileno(fixture.file));
    assert_non_null(fixture.log);
    return fixture;
}

/* Closes the log and returns all it wrote, to be freed. */
static char *finish(struct fixture *fixture)
{
    ldr_log_close(fixture->log);
    off_t size = lseek(fileno(fixture->file), 0, SEEK_END);
    assert_true(size >= 0);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(fixture->file), text, (size_t)size, 0), size);
    fclose(fixture->file);
    return text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int result = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (result != 0)
        fail_msg("\"%s\" does not match \"%s\"", text, pattern);
}

static void logfmt_line(void **state)
{
    (void)state;
    struct fixture fixture = start("a", LARDER_LOG_INFO, LDR_LOG_LOGFMT);
    errno = ENOENT;
    ldr_log(fixture.log, LARDER_LOG_WARN, "peer %s suspended", "b");
    assert_int_equal(errno, ENOENT);
    char *text = finish(&fixture);
    assert_matches(text, "^ts=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z level=warn node=a "
                         "msg=\"peer b suspended\"\n$");
    free(text);
}

static void logfmt_escapes(void **state)
{
    (void)state;
    struct fixture fixture = start("a b", LARDER_LOG_INFO, LDR_LOG_LOGFMT);
    ldr_log(fixture.log, LARDER_LOG_ERROR, "%s", "say \"x\\y\"\n\x1b[31m\x7f \xc3\xa9 \xff \xc2\x9b");
    char *text = finish(&fixture);
    assert_non_null(strstr(text, " node=\"a b\" "));
    assert_non_null(strstr(text, "msg=\"say \\\"x\\\\y\\\"\\x0a\\x1b[31m\\x7f \xc3\xa9 \\xff \\xc2\\x9b\"\n"));
    free(text);
}

static void json_line_is_json_whatever_is_logged(void **state)
{
    (void)state;
    struct fixture fixture = start("n\"1", LARDER_LOG_INFO, LDR_LOG_JSON);
    ldr_log(fixture.log, LARDER_LOG_INFO, "%s", "\"\\\x01\n\xff\xc0\x80\xed\xa0\x80\xf5 \xe2\x82\xac \xf0\x9f\x8d\x92");
    char *text = finish(&fixture);
    json_error_t error;
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL)
        fail_msg("%s: %s", error.text, text);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "node")), "n\"1");
    assert_int_equal(json_string_length(json_object_get(line, "ts")), 24);
    const char *unknown = "\xef\xbf\xbd";
    char expected[128];
    snprintf(expected, sizeof expected, "\"\\\x01\n%s%s%s%s%s%s%s \xe2\x82\xac \xf0\x9f\x8d\x92", unknown, unknown,
             unknown, unknown, unknown, unknown, unknown);
    assert_string_equal(json_string_value(json_object_get(line, "msg")), expected);
    json_decref(line);
    free(text);
}

static void a_long_message_is_cut_on_one_whole_line(void **state)
{
    (void)state;
    struct fixture fixture = start("a", LARDER_LOG_INFO, LDR_LOG_JSON);
    char *message = malloc(100000);
    assert_non_null(message);
    memset(message, '\x01', 99999);
    message[99999] = '\0';
    ldr_log(fixture.log, LARDER_LOG_INFO, "%s", message);
    free(message);
    char *text = finish(&fixture);
    json_t *line = json_loads(text, 0, NULL);
    assert_non_null(line);
    assert_int_equal(json_string_length(json_object_get(line, "msg")), 2047);
    json_decref(line);
    free(text);
}

static void levels_are_honoured(void **state)
{
    (void)state;
    struct fixture fixture = start("a", LARDER_LOG_WARN, LDR_LOG_LOGFMT);
    ldr_log(fixture.log, LARDER_LOG_INFO, "one");
    ldr_log(fixture.log, LARDER_LOG_WARN, "two");
    ldr_log_set_level(fixture.log, LARDER_LOG_DEBUG);
    ldr_log(fixture.log, LARDER_LOG_DEBUG, "three");
    ldr_log(NULL, LARDER_LOG_ERROR, "nowhere");
    char *text = finish(&fixture);
    assert_null(strstr(text, "one"));
    assert_non_null(strstr(text, "level=warn node=a msg=\"two\""));
    assert_non_null(strstr(text, "level=debug node=a msg=\"three\""));
    free(text);
}

static void a_flood_is_held_back_and_counted(void **state)
{
    (void)state;
    const uint64_t second = 1000000000;
    struct ldr_log_limit limit = {0};
    static const char here[] = "here", there[] = "there";
    uint64_t held = 99;
    assert_true(ldr_log_limit_pass(&limit, here, 1, 5 * second, &held));
    assert_int_equal(held, 0);
    for (int i = 0; i < 10; i++)
        assert_false(ldr_log_limit_pass(&limit, here, 1, 5 * second + 1, &held));
    /* Another place, and other texts of the same place up to the burst, are not affected. */
    assert_true(ldr_log_limit_pass(&limit, there, 1, 5 * second + 1, &held));
    assert_int_equal(held, 0);
    for (uint64_t text = 2; text <= LDR_LOG_BURST; text++) {
        assert_true(ldr_log_limit_pass(&limit, here, text, 5 * second + 2, &held));
        assert_int_equal(held, text == 2 ? 10 : 0);
    }
    assert_false(ldr_log_limit_pass(&limit, here, 1000, 6 * second - 1, &held));
    assert_true(ldr_log_limit_pass(&limit, here, 1, 6 * second, &held));
    assert_int_equal(held, 1);
}

static void many_places_do_not_need_more_room(void **state)
{
    (void)state;
    struct ldr_log_limit limit = {0};
    char formats[LDR_LOG_PLACES + 1];
    uint64_t held;
    for (uint64_t i = 0; i <= LDR_LOG_PLACES; i++)
        assert_true(ldr_log_limit_pass(&limit, &formats[i], 1, i, &held));
    assert_false(ldr_log_limit_pass(&limit, &formats[LDR_LOG_PLACES], 1, 100, &held));
    assert_false(ldr_log_limit_pass(&limit, &formats[1], 1, 100, &held));
    assert_true(ldr_log_limit_pass(&limit, &formats[0], 1, 100, &held)); /* forgotten: it was the oldest */
}

/* Whatever the clock does meanwhile, every line is either written or counted by a later one. */
static void repeats_are_told_by_the_next_line(void **state)
{
    (void)state;
    struct fixture fixture = start("a", LARDER_LOG_INFO, LDR_LOG_LOGFMT);
    static const char format[] = "text %d";
    for (int i = 0; i < 1000; i++)
        ldr_log(fixture.log, LARDER_LOG_INFO, format, 1);
    ldr_log(fixture.log, LARDER_LOG_INFO, format, 2);
    char *text = finish(&fixture);
    char *rest = text, *line, *last = NULL;
    unsigned long lines = 0, repeated = 0;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        char *told = strstr(line, " repeated=");
        repeated += told != NULL ? strtoul(told + strlen(" repeated="), NULL, 10) : 0;
        lines++;
        last = line;
    }
    assert_non_null(last);
    /* It tells of those held back, unless the line before it was the first of another second. */
    assert_non_null(strstr(last, "msg=\"text 2\""));
    assert_int_equal(lines + repeated, 1001);
    assert_true(lines < 500);
    free(text);
}

struct writer {
    struct ldr_log *log;
    int number;
};

static void *write_lines(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < 200; i++)
        ldr_log(writer->log, LARDER_LOG_INFO, "writer %d line %d end", writer->number, i);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    struct fixture fixture = start("a", LARDER_LOG_INFO, LDR_LOG_LOGFMT);
    struct writer writers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        writers[i] = (struct writer){fixture.log, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *text = finish(&fixture);
    char *rest = text, *line;
    int lines = 0;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        assert_matches(line,
                       "^ts=[0-9T:.Z-]+ level=info node=a msg=\"writer [0-3] line [0-9]+ end\"( repeated=[0-9]+)?$");
        lines++;
    }
    assert_true(lines >= LDR_LOG_BURST);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_line),
        cmocka_unit_test(logfmt_escapes),
        cmocka_unit_test(json_line_is_json_whatever_is_logged),
        cmocka_unit_test(a_long_message_is_cut_on_one_whole_line),
        cmocka_unit_test(levels_are_honoured),
        cmocka_unit_test(a_flood_is_held_back_and_counted),
        cmocka_unit_test(many_places_do_not_need_more_room),
        cmocka_unit_test(repeats_are_told_by_the_next_line),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
