#include "core/store/params.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

/* Where the copy goes: values from the front, which keeps them aligned, texts from the back. */
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

bool ldr_params_copy(const struct larder_param *rows, const struct larder_param_value *values,
                     struct larder_param_value **copy)
{
    size_t count = 0, total = 0, texts = 0, size;
    *copy = NULL;
    while (rows != NULL && rows[count].name != NULL)
        count++;
    if (count == 0 || values == NULL)
        return true;
    if (!measure(values, count, &total, &texts) || !ldr_multiply(total, sizeof *values, &size) ||
        !ldr_add(size, texts, &size))
        return false;
    struct larder_param_value *block = malloc(size);
    if (block == NULL)
        return false;
    struct space space = {.values = block, .texts = (char *)block + size};
    *copy = copy_values(&space, values, count);
    return true;
}
