#include "core/base/bytes.h"
#include "core/config/schema.h"

static bool copy_into(struct ldr_arena *arena, const struct larder_param_value *from, struct larder_param_value *to)
{
    *to = *from;
    if (from->name != NULL && (to->name = ldr_arena_text(arena, from->name)) == NULL)
        return false;
    if (from->string != NULL && (to->string = ldr_arena_text(arena, from->string)) == NULL)
        return false;
    return from->items == NULL || (to->items = ldr_schema_copy(arena, from->items, from->count)) != NULL;
}

struct larder_param_value *ldr_schema_copy(struct ldr_arena *arena, const struct larder_param_value *values,
                                           size_t count)
{
    size_t bytes;
    if (!ldr_multiply(count == 0 ? 1 : count, sizeof *values, &bytes))
        return NULL;
    struct larder_param_value *copy = ldr_arena_alloc(arena, bytes);
    for (size_t i = 0; i < count && copy != NULL; i++) {
        if (!copy_into(arena, &values[i], &copy[i]))
            return NULL;
    }
    return copy;
}
