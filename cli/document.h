/* Reads members of documents that a node sent, which may lack any of them; makes and prints documents of our own. */
#ifndef CLI_DOCUMENT_H
#define CLI_DOCUMENT_H

#include <jansson.h>
#include <stdint.h>

#include "say.h"

static inline const char *document_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "-";
}

static inline uint64_t document_count(const json_t *object, const char *name)
{
    json_int_t count = json_integer_value(json_object_get(object, name));
    return count > 0 ? (uint64_t)count : 0;
}

/* Names of files and texts of modules may be any bytes, JSON's may not. NULL for NULL, and when out of memory. */
json_t *document_shown(const char *bytes);

/* Prints a document on standard output and releases it; NULL: out of memory. `flags`: further ones of json_dumpf(). */
enum exit_code document_print(json_t *json, size_t flags);

#endif
