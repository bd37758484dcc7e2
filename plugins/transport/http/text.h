/* A growing text, and the ways in which answers write numbers, JSON strings and base64 into it. */
#ifndef TRANSPORT_HTTP_TEXT_H
#define TRANSPORT_HTTP_TEXT_H

#include <stdarg.h>
#include <string.h>

#include "larder/plugin/plugin.h"

/* Zeroed: empty. After a failed allocation `failed` stays set and appending does nothing. */
struct http_text {
    char *data;
    size_t size, capacity;
    bool failed;
};

void http_text_add(struct http_text *text, const void *data, size_t size);
void http_text_literal(struct http_text *text, const char *literal); /* up to its NUL */
void http_text_number(struct http_text *text, uint64_t number);
void http_text_json(struct http_text *text,
                    struct larder_slice string); /* quoted; bytes that are not UTF-8 become U+FFFD */
void http_text_base64(struct http_text *text, struct larder_slice bytes);
void http_text_free(struct http_text *text);

/* Decodes base64 with padding (RFC 4648, section 4) in place. False: it is none. */
bool http_base64_decode(char *data, size_t size, size_t *decoded);

/* These write at `at`, without a NUL, and return where they ended. A number takes up to 20 bytes. */
char *http_put_number(char *at, uint64_t number);
char *http_put_hex(char *at, uint64_t number);

static inline char *http_put(char *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

#define HTTP_PUT_TEXT(at, literal) http_put((at), "" literal "", sizeof(literal) - 1)

#endif
