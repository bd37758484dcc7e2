/* A directory of a test's own, the modules of the tests in it, and what the catalog says of them. Include it first. */
#ifndef TESTS_MODULES_SCRATCH_H
#define TESTS_MODULES_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/plugin/catalog.h"
#include "tests/unit/catalog_kit.h"

/* A directory of the test's own, at a path without links; removed at the end. */
struct scratch {
    char path[PATH_MAX - 256];
};

static inline int make_scratch(void **state)
{
    struct scratch *scratch = calloc(1, sizeof *scratch);
    char template[] = "/tmp/larder-catalog-XXXXXX";
    *state = scratch;
    if (scratch == NULL || mkdtemp(template) == NULL)
        return -1;
    char *real = realpath(template, NULL);
    snprintf(scratch->path, sizeof scratch->path, "%s", real != NULL ? real : "");
    free(real);
    return unsetenv("LARDER_PLUGIN_PATH");
}

static inline int remove_one(const char *path, const struct stat *found, int type, struct FTW *walk)
{
    (void)found, (void)type, (void)walk;
    return remove(path);
}

static inline int drop_scratch(void **state)
{
    struct scratch *scratch = *state;
    int result = nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(scratch);
    unsetenv("LARDER_PLUGIN_PATH");
    return result;
}

static inline const char *scratch_path(void **state)
{
    const struct scratch *scratch = *state;
    return scratch->path;
}

/* SCRATCH/NAME in the next of a row of buffers, so that a test may have several. */
static inline const char *in_scratch(void **state, const char *name)
{
    static char paths[32][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 32];
    snprintf(path, PATH_MAX, "%s/%s", scratch_path(state), name);
    return path;
}

static inline const char *make_directory(void **state, const char *name)
{
    const char *path = in_scratch(state, name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

static inline char *read_file(const char *path, size_t *size)
{
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    *size = (size_t)found.st_size;
    char *bytes = malloc(*size);
    FILE *file = fopen(path, "rb");
    assert_non_null(bytes);
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

/* The first `keep` bytes of a module of the tests, SIZE_MAX: all. Returns the path it was written to. */
static inline const char *copy_module(void **state, const char *module, const char *to, size_t keep)
{
    char from[PATH_MAX];
    size_t size;
    const char *path = in_scratch(state, to);
    snprintf(from, sizeof from, TEST_MODULES "/%s", module);
    char *bytes = read_file(from, &size);
    write_file(path, bytes, keep < size ? keep : size);
    free(bytes);
    return path;
}

static inline struct ldr_catalog *open_on(const char *directory)
{
    struct ldr_catalog *catalog = ldr_catalog_open(&(struct ldr_catalog_options){.paths = &directory, .path_count = 1});
    assert_non_null(catalog);
    return catalog;
}

static inline void expect_error(const char *format, ...) LARDER_PRINTF(1, 2);
static inline void expect_error(const char *format, ...)
{
    char wanted[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(wanted, sizeof wanted, format, arguments);
    va_end(arguments);
    assert_string_equal(larder_last_error(), wanted);
    assert_int_equal(larder_last_status(), LARDER_INVALID);
}

/* Searches the directory for an eviction module, which must fail; the reason is then in larder_last_error(). */
static inline void expect_refused(const char *directory, const char *name)
{
    struct ldr_catalog *catalog = open_on(directory);
    assert_null(find_eviction(catalog, name));
    ldr_catalog_close(catalog);
}

static inline void expect_found(const char *directory, const char *name)
{
    struct ldr_catalog *catalog = open_on(directory);
    if (find_eviction(catalog, name) == NULL)
        fail_msg("%s", larder_last_error());
    ldr_catalog_close(catalog);
}

#endif
