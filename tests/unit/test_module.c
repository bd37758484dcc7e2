/* A module that is broken, or that others could have changed, is refused with one line that says why. */
#include "tests/modules/scratch.h"

#include <fcntl.h>

#define EVICTION LARDER_PLUGIN_EVICTION

/* ------------------------------------------------------------------------------------------------ tables */

static void each_broken_module_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        enum larder_plugin_kind kind;
        const char *name, *error; /* behind the file */
    } broken[] = {
        {EVICTION, "no_symbol", "symbol: got none, wanted larder_plugin_table"},
        {EVICTION, "borrowed", "symbol: got none, wanted larder_plugin_table"},
        {EVICTION, "function_symbol", "symbol: got a function, wanted the object larder_plugin_table"},
        {EVICTION, "small_symbol", "size: got 4, wanted at least 40"},
        {EVICTION, "undefined_symbol",
         "file: got \"undefined symbol: nobody_defines_this\", wanted a shared object that loads"},
        {EVICTION, "unknown_kind", "kind: got 9, wanted 1 to 5"},
        {EVICTION, "wrong_kind", "kind: got hash, wanted eviction"},
        {EVICTION, "old_abi", "abi: got 0, wanted 1"},
        {EVICTION, "new_abi", "abi: got 2, wanted 1"},
        {LARDER_PLUGIN_DISCOVERY, "old_exact_abi", "abi: got 1, wanted 2"},
        {EVICTION, "tiny_size", "size: got 40, wanted at least 88"},
        {EVICTION, "huge_size", "size: got 18446744073709551615, wanted at most 65536"},
        {EVICTION, "wrong_size", "size: got 4096, wanted at most 120, as long as its symbol is"},
        {EVICTION, "no_evict", "evict is missing"},
        {EVICTION, "no_hit", "hit is missing: hit_max is 0"},
        {EVICTION, "idle_hit", "hit: got a function that is never called, wanted none or hit_max 0"},
        {EVICTION, "hit_max", "hit_max: got 16, wanted 0 to 15 or LARDER_HITS_NONE"},
        {EVICTION, "no_name", "name: got none, wanted 1 to 32 of [a-z0-9_-]"},
        {EVICTION, "bad_name", "name: got \"Bad Name\", wanted 1 to 32 of [a-z0-9_-]"},
        {EVICTION, "other_name", "name: got \"lru\", wanted \"other_name\" as the file is called"},
        {EVICTION, "bad_default", "default: params.share: got \"101\", wanted 1 to 100"},
        {EVICTION, "no_help", "help: got none, wanted one line of text"},
    };
    struct ldr_catalog *catalog = open_on(TEST_MODULES);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_null(ldr_catalog_find(catalog, broken[i].kind, broken[i].name));
        expect_error(TEST_MODULES "/%s/%s.so: %s", larder_plugin_kind_name(broken[i].kind), broken[i].name,
                     broken[i].error);
    }
    ldr_catalog_close(catalog);
}

static void a_shorter_table_ends_in_zeroes(void **state)
{
    (void)state;
    struct ldr_catalog *catalog = open_on(TEST_MODULES);
    const struct larder_eviction *table = find_eviction(catalog, "short_table");
    assert_non_null(table);
    assert_non_null(table->remove);
    assert_null(table->prepare);
    assert_null(table->update);
    assert_null(table->extra_bytes);
    ldr_catalog_close(catalog);
}

static void a_longer_table_is_cut(void **state)
{
    (void)state;
    struct ldr_catalog *catalog = open_on(TEST_MODULES);
    const struct larder_eviction *table = find_eviction(catalog, "long_table");
    assert_non_null(table);
    assert_int_equal(table->head.size, sizeof *table);
    assert_non_null(table->evict);
    ldr_catalog_close(catalog);
}

static void the_table_is_the_hosts_own_and_found_once(void **state)
{
    (void)state;
    struct ldr_catalog *catalog = open_on(TEST_MODULES);
    const struct larder_eviction *table = find_eviction(catalog, "good");
    assert_non_null(table);
    assert_string_equal(table->head.name, "good");
    assert_ptr_equal(find_eviction(catalog, "good"), table);
    struct ldr_catalog *other = open_on(TEST_MODULES);
    assert_ptr_not_equal(find_eviction(other, "good"), table);
    ldr_catalog_close(catalog);
    assert_string_equal(find_eviction(other, "good")->head.help, "a policy of the tests");
    ldr_catalog_close(other);
}

/* ------------------------------------------------------------------------------------------------ files */

static void a_text_file_is_refused(void **state)
{
    write_file(in_scratch(state, "text.so"), "not a module at all, but long enough for the header of one ........", 68);
    struct ldr_catalog *catalog = open_on(scratch_path(state));
    assert_null(find_eviction(catalog, "text"));
    expect_error("%s: file: got no ELF file, wanted a shared object", in_scratch(state, "text.so"));
    write_file(in_scratch(state, "empty.so"), "", 0);
    assert_null(find_eviction(catalog, "empty"));
    expect_error("%s: file: got no ELF file, wanted a shared object", in_scratch(state, "empty.so"));
    ldr_catalog_close(catalog);
}

/* The dynamic loader would map pages behind the end of such a file, and the process would die on touching them. */
static void a_module_that_was_cut_off_is_refused(void **state)
{
    size_t size;
    free(read_file(TEST_MODULES "/eviction/good.so", &size));
    const size_t keeps[] = {size - 1, size / 2, size / 4, 200, 64};
    for (size_t i = 0; i < sizeof keeps / sizeof *keeps; i++) {
        const char *path = copy_module(state, "eviction/good.so", "good.so", keeps[i]);
        expect_refused(scratch_path(state), "good");
        expect_error("%s: file: got %zu bytes, wanted at least %zu: it is cut off", path, keeps[i], size);
    }
    copy_module(state, "eviction/good.so", "good.so", SIZE_MAX);
    expect_found(scratch_path(state), "good");
}

static void an_elf_file_of_another_kind_is_refused(void **state)
{
    const char *path = copy_module(state, "eviction/good.so", "good.so", SIZE_MAX);
    static const struct {
        long offset;
        char byte;
        const char *error;
    } changes[] = {
        {4, 1, "got an ELF file of another machine, wanted one of this"}, /* 32 bits */
        {5, 2, "got an ELF file of another machine, wanted one of this"}, /* the other byte order */
        {16, 1, "got another kind of ELF file, wanted a shared object"},  /* an object file */
        {54, 1, "got another kind of ELF file, wanted a shared object"},  /* segments of another size */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        copy_module(state, "eviction/good.so", "good.so", SIZE_MAX);
        int fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, &changes[i].byte, 1, changes[i].offset), 1);
        close(fd);
        expect_refused(scratch_path(state), "good");
        expect_error("%s: file: %s", path, changes[i].error);
    }
}

static void what_is_no_regular_file_is_refused(void **state)
{
    const char *directory = make_directory(state, "folder.so");
    expect_refused(scratch_path(state), "folder");
    expect_error("%s: type: got no regular file, wanted a module", directory);
    const char *pipe = in_scratch(state, "pipe.so");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    expect_refused(scratch_path(state), "pipe");
    expect_error("%s: type: got no regular file, wanted a module", pipe);
    const char *dangling = in_scratch(state, "dangling.so");
    assert_int_equal(symlink("nowhere", dangling), 0);
    expect_refused(scratch_path(state), "dangling");
    expect_error("%s: file: got \"No such file or directory\", wanted a module", dangling);
}

/* ------------------------------------------------------------------------------------------------ trust */

static void a_file_that_others_may_write_is_refused(void **state)
{
    const char *path = copy_module(state, "eviction/good.so", "good.so", SIZE_MAX);
    assert_int_equal(chmod(path, 0646), 0);
    expect_refused(scratch_path(state), "good");
    expect_error("%s: mode: got 0646, wanted not writable by others", path);
    const char *link = in_scratch(state, "link.so");
    assert_int_equal(symlink("good.so", link), 0);
    expect_refused(scratch_path(state), "link");
    expect_error("%s -> %s: mode: got 0646, wanted not writable by others", link, path);
}

static void a_directory_that_others_may_write_is_refused(void **state)
{
    const char *open_to_all = make_directory(state, "open");
    copy_module(state, "eviction/good.so", "open/good.so", SIZE_MAX);
    assert_int_equal(chmod(open_to_all, 0777), 0);
    expect_refused(open_to_all, "good");
    expect_error("%s: mode: got 0777, wanted not writable by others", open_to_all);
    assert_int_equal(chmod(open_to_all, 01777), 0); /* others may add modules */
    expect_refused(open_to_all, "good");
    expect_error("%s: mode: got 1777, wanted not writable by others", open_to_all);

    const char *link = in_scratch(state, "link");
    assert_int_equal(symlink("open", link), 0);
    expect_refused(link, "good");
    expect_error("%s -> %s: mode: got 1777, wanted not writable by others", link, open_to_all);
}

/* In /tmp and the like others cannot replace a file of this user: an author may check a module there. */
static void a_file_in_a_sticky_directory_is_opened_by_its_path(void **state)
{
    struct larder_plugin_info info;
    const char *shared = make_directory(state, "shared");
    const char *path = copy_module(state, "eviction/good.so", "shared/good.so", SIZE_MAX);
    assert_int_equal(chmod(shared, 01777), 0);
    struct larder_plugin_file *file = larder_plugin_file_open(path, &info);
    assert_non_null(file);
    larder_plugin_file_close(file);
    assert_int_equal(chmod(shared, 0777), 0);
    assert_null(larder_plugin_file_open(path, &info));
    expect_error("%s: mode: got 0777, wanted not writable by others", shared);
}

static void a_folder_of_a_kind_that_others_may_write_is_refused(void **state)
{
    const char *folder = make_directory(state, "eviction");
    assert_int_equal(chmod(folder, 0757), 0);
    expect_refused(scratch_path(state), "good");
    expect_error("%s: mode: got 0757, wanted not writable by others", folder);
}

static void a_link_into_a_directory_that_others_may_write_is_refused(void **state)
{
    const char *open_to_all = make_directory(state, "open");
    copy_module(state, "eviction/good.so", "open/good.so", SIZE_MAX);
    assert_int_equal(chmod(open_to_all, 0777), 0);
    const char *closed = make_directory(state, "closed");
    assert_int_equal(symlink("../open/good.so", in_scratch(state, "closed/good.so")), 0);
    expect_refused(closed, "good");
    expect_error("%s: mode: got 0777, wanted not writable by others", open_to_all);
    assert_int_equal(chmod(open_to_all, 0755), 0);
    expect_found(closed, "good");
}

static void a_file_or_directory_of_another_user_is_refused(void **state)
{
    const char *directory = make_directory(state, "theirs");
    const char *path = copy_module(state, "eviction/good.so", "theirs/good.so", SIZE_MAX);
    if (geteuid() != 0)
        skip(); /* only root can give files away */
    assert_int_equal(chown(path, 12345, 12345), 0);
    expect_refused(directory, "good");
    expect_error("%s: owner: got uid 12345, wanted root or uid 0", path);
    assert_int_equal(chown(directory, 12345, 12345), 0);
    expect_refused(directory, "good");
    expect_error("%s: owner: got uid 12345, wanted root or uid 0", directory);
}

static void a_file_in_the_place_of_a_directory_is_refused(void **state)
{
    const char *path = in_scratch(state, "file");
    write_file(path, "", 0);
    expect_refused(path, "good");
    expect_error("%s: type: got a file, wanted a directory", path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_broken_module_is_refused_by_name, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_shorter_table_ends_in_zeroes, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_longer_table_is_cut, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(the_table_is_the_hosts_own_and_found_once, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_text_file_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_module_that_was_cut_off_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(an_elf_file_of_another_kind_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(what_is_no_regular_file_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_file_that_others_may_write_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_directory_that_others_may_write_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_file_in_a_sticky_directory_is_opened_by_its_path, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_folder_of_a_kind_that_others_may_write_is_refused, make_scratch,
                                        drop_scratch),
        cmocka_unit_test_setup_teardown(a_link_into_a_directory_that_others_may_write_is_refused, make_scratch,
                                        drop_scratch),
        cmocka_unit_test_setup_teardown(a_file_or_directory_of_another_user_is_refused, make_scratch, drop_scratch),
        cmocka_unit_test_setup_teardown(a_file_in_the_place_of_a_directory_is_refused, make_scratch, drop_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
