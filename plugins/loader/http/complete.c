#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loader.h"

void origin_fail(struct larder_load *load, enum larder_status status, const char *format, ...)
{
    char text[ORIGIN_REASON + CURL_ERROR_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const struct larder_load_result result = {.status = status, .message = {text, strlen(text)}};
    load->done(load, &result);
}
