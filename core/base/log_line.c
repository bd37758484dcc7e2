#include "core/base/log_line.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void append(struct ldr_log_line *line, const char *data, size_t size)
{
    size_t room = sizeof line->data - line->size;
    if (size > room)
        size = room;
    memcpy(line->data + line->size, data, size);
    line->size += size;
}

void ldr_log_line_text(struct ldr_log_line *line, const char *text)
{
    append(line, text, strlen(text));
}

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The bytes of the UTF-8 character at `text`, 1 to 4, and the character; 0: there is none. The text ends with NUL. */
static size_t decode(const unsigned char *text, uint32_t *character)
{
    if (text[0] < 0x80) {
        *character = text[0];
        return 1;
    }
    if (text[0] < 0xc2 || text[0] > 0xf4 || !continues(text[1]))
        return 0;
    if (text[0] < 0xe0) {
        *character = (uint32_t)(text[0] & 0x1f) << 6 | (text[1] & 0x3f);
        return 2;
    }
    if (!continues(text[2]))
        return 0;
    if (text[0] < 0xf0) {
        *character = (uint32_t)(text[0] & 0x0f) << 12 | (uint32_t)(text[1] & 0x3f) << 6 | (text[2] & 0x3f);
        return *character < 0x800 || (*character >= 0xd800 && *character <= 0xdfff) ? 0 : 3;
    }
    if (!continues(text[3]))
        return 0;
    *character = (uint32_t)(text[0] & 0x07) << 18 | (uint32_t)(text[1] & 0x3f) << 12 | (uint32_t)(text[2] & 0x3f) << 6 |
                 (text[3] & 0x3f);
    return *character < 0x10000 || *character > 0x10ffff ? 0 : 4;
}

static bool control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028 || character == 0x2029;
}

/* JSON names characters, logfmt names bytes: what JSON cannot say (a byte that is no character) is U+FFFD there. */
static void escape(struct ldr_log_line *line, enum ldr_log_format format, const unsigned char *bytes, size_t size,
                   uint32_t character)
{
    char text[16];
    if (format == LDR_LOG_JSON) {
        snprintf(text, sizeof text, "\\u%04x", (unsigned)character);
        ldr_log_line_text(line, text);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        snprintf(text, sizeof text, "\\x%02x", bytes[i]);
        ldr_log_line_text(line, text);
    }
}

void ldr_log_line_quote(struct ldr_log_line *line, enum ldr_log_format format, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    append(line, "\"", 1);
    while (*at != '\0') {
        uint32_t character = 0;
        size_t size = decode(at, &character);
        if (size == 0 || control(character)) {
            bool whole = size > 0;
            size = whole ? size : 1;
            escape(line, format, at, size, whole ? character : 0xfffd);
        } else {
            if (character == '"' || character == '\\')
                append(line, "\\", 1);
            append(line, (const char *)at, size);
        }
        at += size;
    }
    append(line, "\"", 1);
}
