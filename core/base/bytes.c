#include "core/base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Makes room for `more` bytes and the terminator. */
static bool reserve(struct ldr_buffer *buffer, size_t more)
{
    size_t needed;
    if (buffer->failed)
        return false;
    if (!ldr_add(buffer->size, more, &needed) || !ldr_add(needed, 1, &needed))
        goto failed;
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed)
        if (!ldr_multiply(capacity, 2, &capacity))
            capacity = needed;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL)
        goto failed;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
failed:
    buffer->failed = true;
    return false;
}

void ldr_buffer_append(struct ldr_buffer *buffer, const void *data, size_t size)
{
    if (!reserve(buffer, size))
        return;
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
}

void ldr_buffer_printf(struct ldr_buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        buffer->failed = true;
    } else if (reserve(buffer, (size_t)length)) {
        vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
}

void ldr_buffer_free(struct ldr_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct ldr_buffer){0};
}

uint64_t ldr_hash(struct larder_slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}
