/*
 * Documents and settings that nobody wrote: random bytes, and sensible ones with random damage. Whatever comes, the
 * answer is settings or lines that name a place; nothing crashes. The same seeds at every run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_catalog.h"
#include "core/config/config.h"
#include "core/node/settings.h"

#define DOCUMENT_MAX 4096

static const char *const seeds[] = {
    "node: {name: a, workers: 2}\ntransports:\n- {plugin: http, listen: '127.0.0.1:1'}\n"
    "cluster:\n  discovery: {plugin: static, members: [{name: a, weight: 3, http: 'x:1'}]}\n"
    "groups:\n- name: users\n  max_bytes: 512MiB\n  ttl: 1h\n  eviction: {plugin: tuned, share: 0.5}\n",
    "{\"node\": {\"name\": \"a\\u00e4\"}, \"groups\": [{\"name\": \"g\", \"max_bytes\": 4096}]}",
    "groups:\n  - name: |\n      text\n  - name: >-\n      folded\n    ttl: '5s'\nplugins: {path: [/a, /b]}\n",
};

static const char *const splinters[] = {
    "&a ",  "*a",  "!!str ", "! ",   "{",    "}",    "[",     "]",  "\t",
    "\xff", ": ",  "- ",     "? ",   "\n",   "'",    "\"",    "# ", "---\n",
    "%",    "\\0", "|\n",    "~",    "1e99", "-1",   "\xc3",  "<<", "99999999999999999999",
    ",",    "*",   "plugin", "name", "...",  "\r\n", "groups"};

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static size_t below(uint64_t *seed, size_t limit)
{
    return limit == 0 ? 0 : (size_t)(draw(seed) % limit);
}

static size_t insert(char *text, size_t length, size_t at, const char *bytes, size_t size)
{
    if (length + size > DOCUMENT_MAX)
        return length;
    memmove(text + at + size, text + at, length - at);
    memcpy(text + at, bytes, size);
    return length + size;
}

/* One change of a document: a byte, a piece gone, a piece twice, or a splinter in between. */
static size_t damage(char *text, size_t length, uint64_t *seed)
{
    char piece[64];
    size_t at = below(seed, length), size = below(seed, length - at < sizeof piece ? length - at : sizeof piece);
    const char *splinter = splinters[below(seed, sizeof splinters / sizeof *splinters)];
    switch (draw(seed) % 4) {
    case 0:
        if (length > 0)
            text[at] = (char)draw(seed);
        return length;
    case 1: memmove(text + at, text + at + size, length - at - size); return length - size;
    case 2: memcpy(piece, text + at, size); return insert(text, length, at, piece, size);
    default: return insert(text, length, at, splinter, strlen(splinter));
    }
}

static size_t make_document(char *text, uint64_t *seed)
{
    if (draw(seed) % 16 == 0) {
        size_t length = below(seed, 256);
        for (size_t i = 0; i < length; i++)
            text[i] = (char)draw(seed);
        return length;
    }
    const char *origin = seeds[below(seed, sizeof seeds / sizeof *seeds)];
    size_t length = strlen(origin);
    memcpy(text, origin, length);
    for (size_t changes = 1 + below(seed, 6); changes > 0; changes--)
        length = damage(text, length, seed);
    return length;
}

static void assert_one_line(const char *line)
{
    for (const char *at = line; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            fail_msg("a control character in \"%s\"", line);
    }
    assert_true(strlen(line) > 0 && strlen(line) < 1024);
}

/* "file:LINE:COLUMN: " with numbers from 1. */
static void assert_place(const char *line)
{
    unsigned row = 0, column = 0;
    int end = 0;
    if (sscanf(line, "file:%u:%u: %n", &row, &column, &end) != 2 || row == 0 || column == 0 || end == 0)
        fail_msg("no place in \"%s\"", line);
}

static void take_line(void *arg, const char *line)
{
    unsigned *count = arg;
    ++*count;
    assert_one_line(line);
    assert_place(line);
}

static bool check_config(const char *text, size_t length)
{
    struct larder_config *config = larder_config_new();
    bool parsed = larder_config_parse(config, text, length, "file") == LARDER_OK;
    if (!parsed) {
        assert_int_equal(larder_last_status(), LARDER_INVALID);
        assert_one_line(larder_last_error());
        assert_place(larder_last_error());
    } else {
        unsigned lines = 0;
        enum larder_status status = larder_config_check(config, take_line, &lines);
        assert_int_equal(status, lines == 0 ? LARDER_OK : LARDER_INVALID);
    }
    larder_config_free(config);
    return parsed;
}

static void garbage_documents_are_answered(void **state)
{
    (void)state;
    static char text[DOCUMENT_MAX];
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    unsigned parsed = 0;
    const unsigned rounds = 6000;
    for (unsigned i = 0; i < rounds; i++)
        parsed += check_config(text, make_document(text, &seed));
    /* Both answers must have been seen often, or the damage is of the wrong kind. */
    assert_in_range(parsed, rounds / 20, rounds - rounds / 20);
}

static void every_beginning_of_a_document_is_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        for (size_t length = 0; length <= strlen(seeds[i]); length++) {
            char *exact = malloc(length + 1); /* so that reading beyond the end is seen */
            assert_non_null(exact);
            memcpy(exact, seeds[i], length);
            check_config(exact, length);
            free(exact);
        }
    }
}

static void garbage_settings_are_answered(void **state)
{
    (void)state;
    static const char *const settings[] = {"groups.0.max_bytes=64MiB", "cluster.discovery.members.0={name: a}",
                                           "node.name=b"};
    uint64_t seed = UINT64_C(0xd1b54a32d192ed03);
    unsigned taken = 0;
    for (unsigned i = 0; i < 4000; i++) {
        static char text[DOCUMENT_MAX + 1];
        size_t length = strlen(settings[i % 3]);
        memcpy(text, settings[i % 3], length);
        for (size_t changes = 1 + below(&seed, 4); changes > 0; changes--)
            length = damage(text, length, &seed);
        text[length] = '\0';
        struct larder_config *config = larder_config_new();
        if (larder_config_set(config, text) == LARDER_OK) {
            taken++;
            enum larder_status status = larder_config_check(config, NULL, NULL);
            assert_true(status == LARDER_OK || status == LARDER_INVALID);
        } else {
            assert_int_equal(larder_last_status(), LARDER_INVALID);
            assert_one_line(larder_last_error());
        }
        larder_config_free(config);
    }
    assert_in_range(taken, 200, 3800);
}

static void garbage_group_documents_are_answered(void **state)
{
    (void)state;
    static const char origin[] = "{\"max_bytes\": \"1MiB\", \"eviction\": {\"plugin\": \"tuned\", \"share\": 0.5}}";
    static char text[DOCUMENT_MAX];
    uint64_t seed = UINT64_C(0xa0761d6478bd642f);
    struct ldr_catalog *catalog = ldr_settings_catalog(NULL);
    for (unsigned i = 0; i < 3000; i++) {
        size_t length = strlen(origin);
        memcpy(text, origin, length);
        for (size_t changes = 1 + below(&seed, 5); changes > 0; changes--)
            length = damage(text, length, &seed);
        struct ldr_arena *arena = ldr_arena_open();
        struct ldr_errors errors = {0};
        struct ldr_group_settings group;
        bool read = ldr_settings_group(text, length, "g", NULL, catalog, arena, &errors, &group);
        assert_int_equal(read, errors.count == 0);
        if (read)
            assert_non_null(group.eviction.table);
        else
            assert_one_line(errors.first);
        ldr_arena_close(arena);
    }
    ldr_catalog_close(catalog);
}

/* Whoever may send documents may send one of nothing but unknown keys: each is reported, the nearest names only at first. */
static void many_unknown_keys_are_answered(void **state)
{
    (void)state;
    const size_t count = 100000;
    char *text = malloc(count * 16);
    assert_non_null(text);
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(text + used, "max_byt%zu: 1\n", i);
    struct ldr_arena *arena = ldr_arena_open();
    struct ldr_errors errors = {0};
    struct ldr_group_settings group;
    assert_false(ldr_settings_group(text, used, "g", NULL, NULL, arena, &errors, &group));
    assert_int_equal(errors.count, count);
    ldr_arena_close(arena);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_documents_are_answered), cmocka_unit_test(every_beginning_of_a_document_is_answered),
        cmocka_unit_test(garbage_settings_are_answered),  cmocka_unit_test(garbage_group_documents_are_answered),
        cmocka_unit_test(many_unknown_keys_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
