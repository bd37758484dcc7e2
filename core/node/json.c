#include "core/node/json.h"

#include "core/base/bytes.h"

json_t *ldr_json_set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}

json_t *ldr_json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

json_t *ldr_json_text(const char *text)
{
    json_t *json = json_string(text);
    if (json != NULL)
        return json;
    struct ldr_buffer shown = {0};
    for (const char *at = text; *at != '\0'; at++)
        ldr_buffer_printf(&shown, (unsigned char)*at < 0x80 ? "%c" : "\\x%02x", (unsigned char)*at);
    if (!shown.failed && shown.data != NULL)
        json = json_string(shown.data);
    ldr_buffer_free(&shown);
    return json;
}
