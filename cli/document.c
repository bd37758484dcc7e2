#include "document.h"

#include <stdio.h>

#include "text.h"

enum exit_code document_print(json_t *json, size_t flags)
{
    bool printed = json != NULL && json_dumpf(json, stdout, JSON_INDENT(2) | flags) == 0;
    json_decref(json);
    if (!printed && ferror(stdout))
        return say(EXIT_REFUSED, "standard output cannot be written");
    if (!printed)
        return say_no_memory();
    putchar('\n');
    return EXIT_DONE;
}

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
