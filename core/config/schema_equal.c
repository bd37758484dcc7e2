#include <string.h>

#include "core/config/schema.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool ldr_schema_equal(const struct larder_param_value *a, const struct larder_param_value *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!same_text(a[i].name, b[i].name) || !same_text(a[i].string, b[i].string) || a[i].integer != b[i].integer ||
            a[i].number < b[i].number || a[i].number > b[i].number || a[i].count != b[i].count ||
            !ldr_schema_equal(a[i].items, b[i].items, a[i].count))
            return false;
    return true;
}
