/* Allocations of a caller of the embedding API that fail: what it is told agrees with what it got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "larder/larder.h"

/* Allocations of this thread until the one that fails; negative: none does. */
static _Thread_local long countdown = -1;
static _Thread_local bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool fails(void)
{
    bool now = countdown == 0;
    failed |= now;
    countdown -= countdown >= 0;
    return now;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

static struct larder_group *group;

/* Runs the call with each allocation failing, until one run has met no failure. */
static void fail_each(void (*call)(void))
{
    long runs = 0;
    do {
        failed = false;
        countdown = runs++;
        call();
        countdown = -1;
    } while (failed);
    assert_true(runs > 1);
}

/* ------------------------------------------------------------------------------------------------ calls */

static void get_many(void)
{
    struct larder_item items[] = {
        {.key = "a", .key_size = 1}, {.key = "x", .key_size = 1}, {.key = "b", .key_size = 1}};
    enum larder_status status = larder_get_many(group, items, 3, 0), first = LARDER_OK;
    for (size_t i = 0; i < 3; i++) {
        assert_true((items[i].status == LARDER_OK) == (items[i].value != NULL));
        if (first == LARDER_OK && items[i].status != LARDER_NOT_FOUND)
            first = items[i].status;
        larder_value_release(items[i].value);
    }
    assert_int_equal(status, first);
    assert_int_equal(status, failed ? LARDER_NO_MEMORY : LARDER_OK);
    assert_true(status == LARDER_OK || larder_last_status() == status);
}

static void set_many(void)
{
    struct larder_write writes[] = {{.key = "a", .key_size = 1, .value = "1", .value_size = 1},
                                    {.key = "b", .key_size = 1, .value = "2", .value_size = 1}};
    enum larder_status status = larder_set_many(group, writes, 2, 0);
    assert_int_equal(status, writes[0].status != LARDER_OK ? writes[0].status : writes[1].status);
    assert_int_equal(status, failed ? LARDER_NO_MEMORY : LARDER_OK);
}

static void get(void)
{
    struct larder_value *value;
    enum larder_status status = larder_get(group, "a", 1, 0, &value);
    assert_int_equal(status, failed ? LARDER_NO_MEMORY : LARDER_OK);
    assert_true((status == LARDER_OK) == (value != NULL));
    larder_value_release(value);
}

static void got(void *arg, enum larder_status status, struct larder_value *value)
{
    *(enum larder_status *)arg = status;
    assert_true((status == LARDER_OK) == (value != NULL));
    larder_value_release(value);
}

static void get_async(void)
{
    enum larder_status status = LARDER_IO;
    larder_get_async(group, "a", 1, 0, got, &status);
    assert_int_equal(status, failed ? LARDER_NO_MEMORY : LARDER_OK);
}

static struct larder_node *node;

static void open_group(void)
{
    struct larder_group *opened = larder_group_open(node, "h", &(struct larder_group_options){.max_bytes = 1 << 20});
    bool refused = failed; /* before the looks below */
    countdown = -1;
    assert_true((opened == NULL) == refused);
    assert_int_equal(larder_group_drop(node, "h"), refused ? LARDER_NO_GROUP : LARDER_OK);
    larder_group_close(opened);
}

static void callers_are_told_the_truth(void **unused)
{
    (void)unused;
    node = larder_node_open(NULL);
    assert_non_null(node);
    group = larder_group_open(node, "g", &(struct larder_group_options){.max_bytes = 1 << 20});
    assert_non_null(group);
    fail_each(set_many);
    fail_each(get_many);
    fail_each(get);
    fail_each(get_async);
    fail_each(open_group);
    larder_group_close(group);
    larder_node_close(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_are_told_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
