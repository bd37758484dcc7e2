/* Heads and chunked bodies: the same outcome in whatever pieces they arrive, and nothing accepted that is malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/transport/http/chunks.h"
#include "plugins/transport/http/head.h"
#include "plugins/transport/http/scan.h"

static const struct http_limits limits = {.request_line = 100, .header_bytes = 100, .headers = 3};

/* Scans `text` after `first` bytes of it, and then all of it; from memory of exactly its size, for the sanitizers. */
static enum http_scan_result scan(const char *text, size_t first, size_t *at)
{
    struct http_scan scan = {0};
    size_t size = strlen(text);
    enum http_scan_result result = HTTP_SCAN_MORE;
    for (int part = 0; part < 2 && result == HTTP_SCAN_MORE; part++) {
        size_t length = part == 0 ? first : size;
        char *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy + 1, text, length);
        result = http_scan_head(&scan, &limits, copy + 1, length);
        free(copy);
    }
    *at = scan.at;
    return result;
}

static void heads_end_where_they_end(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next";
    for (size_t cut = 0; cut < sizeof text; cut++) {
        size_t at;
        assert_int_equal(scan(text, cut, &at), HTTP_SCAN_DONE);
        assert_int_equal(at, strlen("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
}

static void malformed_lines_are_refused_however_they_arrive(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "\n",
        "\x16\x03\x01",
        " GET / HTTP/1.1\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
        "get / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t cut = 0; cut <= strlen(texts[i]); cut++) {
            size_t at;
            assert_int_equal(scan(texts[i], cut, &at), HTTP_SCAN_BAD);
        }
}

static void limits_hold_before_the_line_is_complete(void **state)
{
    (void)state;
    char line[120], fields[160] = "GET / HTTP/1.1\r\n";
    size_t at;
    memset(line, 'G', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    line[100] = '\0';
    assert_int_equal(scan(line, 0, &at), HTTP_SCAN_MORE);
    line[100] = 'G';
    assert_int_equal(scan(line, 50, &at), HTTP_SCAN_LONG_LINE);
    memset(fields + 16, 'x', 101);
    fields[16 + 100] = '\0';
    assert_int_equal(scan(fields, 0, &at), HTTP_SCAN_MORE);
    fields[16 + 100] = 'x';
    assert_int_equal(scan(fields, 90, &at), HTTP_SCAN_LARGE);
    assert_int_equal(scan("GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n", 20, &at), HTTP_SCAN_DONE);
    assert_int_equal(scan("GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n", 20, &at), HTTP_SCAN_MANY);
}

static struct http_refusal parse(const char *text, struct http_head *head)
{
    return http_head_parse(text, strlen(text), head);
}

static void heads_are_read(void **state)
{
    (void)state;
    struct http_head head;
    assert_int_equal(parse("PUT /a?b=c HTTP/1.1\r\nHOST: x\r\nContent-length: 12 \r\nif-MATCH:  \"1.2\"\t\r\n"
                           "Larder-Timeout: 5s\r\nExpect: 100-Continue\r\nX: y\r\n\r\n",
                           &head)
                         .status,
                     0);
    assert_int_equal(head.method, HTTP_METHOD_PUT);
    assert_int_equal(head.minor, 1);
    assert_true(head.keep_alive);
    assert_true(head.expect_continue);
    assert_false(head.chunked);
    assert_int_equal(head.length, 12);
    assert_int_equal(head.target.size, 6);
    assert_memory_equal(head.target.data, "/a?b=c", 6);
    assert_int_equal(head.if_match.size, 5);
    assert_memory_equal(head.if_match.data, "\"1.2\"", 5);
    assert_int_equal(head.timeout.size, 2);
    assert_null(head.if_none_match.data);
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &head).status, 0);
    assert_false(head.keep_alive);
    assert_int_equal(parse("POST / HTTP/1.1\r\nHost:\r\nTransfer-Encoding: CHUNKED\r\n\r\n", &head).status, 0);
    assert_true(head.chunked);
}

static void heads_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } heads[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 99\r\n\r\n", 417},
        {"PRI * HTTP/2.0\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct http_head head;
        struct http_refusal refusal = parse(heads[i].text, &head);
        assert_int_equal(refusal.status, heads[i].status);
        assert_non_null(refusal.detail);
    }
}

/* Feeds the text in pieces of `step` bytes, again giving what was not used. */
static enum http_chunks_result feed(struct http_chunks *chunks, const char *text, size_t step, size_t *used)
{
    size_t size = strlen(text), begin = 0;
    enum http_chunks_result result = HTTP_CHUNKS_MORE;
    for (size_t end = step; result == HTTP_CHUNKS_MORE; end += step) {
        size_t until = end < size ? end : size, took = 0;
        result = http_chunks_feed(chunks, &limits, text + begin, until - begin, &took);
        begin += took;
        if (until == size)
            break;
    }
    *used = begin;
    return result;
}

static void chunks_arrive_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\nGET";
    for (size_t step = 1; step <= sizeof text; step++) {
        struct http_chunks chunks;
        size_t used;
        http_chunks_open(&chunks, 13);
        assert_int_equal(feed(&chunks, text, step, &used), HTTP_CHUNKS_DONE);
        assert_int_equal(used, strlen(text) - 3);
        assert_int_equal(chunks.body.size, 13);
        assert_memory_equal(chunks.body.data, "abc0123456789", 13);
        http_chunks_close(&chunks);
    }
}

static void chunks_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http_chunks_result result;
    } bodies[] = {
        {"3\nabc\r\n0\r\n\r\n", HTTP_CHUNKS_BAD},
        {"3\r\nabcd\r\n0\r\n\r\n", HTTP_CHUNKS_BAD},
        {"0\r\n\n", HTTP_CHUNKS_BAD},
        {"0\r\nA: b\n\r\n", HTTP_CHUNKS_BAD},
        {"0\r\n a: b\r\n\r\n", HTTP_CHUNKS_BAD},
        {"x\r\n", HTTP_CHUNKS_BAD},
        {"e\r\n", HTTP_CHUNKS_TOO_LARGE},
        {"7\r\nabcdefg\r\n7\r\n", HTTP_CHUNKS_TOO_LARGE},
        {"ffffffffffffffff\r\n", HTTP_CHUNKS_TOO_LARGE},
        {"10000000000000000\r\n", HTTP_CHUNKS_BAD},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (size_t step = 1; step <= strlen(bodies[i].text); step++) {
            struct http_chunks chunks;
            size_t used;
            http_chunks_open(&chunks, 13);
            assert_int_equal(feed(&chunks, bodies[i].text, step, &used), bodies[i].result);
            http_chunks_close(&chunks);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_end_where_they_end),
        cmocka_unit_test(malformed_lines_are_refused_however_they_arrive),
        cmocka_unit_test(limits_hold_before_the_line_is_complete),
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(heads_that_lie_are_refused),
        cmocka_unit_test(chunks_arrive_in_pieces),
        cmocka_unit_test(chunks_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
