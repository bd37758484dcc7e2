#include "url.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static size_t scheme_length(const char *node)
{
    if (strncasecmp(node, "http://", 7) == 0)
        return 7;
    return strncasecmp(node, "https://", 8) == 0 ? 8 : 0;
}

/* What can stand in host, port and a path before the node's own. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || strchr("?#\\\"<>^`{|}@", *text) != NULL)
            return false;
    return true;
}

enum exit_code url_add_node(struct text *url, const char *node)
{
    size_t scheme = scheme_length(node), size = strlen(node);
    while (size > scheme && node[size - 1] == '/')
        size--;
    const char *host = node + scheme;
    if (size == scheme || *host == '/' || !is_plain(host) || strstr(host, "://") != NULL)
        return say(EXIT_USAGE, "--node: got '%s', wanted a URL like http://127.0.0.1:8001", node);
    if (scheme == 0)
        text_puts(url, "http://");
    text_add(url, node, size);
    return url->failed ? say_no_memory() : EXIT_DONE;
}

static bool is_unreserved(unsigned char byte)
{
    unsigned char letter = byte | 0x20;
    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') || (byte != 0 && strchr("-._~", byte));
}

void url_add_encoded(struct text *url, const void *data, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        if (is_unreserved(bytes[i]))
            text_add(url, &bytes[i], 1);
        else
            text_add(url, (const char[]){'%', digits[bytes[i] >> 4], digits[bytes[i] & 15]}, 3);
    }
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool url_add_decoded(struct text *text, const char *encoded)
{
    for (; *encoded != '\0'; encoded++) {
        char byte = *encoded;
        if (byte == '%') {
            int high = hex_value(encoded[1]), low = high < 0 ? -1 : hex_value(encoded[2]);
            if (low < 0)
                return false;
            byte = (char)(high << 4 | low);
            encoded += 2;
        }
        text_add(text, &byte, 1);
    }
    return true;
}
