/* The catalog finds the module that is meant, and lists what it can find. */
#include "tests/modules/scratch.h"

#include <pthread.h>

/* ------------------------------------------------------------------------------------------------ search */

static void a_module_may_lie_directly_in_a_directory(void **state)
{
    copy_module(state, "eviction/good.so", "good.so", SIZE_MAX);
    expect_found(scratch_path(state), "good");
}

static void another_kind_directly_in_a_directory_is_passed_over(void **state)
{
    const char *first = make_directory(state, "first");
    const char *path = copy_module(state, "eviction/wrong_kind.so", "first/wrong_kind.so", SIZE_MAX);
    const char *second = make_directory(state, "second");
    const char *paths[] = {first, second};
    struct ldr_catalog *catalog = ldr_catalog_open(&(struct ldr_catalog_options){.paths = paths, .path_count = 2});
    assert_null(find_eviction(catalog, "wrong_kind"));
    expect_error("%s: kind: got hash, wanted eviction", path);
    assert_non_null(find_hash(catalog, "wrong_kind"));
    ldr_catalog_close(catalog);
}

static void the_environment_comes_behind_the_configured_directories(void **state)
{
    const char *first = make_directory(state, "first"), *second = make_directory(state, "second");
    char variable[2 * PATH_MAX];
    snprintf(variable, sizeof variable, ":/nowhere:%s::%s", first, second);
    copy_module(state, "eviction/good.so", "second/good.so", SIZE_MAX);
    assert_int_equal(setenv("LARDER_PLUGIN_PATH", variable, 1), 0);
    struct ldr_catalog *catalog = ldr_catalog_open(NULL);
    assert_non_null(find_eviction(catalog, "good"));
    ldr_catalog_close(catalog);

    const char *bad = in_scratch(state, "first/good.so");
    write_file(bad, "", 0);
    expect_found(second, "good");
    catalog = ldr_catalog_open(NULL);
    assert_null(find_eviction(catalog, "good"));
    expect_error("%s: file: got no ELF file, wanted a shared object", bad);
    ldr_catalog_close(catalog);
}

static void modules_of_the_build_tree_are_found_without_being_told(void **state)
{
    (void)state;
    struct ldr_catalog *catalog = ldr_catalog_open(NULL);
    assert_non_null(find_hash(catalog, "crc32"));
    ldr_catalog_close(catalog);
}

static uint64_t linked_digest(const void *data, size_t length, uint64_t seed)
{
    (void)data;
    return length + seed;
}

static void a_table_that_is_linked_in_hides_a_file(void **state)
{
    (void)state;
    const struct larder_hash mine = {.head = {LARDER_PLUGIN_HASH, LARDER_HASH_ABI, sizeof mine, "crc32", "mine", NULL},
                                     .digest = linked_digest};
    const struct larder_plugin *tables[] = {&mine.head};
    struct ldr_catalog *catalog = ldr_catalog_open(&(struct ldr_catalog_options){.tables = tables, .table_count = 1});
    assert_ptr_equal(find_hash(catalog, "crc32")->digest, linked_digest);
    ldr_catalog_close(catalog);
}

static void a_broken_table_that_is_linked_in_is_refused(void **state)
{
    (void)state;
    const struct larder_hash mine = {.head = {LARDER_PLUGIN_HASH, LARDER_HASH_ABI, sizeof mine, "mine", "mine", NULL}};
    const struct larder_plugin *tables[] = {&mine.head};
    assert_null(ldr_catalog_open(&(struct ldr_catalog_options){.tables = tables, .table_count = 1}));
    expect_error("linked-in plugin mine: digest is missing");
}

static void what_is_not_found_names_the_directories_and_the_nearest_name(void **state)
{
    (void)state;
    struct ldr_catalog *catalog = open_on("/nowhere");
    assert_null(find_hash(catalog, "crc23"));
    expect_error("no hash plugin \"crc23\" in /nowhere, " TEST_PLUGINS "; did you mean \"crc32\"?");
    assert_null(find_hash(catalog, "something-else"));
    expect_error("no hash plugin \"something-else\" in /nowhere, " TEST_PLUGINS);
    ldr_catalog_close(catalog);
}

static void a_name_never_leads_out_of_the_directories(void **state)
{
    (void)state;
    struct ldr_catalog *catalog = open_on(TEST_MODULES "/eviction");
    static const char *const names[] = {
        "../hash/crc32", "", ".", "/etc/passwd", "Good", "a\nb", "a-name-that-is-longer-than-32-ones"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_null(find_hash(catalog, names[i]));
        assert_non_null(strstr(larder_last_error(), "wanted 1 to 32 of [a-z0-9_-]"));
    }
    assert_null(ldr_catalog_find(catalog, (enum larder_plugin_kind)6, "good"));
    expect_error("kind of a plugin: got 6, wanted 1 to 5");
    ldr_catalog_close(catalog);
}

static void *find_many(void *catalog)
{
    const struct larder_eviction *good = NULL;
    for (int i = 0; i < 200; i++) {
        good = find_eviction(catalog, "good");
        if (good == NULL || find_eviction(catalog, "no_evict") != NULL ||
            strstr(larder_last_error(), "evict is missing") == NULL || find_hash(catalog, "crc32") == NULL)
            return NULL;
    }
    return (void *)good;
}

static void many_threads_find_the_same_table(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct ldr_catalog *catalog = open_on(TEST_MODULES);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_many, catalog), 0);
    for (size_t i = 0; i < 4; i++) {
        void *found;
        assert_int_equal(pthread_join(threads[i], &found), 0);
        assert_non_null(found);
        assert_ptr_equal(found, find_eviction(catalog, "good"));
    }
    ldr_catalog_close(catalog);
}

/* ------------------------------------------------------------------------------------------------ lists */

/* Writes a line for each module, "eviction/good FILE" or "!FILE: reason"; those of the build are left out. */
static void note(void *arg, const struct larder_plugin_info *info)
{
    char *text = arg;
    size_t used = strlen(text);
    if (strncmp(info->path, TEST_PLUGINS, strlen(TEST_PLUGINS)) == 0)
        return;
    if (info->path[0] == '\0' && strcmp(info->head->name, "mine") != 0)
        return; /* linked in by a static build */
    if (info->head != NULL)
        snprintf(text + used, 4096 - used, "%s/%s %s\n",
                 larder_plugin_kind_name((enum larder_plugin_kind)info->head->kind), info->head->name, info->path);
    else
        snprintf(text + used, 4096 - used, "!%s\n", info->refusal);
}

static void the_list_is_what_can_be_found(void **state)
{
    char text[4096] = "", wanted[8 * PATH_MAX];
    const char *root = scratch_path(state);
    const char *first = make_directory(state, "first"), *second = make_directory(state, "second");
    make_directory(state, "first/eviction");
    copy_module(state, "eviction/long_table.so", "first/eviction/long_table.so", SIZE_MAX);
    copy_module(state, "eviction/wrong_kind.so", "first/wrong_kind.so", SIZE_MAX); /* a hash */
    write_file(in_scratch(state, "first/good.so"), "", 0);
    write_file(in_scratch(state, "first/libBad.so"), "", 0);
    copy_module(state, "eviction/good.so", "second/good.so", SIZE_MAX);             /* hidden: a search stops before */
    copy_module(state, "eviction/long_table.so", "second/long_table.so", SIZE_MAX); /* hidden */
    copy_module(state, "eviction/short_table.so", "second/short_table.so", SIZE_MAX);
    assert_int_equal(chmod(make_directory(state, "second/hash"), 0777), 0);

    const struct larder_hash mine = {.head = {LARDER_PLUGIN_HASH, LARDER_HASH_ABI, sizeof mine, "mine", "mine", NULL},
                                     .digest = linked_digest};
    const struct larder_plugin *tables[] = {&mine.head};
    struct ldr_catalog *catalog = ldr_catalog_open(
        &(struct ldr_catalog_options){(const char *const[]){first, second, "/nowhere"}, 3, tables, 1});
    const struct larder_eviction *before = find_eviction(catalog, "short_table");
    assert_non_null(before);
    assert_int_equal(ldr_catalog_each(catalog, note, text), LARDER_OK);
    assert_ptr_equal(find_eviction(catalog, "short_table"), before);
    snprintf(wanted, sizeof wanted,
             "eviction/long_table %s/first/eviction/long_table.so\n"
             "eviction/short_table %s/second/short_table.so\n"
             "hash/mine \n"
             "hash/wrong_kind %s/first/wrong_kind.so\n"
             "!%s/first/good.so: file: got no ELF file, wanted a shared object\n"
             "!%s/first/libBad.so: file: got \"libBad.so\", wanted a name of 1 to 32 of [a-z0-9_-] before \".so\"\n"
             "!%s/second/hash: mode: got 0777, wanted not writable by others\n",
             root, root, root, root, root, root);
    assert_string_equal(text, wanted);
    ldr_catalog_close(catalog);
}

/* Counts what is called crc32. */
static void count_crc32(void *arg, const struct larder_plugin_info *info)
{
    unsigned *count = arg;
    if (info->head != NULL && strcmp(info->head->name, "crc32") == 0)
        ++*count;
}

static void a_configuration_lists_its_modules(void **state)
{
    char text[4096] = "", wanted[8 * PATH_MAX];
    unsigned count = 0;
    assert_int_equal(larder_plugins_each(NULL, count_crc32, &count), LARDER_OK);
    assert_int_equal(count, 1);

    const char *first = make_directory(state, "first"), *second = make_directory(state, "second");
    copy_module(state, "eviction/good.so", "first/good.so", SIZE_MAX);
    copy_module(state, "eviction/good.so", "second/good.so", SIZE_MAX);
    copy_module(state, "eviction/long_table.so", "second/long_table.so", SIZE_MAX);
    snprintf(wanted, sizeof wanted, "plugins.path=[%s]", first);
    struct larder_config *config = larder_config_new();
    assert_non_null(config);
    assert_int_equal(larder_config_set(config, wanted), LARDER_OK);
    assert_int_equal(larder_config_add_plugin_path(config, second), LARDER_OK);
    assert_int_equal(larder_plugins_each(config, note, text), LARDER_OK);
    larder_config_free(config);
    snprintf(wanted, sizeof wanted, "eviction/good %s/good.so\neviction/long_table %s/long_table.so\n", first, second);
    assert_string_equal(text, wanted);
}

static void one_file_is_opened_by_its_path(void **state)
{
    (void)state;
    struct larder_plugin_info info;
    struct larder_plugin_file *file = larder_plugin_file_open(TEST_MODULES "/eviction/good.so", &info);
    assert_non_null(file);
    assert_int_equal(info.head->kind, LARDER_PLUGIN_EVICTION);
    assert_string_equal(info.head->name, "good");
    assert_string_equal(info.path, TEST_MODULES "/eviction/good.so");
    assert_null(info.refusal);
    larder_plugin_file_close(file);

    assert_null(larder_plugin_file_open(TEST_MODULES "/eviction/no_evict.so", &info));
    assert_null(info.head);
    assert_string_equal(info.refusal, TEST_MODULES "/eviction/no_evict.so: evict is missing");
    assert_null(larder_plugin_file_open(TEST_MODULES "/eviction/good", &info));
    assert_string_equal(info.refusal, TEST_MODULES "/eviction/good: file: got \"good\", wanted NAME.so");
    larder_plugin_file_close(NULL);
}

static void one_module_is_found_by_its_name(void **state)
{
    char path[PATH_MAX];
    struct larder_plugin_info info;
    const char *first = make_directory(state, "found");
    copy_module(state, "eviction/good.so", "found/good.so", SIZE_MAX);
    struct larder_config *config = larder_config_new();
    assert_non_null(config);
    assert_int_equal(larder_config_add_plugin_path(config, first), LARDER_OK);
    struct larder_plugin_file *file = larder_plugin_find(config, LARDER_PLUGIN_EVICTION, "good", &info);
    assert_non_null(file);
    snprintf(path, sizeof path, "%s/good.so", first);
    assert_string_equal(info.path, path);
    assert_null(info.refusal);

    assert_null(larder_plugin_find(config, LARDER_PLUGIN_HASH, "good", &(struct larder_plugin_info){0}));
    larder_config_free(config);
    assert_string_equal(info.head->name, "good");
    larder_plugin_file_close(file);

    assert_null(larder_plugin_find(NULL, LARDER_PLUGIN_EVICTION, "Bad Name", &info));
    assert_null(info.head);
    assert_string_equal(info.path, "Bad Name");
    assert_string_equal(info.refusal, larder_last_error());
    assert_non_null(strstr(info.refusal, "got \"Bad Name\""));
}

static void one_module_that_is_linked_in_is_found_by_its_name(void **state)
{
    (void)state;
    const struct larder_hash mine = {.head = {LARDER_PLUGIN_HASH, LARDER_HASH_ABI, sizeof mine, "mine", "mine", NULL},
                                     .digest = linked_digest};
    struct larder_plugin_info info;
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_add_plugin(config, &mine.head), LARDER_OK);
    struct larder_plugin_file *file = larder_plugin_find(config, LARDER_PLUGIN_HASH, "mine", &info);
    assert_non_null(file);
    larder_config_free(config);
    assert_string_equal(info.path, "");
    assert_ptr_equal(((const struct larder_hash *)(const void *)info.head)->digest, linked_digest);
    larder_plugin_file_close(file);
}

static void kinds_and_types_have_names_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(larder_plugin_kind_name(LARDER_PLUGIN_EVICTION), "eviction");
    assert_string_equal(larder_plugin_kind_name(LARDER_PLUGIN_LOADER), "loader");
    assert_string_equal(larder_plugin_kind_name((enum larder_plugin_kind)0), "unknown");
    assert_string_equal(larder_plugin_kind_name((enum larder_plugin_kind)6), "unknown");
    for (int a = LARDER_PARAM_BOOL; a <= LARDER_PARAM_PLUGINS; a++)
        for (int b = LARDER_PARAM_BOOL - 1; b < a; b++)
            assert_string_not_equal(larder_param_type_name((enum larder_param_type)a),
                                    larder_param_type_name((enum larder_param_type)b));
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    ldr_catalog_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_module_may_lie_directly_in_a_directory, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(another_kind_directly_in_a_directory_is_passed_over, make_scratch,
                                        drop_scratch),
        cmocka_unit_test_setup_teardown(the_environment_comes_behind_the_configured_directories, make_scratch,
                                        drop_scratch),
        cmocka_unit_test_setup_teardown(modules_of_the_build_tree_are_found_without_being_told, make_scratch,
                                        drop_scratch),
        cmocka_unit_test_setup_teardown(a_table_that_is_linked_in_hides_a_file, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_broken_table_that_is_linked_in_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(what_is_not_found_names_the_directories_and_the_nearest_name, make_scratch,
                                        drop_scratch),
        cmocka_unit_test_setup_teardown(a_name_never_leads_out_of_the_directories, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(many_threads_find_the_same_table, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(the_list_is_what_can_be_found, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_configuration_lists_its_modules, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(one_file_is_opened_by_its_path, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(one_module_is_found_by_its_name, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(one_module_that_is_linked_in_is_found_by_its_name, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(kinds_and_types_have_names_of_their_own, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(closing_nothing_is_fine, make_scratch, drop_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
