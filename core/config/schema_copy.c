/* Copies of values in one block: the values from the front, which keeps them aligned, their texts from the back. */
#include <string.h>

#include "core/base/bytes.h"
#include "core/config/schema.h"

struct space {
    struct larder_param_value *values;
    char *texts;
};

static bool measure_text(const char *text, size_t *texts)
{
    return text == NULL || ldr_add(*texts, strlen(text) + 1, texts);
}

/* Adds up how many values and how many bytes of text there are, items of items included. */
static bool measure(const struct larder_param_value *values, size_t count, size_t *total, size_t *texts)
{
    if (!ldr_add(*total, count, total))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!measure_text(values[i].name, texts) || !measure_text(values[i].string, texts) ||
            (values[i].items != NULL && !measure(values[i].items, values[i].count, total, texts)))
            return false;
    return true;
}

bool ldr_schema_copy_size(const struct larder_param_value *values, size_t count, size_t *size)
{
    size_t total = 0, texts = 0;
    return measure(values, count, &total, &texts) && ldr_multiply(total, sizeof *values, size) &&
           ldr_add(*size, texts, size);
}

static const char *copy_text(struct space *space, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t size = strlen(text) + 1;
    space->texts -= size;
    return memcpy(space->texts, text, size);
}

static struct larder_param_value *copy_values(struct space *space, const struct larder_param_value *values,
                                              size_t count)
{
    struct larder_param_value *copies = space->values;
    space->values += count;
    for (size_t i = 0; i < count; i++) {
        copies[i] = values[i];
        copies[i].name = copy_text(space, values[i].name);
        copies[i].string = copy_text(space, values[i].string);
        if (values[i].items != NULL)
            copies[i].items = copy_values(space, values[i].items, values[i].count);
    }
    return copies;
}

void ldr_schema_copy_into(void *block, size_t size, const struct larder_param_value *values, size_t count)
{
    struct space space = {.values = block, .texts = (char *)block + size};
    copy_values(&space, values, count);
}

struct larder_param_value *ldr_schema_copy(struct ldr_arena *arena, const struct larder_param_value *values,
                                           size_t count)
{
    size_t size;
    struct larder_param_value *copy = NULL;
    if (ldr_schema_copy_size(values, count, &size))
        copy = ldr_arena_alloc(arena, size);
    if (copy != NULL)
        ldr_schema_copy_into(copy, size, values, count);
    return copy;
}
