#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/config/schema.h"

/* Control characters become \xNN: an error is one line, whatever a file contains. */
static void escape(const char *text, char *out, size_t capacity)
{
    size_t used = 0;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool control = byte < 0x20 || byte == 0x7f;
        if (used + (control ? 4 : 1) >= capacity)
            break;
        if (control)
            used += (size_t)snprintf(out + used, capacity - used, "\\x%02x", byte);
        else
            out[used++] = (char)byte;
    }
    out[used] = '\0';
}

static size_t write_place(const struct ldr_tree *at, char *line, size_t capacity)
{
    int length = 0;
    if (at != NULL && at->file != NULL && at->line > 0)
        length = snprintf(line, capacity, "%s:%u:%u: ", at->file, at->line, at->column);
    else if (at != NULL && at->file != NULL)
        length = snprintf(line, capacity, "%s: ", at->file);
    return (size_t)length < capacity ? (size_t)length : capacity - 1;
}

void ldr_errors_add(struct ldr_errors *errors, const struct ldr_tree *at, const char *format, ...)
{
    char raw[sizeof errors->first], line[sizeof errors->first];
    size_t used = write_place(at, raw, sizeof raw);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw + used, sizeof raw - used, format, arguments);
    va_end(arguments);
    escape(raw, line, sizeof line);
    if (errors->count++ == 0)
        memcpy(errors->first, line, sizeof line);
    if (errors->report != NULL)
        errors->report(errors->arg, line);
}
