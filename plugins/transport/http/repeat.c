/* Targets begin with a slash and have nothing that the parser would stumble at; all others go the long way. */
#include "repeat.h"

#include <string.h>

#define START     "GET "
#define VERSION   " HTTP/1.1\r\n"
#define LENGTH(s) (sizeof(s) - 1)

void http_repeat_note(struct http_repeat *repeat, const char *data, size_t size, const struct http_head *head)
{
    const char *after = (const char *)head->target.data + head->target.size;
    size_t tail = (size_t)(data + size - after);
    repeat->size = 0;
    if (head->method != HTTP_METHOD_GET || tail > sizeof repeat->tail || head->chunked || head->length > 0 ||
        head->expect_continue || head->if_match.data != NULL || head->if_none_match.data != NULL ||
        head->timeout.data != NULL)
        return;
    memcpy(repeat->tail, after, tail);
    repeat->size = tail;
    repeat->minor = head->minor;
    repeat->keep_alive = head->keep_alive;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not 0 when one of the bytes is below `limit`, which is at most 128. */
static uint64_t below(uint64_t bytes, unsigned limit)
{
    return (bytes - EACH(limit)) & ~bytes & EACH(0x80);
}

/* Whether all eight are of '!' to '~' and no '#': of such, behind a slash, the parser makes a path and a query. */
static bool plain(uint64_t bytes)
{
    return (below(bytes, '!') | below(bytes ^ EACH('#'), 1) | below(bytes ^ EACH(0x7f), 1) | (bytes & EACH(0x80))) == 0;
}

static bool all_plain(const char *at, size_t size)
{
    uint64_t bytes = EACH('x');
    for (; size >= sizeof bytes; at += sizeof bytes, size -= sizeof bytes) {
        memcpy(&bytes, at, sizeof bytes);
        if (!plain(bytes))
            return false;
    }
    memcpy(&bytes, at, size);
    return plain(bytes);
}

size_t http_repeat_match(const struct http_repeat *repeat, const struct http_limits *limits, const char *data,
                         size_t size, struct http_head *head)
{
    if (repeat->size == 0 || size <= LENGTH(START) + repeat->size || memcmp(data, START "/", LENGTH(START "/")) != 0)
        return 0;
    const char *target = data + LENGTH(START), *last = data + size - repeat->size;
    const char *end = memchr(target, ' ', (size_t)(last - target) + 1);
    if (end == NULL || (size_t)(end - data) + LENGTH(VERSION) > limits->request_line ||
        memcmp(end, repeat->tail, repeat->size) != 0 || !all_plain(target, (size_t)(end - target)))
        return 0;
    *head = (struct http_head){.method = HTTP_METHOD_GET,
                               .minor = repeat->minor,
                               .keep_alive = repeat->keep_alive,
                               .target = {target, (size_t)(end - target)}};
    return (size_t)(end - data) + repeat->size;
}
