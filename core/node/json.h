/* JSON documents that are whole or not there: whatever cannot be added takes the document with it. */
#ifndef LDR_NODE_JSON_H
#define LDR_NODE_JSON_H

#include <jansson.h>

#include "larder/plugin/plugin.h"

/*
 * Adds a member or an item and returns the container. Both references are taken over; NULL when either was NULL or memory
 * is short, with nothing left of them.
 */
json_t *ldr_json_set(json_t *object, const char *name, json_t *value);
json_t *ldr_json_append(json_t *array, json_t *value);

/* Adds any bytes: as `name` where they are UTF-8 without NUL, else in base64 as `name`_base64. `name` has at most 20 bytes. */
json_t *ldr_json_set_bytes(json_t *object, const char *name, struct larder_slice bytes);

/* A text that may come from anywhere: where it is not UTF-8, bytes beyond ASCII are shown as \xNN. NULL: out of memory. */
json_t *ldr_json_text(const char *text);

#endif
