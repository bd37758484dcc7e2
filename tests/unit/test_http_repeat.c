/* Heads that repeat themselves: what is taken for a repetition, the scanner and the parser would have taken alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/transport/http/repeat.h"

static const struct http_limits limits = {.request_line = 100, .header_bytes = 400, .headers = 5};

#define TAIL " HTTP/1.1\r\nHost: a\r\nUser-Agent: b/1\r\n\r\n"

/* The long way. 0: refused, or incomplete. */
static size_t parse(const char *data, size_t size, struct http_head *head)
{
    struct http_scan scan = {0};
    if (http_scan_head(&scan, &limits, data, size) != HTTP_SCAN_DONE)
        return 0;
    return http_head_parse(data, scan.at, head).status == 0 ? scan.at : 0;
}

static bool note(struct http_repeat *repeat, const char *text)
{
    struct http_head head;
    size_t used = parse(text, strlen(text), &head);
    assert_int_equal(used, strlen(text));
    http_repeat_note(repeat, text, used, &head);
    return repeat->size > 0;
}

/* From memory of exactly its size, for the sanitizers. Whether it was taken; that it is right is asserted. */
static bool taken(const struct http_repeat *repeat, const char *data, size_t size)
{
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy + 1, data, size);
    struct http_head got, wanted;
    size_t used = http_repeat_match(repeat, &limits, copy + 1, size, &got);
    if (used > 0) {
        assert_int_equal(used, parse(copy + 1, size, &wanted));
        assert_int_equal(got.method, wanted.method);
        assert_int_equal(got.minor, wanted.minor);
        assert_int_equal(got.keep_alive, wanted.keep_alive);
        assert_ptr_equal(got.target.data, wanted.target.data);
        assert_int_equal(got.target.size, wanted.target.size);
        assert_false(got.chunked || got.expect_continue || got.length > 0);
        assert_null(got.if_match.data);
        assert_null(got.if_none_match.data);
        assert_null(got.timeout.data);
    }
    free(copy);
    return used > 0;
}

static bool text_taken(const struct http_repeat *repeat, const char *text)
{
    return taken(repeat, text, strlen(text));
}

static void another_target_is_a_repetition(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    assert_false(text_taken(&repeat, "GET /a" TAIL));
    assert_true(note(&repeat, "GET /a" TAIL));
    assert_true(text_taken(&repeat, "GET /a" TAIL));
    assert_true(text_taken(&repeat, "GET /" TAIL));
    assert_true(text_taken(&repeat, "GET /another/%2F?key=b&c" TAIL));
    assert_true(text_taken(&repeat, "GET /a" TAIL "GET /b" TAIL));
    assert_true(text_taken(&repeat, "GET /a" TAIL "GET"));
}

static void what_differs_elsewhere_is_none(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    assert_true(note(&repeat, "GET /a" TAIL));
    static const char *const texts[] = {
        "HEAD /a" TAIL,
        "PUT /a" TAIL,
        "get /a" TAIL,
        "GET  /a" TAIL,
        "GET http://a/a" TAIL,
        "GET a" TAIL,
        "GET /a HTTP/1.0\r\nHost: a\r\nUser-Agent: b/1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: b/2\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: b/1\r\nIf-Match: *\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a  HTTP/1.1\r\nHost: a\r\nUser-Agent: b/1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(text_taken(&repeat, texts[i]));
    for (size_t size = 0; size < strlen("GET /a" TAIL); size++)
        assert_false(taken(&repeat, "GET /a" TAIL, size));
}

/* Every byte, at every place of a target. */
static void targets_are_taken_as_the_parser_takes_them(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    assert_true(note(&repeat, "GET /a" TAIL));
    unsigned count = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        for (size_t at = 4; at < 4 + 19; at++) {
            char text[] = "GET /23456789abcdef?123" TAIL;
            text[at] = (char)byte;
            count += taken(&repeat, text, sizeof text - 1);
        }
    assert_int_equal(count, 1 + 18 * (94 - 1)); /* behind the slash all that is visible, but '#' */
}

static void heads_that_mean_more_are_not_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GET /a HTTP/1.1\r\nHost: a\r\nIf-Match: \"1\"\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nLarder-Timeout: 1s\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    struct http_repeat repeat = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(note(&repeat, "GET /a" TAIL));
        assert_false(note(&repeat, texts[i]));
        assert_false(text_taken(&repeat, texts[i]));
        assert_false(text_taken(&repeat, "GET /a" TAIL));
    }
    char large[HTTP_REPEAT_MAX + 64];
    snprintf(large, sizeof large, "GET /a HTTP/1.1\r\nHost: a\r\nA: %0*d\r\n\r\n", HTTP_REPEAT_MAX, 0);
    assert_false(note(&repeat, large));
}

static void connections_that_end_are_told_apart(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    assert_true(note(&repeat, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_true(text_taken(&repeat, "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_true(note(&repeat, "GET /a HTTP/1.0\r\n\r\n"));
    assert_true(text_taken(&repeat, "GET /b HTTP/1.0\r\n\r\n"));
}

static void a_line_over_its_limit_is_none(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    char text[256];
    assert_true(note(&repeat, "GET /a" TAIL));
    const int room = (int)limits.request_line - (int)strlen("GET / HTTP/1.1\r\n");
    snprintf(text, sizeof text, "GET /%0*d" TAIL, room, 0);
    assert_true(text_taken(&repeat, text));
    snprintf(text, sizeof text, "GET /%0*d" TAIL, room + 1, 0);
    assert_false(text_taken(&repeat, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_target_is_a_repetition),
        cmocka_unit_test(what_differs_elsewhere_is_none),
        cmocka_unit_test(targets_are_taken_as_the_parser_takes_them),
        cmocka_unit_test(heads_that_mean_more_are_not_kept),
        cmocka_unit_test(connections_that_end_are_told_apart),
        cmocka_unit_test(a_line_over_its_limit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
