#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

static bool reserve(struct text *text, size_t more)
{
    size_t wanted;
    if (text->failed || __builtin_add_overflow(text->size, more, &wanted) || wanted > SIZE_MAX / 2) {
        text->failed = true;
        return false;
    }
    if (wanted < text->capacity) /* one byte is left for the NUL */
        return true;
    size_t capacity = wanted < 128 ? 256 : wanted * 2;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const void *data, size_t size)
{
    if (!reserve(text, size))
        return;
    if (size > 0)
        memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    char *formatted = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&formatted, format, arguments);
    va_end(arguments);
    if (size < 0) {
        text->failed = true;
        return;
    }
    text_add(text, formatted, (size_t)size);
    free(formatted);
}

void text_clear(struct text *text)
{
    text->size = 0;
    text->failed = false;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

const char *text_string(const struct text *text)
{
    return text->size > 0 ? text->data : "";
}

/* How many bytes the next character has, and its columns; 0: it is not one to be shown as it is. */
static size_t printable(const char *data, size_t size, int *columns)
{
    mbstate_t state = {0};
    wchar_t wide;
    size_t length = mbrtowc(&wide, data, size, &state);
    if (length == 0 || length > size || !iswprint((wint_t)wide))
        return 0;
    *columns = wcwidth(wide);
    return *columns > 0 ? length : 0; /* without a column of its own it may be one that turns the writing around */
}

size_t text_add_shown(struct text *text, const char *data, size_t size)
{
    size_t total = 0;
    while (size > 0) {
        int columns = 4;
        size_t length = printable(data, size, &columns);
        if (length > 0)
            text_add(text, data, length);
        else
            text_printf(text, "\\x%02x", (unsigned char)*data);
        length += length == 0;
        data += length;
        size -= length;
        total += (size_t)columns;
    }
    return total;
}
