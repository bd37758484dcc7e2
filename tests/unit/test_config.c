/* A configuration before it is checked: files that are distrusted, settings that win, copies that are apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/config/file.h"

static char directory[] = "/tmp/larder-test-config-XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* A file in the directory of the test; removed by the caller. */
static const char *write_file(const char *name, const char *text, mode_t mode, char path[static 256])
{
    snprintf(path, 256, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static const char *text_at(const struct ldr_tree *tree, const char *section, const char *key)
{
    const struct ldr_tree *found = ldr_tree_find(ldr_tree_find(tree, section), key);
    assert_non_null(found);
    return found->text;
}

static void assert_read_fails(const char *path, enum larder_status status, const char *format)
{
    char message[512];
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_read(config, path), status);
    snprintf(message, sizeof message, format, path);
    assert_string_equal(larder_last_error(), message);
    assert_null(config->tree);
    larder_config_free(config);
}

static void a_file_is_read_in_place_of_the_last(void **state)
{
    (void)state;
    char path[256];
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_parse(config, "node: {name: a, role: x}", 24, "first"), LARDER_OK);
    assert_int_equal(larder_config_read(config, write_file("ok.yaml", "node: {name: b}\n", 0640, path)), LARDER_OK);
    assert_string_equal(text_at(config->tree, "node", "name"), "b");
    assert_null(ldr_tree_find(ldr_tree_find(config->tree, "node"), "role"));
    assert_string_equal(config->tree->file, path);
    assert_int_equal(larder_config_parse(config, "[1]", 3, "third"), LARDER_INVALID);
    assert_string_equal(larder_last_error(), "third:1:1: got a list, wanted a mapping");
    assert_int_equal(larder_config_parse(config, "x", 1, "third"), LARDER_INVALID);
    assert_string_equal(larder_last_error(), "third:1:1: got a text, wanted a mapping");
    assert_string_equal(text_at(config->tree, "node", "name"), "b"); /* a failure leaves what was there */
    larder_config_free(config);
    unlink(path);
}

static void a_file_that_others_may_write_is_refused(void **state)
{
    (void)state;
    char path[256], link[256];
    write_file("open.yaml", "node: {name: b}\n", 0646, path);
    assert_read_fails(path, LARDER_INVALID, "%s: got mode 0646, wanted a file that others may not write (chmod o-w)");
    snprintf(link, sizeof link, "%s/link.yaml", directory);
    assert_int_equal(symlink(path, link), 0);
    assert_read_fails(link, LARDER_INVALID, "%s: got mode 0646, wanted a file that others may not write (chmod o-w)");
    assert_int_equal(chmod(path, 0660), 0);
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_read(config, link), LARDER_OK);
    larder_config_free(config);
    unlink(link);
    unlink(path);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    char path[256];
    assert_read_fails(directory, LARDER_INVALID, "%s: got a directory, wanted a regular file");
    assert_read_fails("/dev/null", LARDER_INVALID, "%s: got a device, wanted a regular file");
    snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_read_fails(path, LARDER_INVALID, "%s: got a FIFO, wanted a regular file");
    unlink(path);
    assert_read_fails(path, LARDER_IO, "%s: cannot be read: No such file or directory");
}

static void a_file_is_bounded(void **state)
{
    (void)state;
    char path[256];
    write_file("large.yaml", "", 0600, path);
    assert_int_equal(truncate(path, (off_t)LDR_FILE_MAX + 1), 0);
    assert_read_fails(path, LARDER_INVALID, "%s: got 16777217 bytes, wanted at most 16MiB");
    unlink(path);
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_parse(config, "", LDR_FILE_MAX + 1, "memory"), LARDER_INVALID);
    assert_string_equal(larder_last_error(), "memory: got 16777217 bytes, wanted at most 16MiB");
    larder_config_free(config);
}

/* Longer than any buffer on the way. */
static void a_long_file_is_read_whole(void **state)
{
    (void)state;
    const size_t length = 300000;
    char path[256];
    char *text = malloc(length + 1);
    assert_non_null(text);
    memset(text, '#', length);
    text[length] = '\0';
    memcpy(text + length - 14, "\nnode: {a: b}\n", 14);
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_read(config, write_file("long.yaml", text, 0600, path)), LARDER_OK);
    assert_string_equal(text_at(config->tree, "node", "a"), "b");
    larder_config_free(config);
    free(text);
    unlink(path);
}

static void settings_win_over_files_whatever_comes_first(void **state)
{
    (void)state;
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_set(config, "node.name=s"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "node.workers=1"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "node.workers=2"), LARDER_OK);
    assert_int_equal(larder_config_parse(config, "node: {name: f, role: r}", 24, "file"), LARDER_OK);
    struct ldr_tree *merged = ldr_config_merged(config);
    assert_string_equal(text_at(merged, "node", "name"), "s");
    assert_string_equal(text_at(merged, "node", "workers"), "2");
    assert_string_equal(text_at(merged, "node", "role"), "r");
    assert_string_equal(text_at(config->tree, "node", "name"), "f");
    ldr_tree_free(merged);
    larder_config_free(config);
}

static void senseless_settings_are_refused_at_once(void **state)
{
    (void)state;
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_set(config, "node.name"), LARDER_INVALID);
    assert_string_equal(larder_last_error(), "--set: got \"node.name\", wanted path.to.key=value");
    assert_int_equal(larder_config_set(config, "node.name=[1"), LARDER_INVALID);
    assert_int_equal(config->setting_count, 0);
    assert_int_equal(larder_config_set(config, "groups.3.name=x"), LARDER_OK);
    assert_null(ldr_config_merged(config));
    assert_string_equal(larder_last_error(),
                        "--set: groups.3: got \"3\", wanted an index of the list from 0 to 0, which appends");
    larder_config_free(config);
}

static void an_empty_configuration_is_an_empty_tree(void **state)
{
    (void)state;
    struct larder_config *config = larder_config_new();
    struct ldr_tree *merged = ldr_config_merged(config);
    assert_int_equal(merged->kind, LDR_TREE_MAP);
    assert_int_equal(merged->count, 0);
    ldr_tree_free(merged);
    larder_config_free(config);
    larder_config_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_in_place_of_the_last),
        cmocka_unit_test(a_file_that_others_may_write_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_file_is_bounded),
        cmocka_unit_test(a_long_file_is_read_whole),
        cmocka_unit_test(settings_win_over_files_whatever_comes_first),
        cmocka_unit_test(senseless_settings_are_refused_at_once),
        cmocka_unit_test(an_empty_configuration_is_an_empty_tree),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
