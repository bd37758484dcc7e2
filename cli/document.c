#include "document.h"

#include "text.h"

json_t *document_shown(const char *bytes)
{
    json_t *json = bytes != NULL ? json_string(bytes) : NULL; /* NULL, too, when it is no UTF-8 */
    if (bytes == NULL || json != NULL)
        return json;
    struct text shown = {0};
    for (; *bytes != '\0'; bytes++)
        text_printf(&shown, *bytes >= ' ' && *bytes < 0x7f ? "%c" : "\\x%02x", (unsigned char)*bytes);
    json = shown.failed ? NULL : json_string(text_string(&shown));
    text_free(&shown);
    return json;
}
