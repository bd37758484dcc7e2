/* Texts of the HTTP door: percent-encoding, queries, durations, entity tags, JSON strings, base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "plugins/transport/http/fields.h"
#include "plugins/transport/http/target.h"
#include "plugins/transport/http/text.h"

static struct larder_slice slice(const char *text)
{
    return (struct larder_slice){text, strlen(text)};
}

static void assert_slice(struct larder_slice got, const char *wanted)
{
    assert_int_equal(got.size, strlen(wanted));
    assert_memory_equal(got.data, wanted, got.size);
}

static void fault_14_percent_decoding_is_exact(void **state)
{
    (void)state;
    static const struct {
        const char *encoded, *decoded;
    } good[] = {{"", ""},         {"a b", "a b"},       {"a+b", "a+b"},     {"%2b", "+"},
                {"%2F%2f", "//"}, {"%25%32%35", "%25"}, {"x%ffy", "x\xffy"}};
    char out[64];
    size_t size;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(http_percent_decode(slice(good[i].encoded), out, &size));
        assert_slice((struct larder_slice){out, size}, good[i].decoded);
    }
    assert_true(http_percent_decode(slice("%00"), out, &size));
    assert_int_equal(size, 1);
    assert_int_equal(out[0], 0);
    static const char *const bad[] = {"%", "a%", "%2", "%zz", "%2g", "%g2", "%%20", "% 2", "%+2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(http_percent_decode(slice(bad[i]), out, &size));
}

static void targets_are_split(void **state)
{
    (void)state;
    struct larder_slice path, query;
    assert_true(http_target_split(slice("/a/b?c=d?e"), &path, &query));
    assert_slice(path, "/a/b");
    assert_slice(query, "c=d?e");
    assert_true(http_target_split(slice("http://host:1/a"), &path, &query));
    assert_slice(path, "/a");
    assert_slice(query, "");
    static const char *const bad[] = {"", "a", "*", "http://host", "/a#b", "?a", "ftp://h/a", "host:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(http_target_split(slice(bad[i]), &path, &query));
}

static void queries_are_walked(void **state)
{
    (void)state;
    struct larder_slice query = slice("&a=1&&b&c==&d="), name, value;
    static const char *const wanted[][2] = {{"a", "1"}, {"b", ""}, {"c", "="}, {"d", ""}};
    for (size_t i = 0; i < 4; i++) {
        assert_true(http_query_next(&query, &name, &value));
        assert_slice(name, wanted[i][0]);
        assert_slice(value, wanted[i][1]);
    }
    assert_false(http_query_next(&query, &name, &value));
}

static void durations(void **state)
{
    (void)state;
    int64_t ms;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1ms", 1},
                {"30s", 30000},
                {"5m", 300000},
                {"1h", 3600000},
                {"007s", 7000},
                {"none", LARDER_TTL_NONE},
                {"3155760000s", LARDER_TTL_MAX}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(http_parse_ttl(slice(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"",
                                      "1",
                                      "s",
                                      "-1s",
                                      "+1s",
                                      " 1s",
                                      "1s ",
                                      "1.5s",
                                      "0s",
                                      "1d",
                                      "1S",
                                      "1sm",
                                      "3155760001s",
                                      "9223372036854775807h",
                                      "9223372036854775808ms",
                                      "99999999999999999999999s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(http_parse_ttl(slice(bad[i]), &ms));
}

static void entity_tags_come_back(void **state)
{
    (void)state;
    static const struct larder_version versions[] = {{0, 1}, {7, 0x18c0000000001}, {UINT64_MAX, UINT64_MAX}, {1, 0}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        char text[HTTP_ETAG_MAX];
        struct http_tags tags;
        size_t size = (size_t)(http_put_etag(text, versions[i]) - text);
        assert_true(size <= sizeof text);
        assert_true(http_parse_tags((struct larder_slice){text, size}, &tags));
        assert_int_equal(tags.count, 1);
        assert_true(http_tags_match(&tags, versions[i], false));
        assert_false(http_tags_match(&tags, (struct larder_version){5, 5}, true));
    }
}

static void lists_of_entity_tags(void **state)
{
    (void)state;
    struct http_tags tags;
    assert_true(http_parse_tags(slice("*"), &tags));
    assert_true(tags.any);
    assert_true(http_parse_tags(slice("W/\"1.2\", \"a,b\" ,\"3.4\""), &tags));
    assert_int_equal(tags.count, 3);
    assert_true(http_tags_match(&tags, (struct larder_version){3, 4}, false));
    assert_false(http_tags_match(&tags, (struct larder_version){1, 2}, false));
    assert_true(http_tags_match(&tags, (struct larder_version){1, 2}, true));
    static const char *const foreign[] = {
        "\"\"", "\"1\"", "\"1.\"", "\".1\"", "\"1.2.3\"", "\"01.2\"", "\"1.G\"", "\"A.1\"", "\"11111111111111111.1\""};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        assert_true(http_parse_tags(slice(foreign[i]), &tags));
        assert_int_equal(tags.count, 1);
        assert_int_equal(tags.strong + tags.weak, 0);
    }
    static const char *const bad[] = {"",          "1.2", "\"1.2",  "\"1.2\",", ",\"1.2\"", "\"1.2\" \"3.4\"",
                                      "w/\"1.2\"", "**",  "\"1\",*"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(http_parse_tags(slice(bad[i]), &tags));
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *json;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\x1b\x7f", "\"\\u000a\\u001b\\u007f\""},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_text text = {0};
        http_text_json(&text, slice(cases[i].plain));
        assert_false(text.failed);
        assert_slice((struct larder_slice){text.data, text.size}, cases[i].json);
        http_text_free(&text);
    }
}

static void base64_there_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"foobar", "Zm9vYmFy"},
                   {"\xff\xfe\xfb", "//77"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct http_text text = {0};
        char buffer[16];
        size_t size;
        http_text_base64(&text, slice(vectors[i].plain));
        assert_int_equal(text.size, strlen(vectors[i].coded));
        if (text.size > 0)
            assert_memory_equal(text.data, vectors[i].coded, text.size);
        memcpy(buffer, vectors[i].coded, strlen(vectors[i].coded));
        assert_true(http_base64_decode(buffer, strlen(vectors[i].coded), &size));
        assert_slice((struct larder_slice){buffer, size}, vectors[i].plain);
        http_text_free(&text);
    }
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zg==Zg==", "-_-_"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char buffer[16];
        size_t size;
        memcpy(buffer, bad[i], strlen(bad[i]) + 1);
        assert_false(http_base64_decode(buffer, strlen(bad[i]), &size));
    }
}

static void numbers(void **state)
{
    (void)state;
    char buffer[20];
    assert_slice((struct larder_slice){buffer, (size_t)(http_put_number(buffer, 0) - buffer)}, "0");
    assert_slice((struct larder_slice){buffer, (size_t)(http_put_number(buffer, UINT64_MAX) - buffer)},
                 "18446744073709551615");
    assert_slice((struct larder_slice){buffer, (size_t)(http_put_hex(buffer, 0) - buffer)}, "0");
    assert_slice((struct larder_slice){buffer, (size_t)(http_put_hex(buffer, UINT64_MAX) - buffer)},
                 "ffffffffffffffff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_14_percent_decoding_is_exact),
        cmocka_unit_test(targets_are_split),
        cmocka_unit_test(queries_are_walked),
        cmocka_unit_test(durations),
        cmocka_unit_test(entity_tags_come_back),
        cmocka_unit_test(lists_of_entity_tags),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(base64_there_and_back),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
