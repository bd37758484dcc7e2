#include "core/node/json.h"

#include <stdio.h>

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

static void add_base64(struct ldr_buffer *text, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i < 3 ? size - i : 3;
        unsigned triple = (unsigned)bytes[i] << 16;
        triple |= left > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        triple |= left > 2 ? (unsigned)bytes[i + 2] : 0;
        char four[4] = {digits[triple >> 18], digits[triple >> 12 & 63], '=', '='};
        if (left > 1)
            four[2] = digits[triple >> 6 & 63];
        if (left > 2)
            four[3] = digits[triple & 63];
        ldr_buffer_append(text, four, sizeof four);
    }
}

json_t *ldr_json_set_bytes(json_t *object, const char *name, struct larder_slice bytes)
{
    bool text_only = bytes.size == 0 ||
                     memchr(bytes.data, '\0', bytes.size) == NULL; /* many programs end texts there */
    json_t *plain = text_only ? json_stringn(bytes.data, bytes.size) : NULL;
    if (plain != NULL)
        return ldr_json_set(object, name, plain);
    char coded_name[32];
    struct ldr_buffer coded = {0};
    snprintf(coded_name, sizeof coded_name, "%s_base64", name);
    add_base64(&coded, bytes.data, bytes.size);
    object = ldr_json_set(object, coded_name, coded.failed || coded.data == NULL ? NULL : json_string(coded.data));
    ldr_buffer_free(&coded);
    return object;
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
