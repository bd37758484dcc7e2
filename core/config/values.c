#include "core/config/values.h"

#include <string.h>

static bool copy_value(struct ldr_arena *arena, struct larder_param_value *copy)
{
    if (copy->name != NULL && (copy->name = ldr_arena_text(arena, copy->name)) == NULL)
        return false;
    if (copy->string != NULL && (copy->string = ldr_arena_text(arena, copy->string)) == NULL)
        return false;
    if (copy->items == NULL || copy->count == 0)
        return true;
    copy->items = ldr_values_copy(arena, copy->items, copy->count);
    return copy->items != NULL;
}

const struct larder_param_value *ldr_values_copy(struct ldr_arena *arena, const struct larder_param_value *values,
                                                 size_t count)
{
    if (count == 0)
        return NULL;
    struct larder_param_value *copies = ldr_arena_alloc(arena, count * sizeof *copies);
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = values[i];
        if (!copy_value(arena, &copies[i]))
            return NULL;
    }
    return copies;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool ldr_values_equal(const struct larder_param_value *a, const struct larder_param_value *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!same_text(a[i].name, b[i].name) || !same_text(a[i].string, b[i].string) || a[i].integer != b[i].integer ||
            a[i].number < b[i].number || a[i].number > b[i].number || a[i].count != b[i].count ||
            !ldr_values_equal(a[i].items, b[i].items, a[i].count))
            return false;
    return true;
}

size_t ldr_param_count(const struct larder_param *table)
{
    size_t count = 0;
    while (table != NULL && table[count].name != NULL)
        count++;
    return count;
}
