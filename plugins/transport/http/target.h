/* A request's target: path and query, and percent-encoding. */
#ifndef TRANSPORT_HTTP_TARGET_H
#define TRANSPORT_HTTP_TARGET_H

#include <string.h>

#include "larder/plugin/plugin.h"

/* Splits a target in origin or absolute form. False: it is neither, or has a fragment. */
bool http_target_split(struct larder_slice target, struct larder_slice *path, struct larder_slice *query);

/*
 * Decodes exactly: %XX becomes the byte, all else stays, "+" too. Writes at most `text.size` bytes. False: a "%" without
 * two hexadecimal digits.
 */
bool http_percent_decode(struct larder_slice text, char *decoded, size_t *size);

/* The next `name=value` of the query; a parameter without "=" has an empty value. False: there is none left. */
bool http_query_next(struct larder_slice *query, struct larder_slice *name, struct larder_slice *value);

static inline bool http_slice_is(struct larder_slice slice, const char *text)
{
    size_t size = strlen(text);
    return slice.size == size && memcmp(slice.data, text, size) == 0;
}

/* Removes the prefix when it is there. */
static inline bool http_slice_skip(struct larder_slice *slice, const char *prefix)
{
    size_t size = strlen(prefix);
    if (slice->size < size || memcmp(slice->data, prefix, size) != 0)
        return false;
    slice->data = (const char *)slice->data + size;
    slice->size -= size;
    return true;
}

#endif
