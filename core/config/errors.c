#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/config/schema.h"

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
    ldr_escape(raw, line, sizeof line);
    if (errors->count++ == 0)
        memcpy(errors->first, line, sizeof line);
    if (errors->report != NULL)
        errors->report(errors->arg, line);
}
