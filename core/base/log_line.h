/* One line of the log while it is put together: a fixed space, in which texts are escaped. Private to the log. */
#ifndef LDR_BASE_LOG_LINE_H
#define LDR_BASE_LOG_LINE_H

#include <stddef.h>

#include "core/base/log.h"

#define LDR_LOG_MESSAGE_MAX 2048 /* bytes of a message; the rest is cut off */

/* Room for a message in which every byte is escaped as \u00NN, and for everything else on the line. */
struct ldr_log_line {
    size_t size;
    char data[LDR_LOG_MESSAGE_MAX * 6 + 1024];
};

/* Appends as it is; what does not fit is cut off. */
void ldr_log_line_text(struct ldr_log_line *line, const char *text);

/*
 * Appends a text in quotes. Quotes, backslashes, control characters (those of Unicode's first 160 and U+2028, U+2029) and
 * bytes that are not UTF-8 are escaped, so that the line stays one line, JSON stays valid, and a terminal is never sent
 * anything but text.
 */
void ldr_log_line_quote(struct ldr_log_line *line, enum ldr_log_format format, const char *text);

#endif
