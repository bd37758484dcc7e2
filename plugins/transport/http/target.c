/* Path, query and percent-encoding; the path is routed before it is decoded, so that %2F is a byte of a key. */
#include "target.h"

bool http_target_split(struct larder_slice target, struct larder_slice *path, struct larder_slice *query)
{
    if (target.size == 0 || memchr(target.data, '#', target.size) != NULL)
        return false;
    if (http_slice_skip(&target, "http://") || http_slice_skip(&target, "HTTP://")) {
        const char *slash = memchr(target.data, '/', target.size);
        if (slash == NULL)
            return false;
        target.size -= (size_t)(slash - (const char *)target.data);
        target.data = slash;
    }
    const char *data = target.data, *mark = memchr(data, '?', target.size);
    if (*data != '/')
        return false;
    size_t size = mark == NULL ? target.size : (size_t)(mark - data);
    *path = (struct larder_slice){data, size};
    *query = mark == NULL ? (struct larder_slice){"", 0} : (struct larder_slice){mark + 1, target.size - size - 1};
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_percent_decode(struct larder_slice text, char *decoded, size_t *size)
{
    const char *at = text.data, *end = at + text.size;
    char *out = decoded;
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        size_t plain = (size_t)((percent == NULL ? end : percent) - at);
        memcpy(out, at, plain);
        out += plain;
        if (percent == NULL)
            break;
        if (end - percent < 3)
            return false;
        int high = hex_value(percent[1]), low = hex_value(percent[2]);
        if (high < 0 || low < 0)
            return false;
        *out++ = (char)(high << 4 | low);
        at = percent + 3;
    }
    *size = (size_t)(out - decoded);
    return true;
}

bool http_query_next(struct larder_slice *query, struct larder_slice *name, struct larder_slice *value)
{
    while (query->size > 0) {
        const char *data = query->data, *amp = memchr(data, '&', query->size);
        size_t size = amp == NULL ? query->size : (size_t)(amp - data), skip = amp == NULL ? size : size + 1;
        query->data = data + skip;
        query->size -= skip;
        if (size == 0)
            continue; /* "a=1&&b=2" */
        const char *equals = memchr(data, '=', size);
        size_t length = equals == NULL ? size : (size_t)(equals - data);
        *name = (struct larder_slice){data, length};
        *value = equals == NULL ? (struct larder_slice){"", 0} : (struct larder_slice){equals + 1, size - length - 1};
        return true;
    }
    return false;
}
