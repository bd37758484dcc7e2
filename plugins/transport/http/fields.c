/* Durations and entity tags. An entity tag is "<epoch>.<clock>" in hexadecimal. */
#include "fields.h"

#include <string.h>

#include "text.h"

bool http_parse_duration(struct larder_slice text, int64_t maximum, int64_t *ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *data = text.data;
    size_t digits = 0;
    int64_t number = 0;
    for (; digits < text.size && data[digits] >= '0' && data[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, data[digits] - '0', &number))
            return false;
    if (digits == 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].name);
        if (text.size - digits == length && memcmp(data + digits, units[i].name, length) == 0)
            return !__builtin_mul_overflow(number, units[i].ms, ms) && *ms >= 1 && *ms <= maximum;
    }
    return false;
}

bool http_parse_ttl(struct larder_slice text, int64_t *ttl_ms)
{
    if (text.size == 4 && memcmp(text.data, "none", 4) == 0) {
        *ttl_ms = LARDER_TTL_NONE;
        return true;
    }
    return http_parse_duration(text, LARDER_TTL_MAX, ttl_ms);
}

static char *put_version(char *at, struct larder_version version)
{
    at = http_put_hex(at, version.epoch);
    *at++ = '.';
    return http_put_hex(at, version.clock);
}

char *http_put_etag(char *at, struct larder_version version)
{
    *at++ = '"';
    at = put_version(at, version);
    *at++ = '"';
    return at;
}

/* 1 to 16 lower-case hexadecimal digits, as http_put_hex() writes them. NULL: there are none, or a leading zero. */
static const char *parse_hex(const char *at, const char *end, uint64_t *number)
{
    const char *first = at;
    *number = 0;
    for (; at < end && at - first < 16; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a' + 10)
                                                    : 16;
        if (digit == 16)
            break;
        *number = *number << 4 | digit;
    }
    return at == first || (*first == '0' && at - first > 1) ? NULL : at;
}

static bool parse_version(const char *at, const char *end, struct larder_version *version)
{
    at = parse_hex(at, end, &version->epoch);
    if (at == NULL || at == end || *at != '.')
        return false;
    return parse_hex(at + 1, end, &version->clock) == end;
}

static void keep_tag(struct http_tags *tags, struct larder_version version, bool weak)
{
    unsigned kept = tags->strong + tags->weak;
    if (kept == HTTP_TAGS)
        return;
    if (weak) {
        tags->versions[kept] = version;
        tags->weak++;
    } else {
        tags->versions[kept] = tags->versions[tags->strong];
        tags->versions[tags->strong++] = version;
    }
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

bool http_parse_tags(struct larder_slice text, struct http_tags *tags)
{
    *tags = (struct http_tags){0};
    const char *at = text.data, *end = at + text.size;
    if (text.size == 1 && *at == '*') {
        tags->any = true;
        return true;
    }
    while (at < end) {
        bool weak = end - at >= 2 && at[0] == 'W' && at[1] == '/';
        if (weak)
            at += 2;
        if (at == end || *at != '"')
            return false;
        const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
        if (close == NULL)
            return false;
        struct larder_version version;
        if (parse_version(at + 1, close, &version))
            keep_tag(tags, version, weak);
        tags->count++;
        at = skip_space(close + 1, end);
        if (at == end)
            return true;
        if (*at != ',')
            return false;
        at = skip_space(at + 1, end);
    }
    return false; /* empty, or ends with a comma */
}

bool http_tags_match(const struct http_tags *tags, struct larder_version version, bool weak)
{
    unsigned count = tags->strong + (weak ? tags->weak : 0);
    for (unsigned i = 0; i < count; i++)
        if (tags->versions[i].epoch == version.epoch && tags->versions[i].clock == version.clock)
            return true;
    return false;
}
