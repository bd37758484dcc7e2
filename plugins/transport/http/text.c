/* Text that grows; numbers, JSON strings and base64. */
#include "text.h"

#include <endian.h>
#include <stdlib.h>

static bool reserve(struct http_text *text, size_t more)
{
    if (text->failed || more > SIZE_MAX / 2 - text->size) {
        text->failed = true;
        return false;
    }
    if (text->capacity - text->size >= more)
        return true;
    size_t capacity = text->capacity == 0 ? 256 : text->capacity;
    while (capacity - text->size < more)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void http_text_add(struct http_text *text, const void *data, size_t size)
{
    if (size == 0 || !reserve(text, size))
        return;
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

void http_text_literal(struct http_text *text, const char *literal)
{
    http_text_add(text, literal, strlen(literal));
}

void http_text_number(struct http_text *text, uint64_t number)
{
    char digits[20];
    http_text_add(text, digits, (size_t)(http_put_number(digits, number) - digits));
}

void http_text_free(struct http_text *text)
{
    free(text->data);
    *text = (struct http_text){0};
}

/* The length of the well-formed UTF-8 sequence at `at`; 0 when there is none. */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
    bool bad = (lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F) || (lead == 0xF0 && at[1] < 0x90) ||
               (lead == 0xF4 && at[1] > 0x8F);
    return bad ? 0 : length;
}

static void json_control(struct http_text *text, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    http_text_add(text, escape, sizeof escape);
}

void http_text_json(struct http_text *text, struct larder_slice string)
{
    const unsigned char *bytes = string.data;
    http_text_literal(text, "\"");
    for (size_t i = 0; i < string.size;) {
        size_t length = sequence(bytes + i, string.size - i);
        if (length == 0) {
            http_text_literal(text, "\xEF\xBF\xBD");
            length = 1;
        } else if (bytes[i] < 0x20 || bytes[i] == 0x7F) {
            json_control(text, bytes[i]);
        } else {
            if (bytes[i] == '"' || bytes[i] == '\\')
                http_text_literal(text, "\\");
            http_text_add(text, bytes + i, length);
        }
        i += length;
    }
    http_text_literal(text, "\"");
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void http_text_base64(struct http_text *text, struct larder_slice bytes)
{
    if (bytes.size > SIZE_MAX / 8 || !reserve(text, (bytes.size + 2) / 3 * 4)) {
        text->failed = true;
        return;
    }
    const unsigned char *in = bytes.data;
    if (bytes.size == 0)
        return; /* there may be no text yet, and nothing to be added to */
    char *out = text->data + text->size;
    for (size_t left = bytes.size; left > 0;) {
        size_t take = left < 3 ? left : 3;
        uint32_t group = (uint32_t)in[0] << 16 | (take > 1 ? (uint32_t)in[1] << 8 : 0) | (take > 2 ? in[2] : 0u);
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = take > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = take > 2 ? alphabet[group & 63] : '=';
        in += take;
        left -= take;
    }
    if (bytes.size > 0)
        text->size = (size_t)(out - text->data);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool http_base64_decode(char *data, size_t size, size_t *decoded)
{
    if (size % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < size && data[size - 1 - padding] == '=')
        padding++;
    size_t out = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < size - padding; i++) {
        int value = base64_value(data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) /* the second, third and fourth of each group complete a byte */
            data[out++] = (char)(bits >> (6 - i % 4 * 2) & 0xFF);
    }
    /* One text for one value: the bits that padding leaves over are zero. */
    if ((padding == 1 && (bits & 3) != 0) || (padding == 2 && (bits & 15) != 0))
        return false;
    *decoded = out;
    return true;
}

char *http_put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return http_put(at, digits + first, sizeof digits - first);
}

/* Eight hexadecimal digits at once: each half byte becomes a byte, and those above 9 are moved on to the letters. */
static void put_digits(char *at, uint32_t number)
{
    uint64_t digits = number;
    digits = (digits | digits << 16) & UINT64_C(0x0000ffff0000ffff);
    digits = (digits | digits << 8) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits | digits << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (digits + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    digits = htobe64(digits + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10));
    memcpy(at, &digits, sizeof digits);
}

char *http_put_hex(char *at, uint64_t number)
{
    char digits[16];
    put_digits(digits, (uint32_t)(number >> 32));
    put_digits(digits + 8, (uint32_t)number);
    size_t first = number == 0 ? 15 : (size_t)__builtin_clzll(number) / 4;
    return http_put(at, digits + first, sizeof digits - first);
}
