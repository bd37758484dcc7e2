#include "freshness.h"

#include <string.h>
#include <strings.h>

#define SECONDS_MAX (LARDER_TTL_MAX / 1000)

/* A part of a field's value. */
struct span {
    const char *at;
    size_t size;
};

static struct span trim(struct span text)
{
    while (text.size > 0 && strchr(" \t\r\n", text.at[0]) != NULL)
        text.at++, text.size--;
    while (text.size > 0 && strchr(" \t\r\n", text.at[text.size - 1]) != NULL)
        text.size--;
    return text;
}

static bool is(struct span text, const char *name)
{
    return text.size == strlen(name) && strncasecmp(text.at, name, text.size) == 0;
}

/* Whole seconds, at most SECONDS_MAX; -1: not a number. */
static int64_t seconds(struct span text)
{
    if (text.size >= 2 && text.at[0] == '"' && text.at[text.size - 1] == '"')
        text.at++, text.size -= 2;
    int64_t value = text.size > 0 ? 0 : -1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return -1;
        value = value * 10 + (text.at[i] - '0');
        if (value > SECONDS_MAX)
            value = SECONDS_MAX;
    }
    return value;
}

/* False: it makes no sense. */
static bool shortest(struct origin_seconds *least, struct span text)
{
    int64_t value = seconds(text);
    if (value >= 0 && (!least->given || value < least->value))
        *least = (struct origin_seconds){true, value};
    return value >= 0;
}

static void directive(struct origin_freshness *freshness, struct span text)
{
    const char *equals = text.size > 0 ? memchr(text.at, '=', text.size) : NULL;
    struct span name = text;
    struct span argument = {text.at + text.size, 0};
    if (equals != NULL) {
        name.size = (size_t)(equals - text.at);
        argument = trim((struct span){equals + 1, text.size - name.size - 1});
    }
    name = trim(name);
    if (is(name, "no-store") || is(name, "no-cache") || is(name, "private"))
        freshness->refused = true;
    else if (is(name, "max-age"))
        freshness->refused |= !shortest(&freshness->max_age, argument);
    else if (is(name, "s-maxage"))
        freshness->refused |= !shortest(&freshness->shared_age, argument);
    else if (is(name, "must-revalidate") || is(name, "proxy-revalidate"))
        freshness->revalidate = true;
    else if (is(name, "stale-while-revalidate"))
        freshness->revalidate |= !shortest(&freshness->stale_while_revalidate, argument);
    else if (is(name, "stale-if-error"))
        freshness->revalidate |= !shortest(&freshness->stale_if_error, argument);
}

/* Bytes up to the next comma that stands in no quoted string. */
static size_t to_comma(struct span text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        if (quoted && text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            quoted = !quoted;
        else if (text.at[i] == ',' && !quoted)
            return i;
    }
    return text.size;
}

void origin_freshness_field(struct origin_freshness *freshness, const char *line, size_t size)
{
    const char *colon = size > 0 ? memchr(line, ':', size) : NULL;
    if (colon == NULL)
        return;
    struct span name = {line, (size_t)(colon - line)};
    struct span value = trim((struct span){colon + 1, size - name.size - 1});
    if (is(name, "Age")) {
        int64_t age = seconds(value);
        if (age > freshness->age)
            freshness->age = age;
    } else if (is(name, "Cache-Control")) {
        while (value.size > 0) {
            size_t part = to_comma(value);
            directive(freshness, trim((struct span){value.at, part}));
            size_t used = part < value.size ? part + 1 : part;
            value.at += used;
            value.size -= used;
        }
    }
}

static int64_t window(const struct origin_freshness *freshness, const struct origin_seconds *told)
{
    if (freshness->revalidate || (told->given && told->value == 0))
        return LARDER_WINDOW_NONE;
    return told->given ? told->value * 1000 : LARDER_WINDOW_DEFAULT;
}

void origin_freshness_tell(const struct origin_freshness *freshness, struct larder_load_result *result)
{
    const struct origin_seconds *lifetime = freshness->shared_age.given ? &freshness->shared_age : &freshness->max_age;
    int64_t left = lifetime->value - freshness->age;
    result->no_store = freshness->refused || (lifetime->given && left <= 0);
    result->ttl_ms = lifetime->given && !result->no_store ? left * 1000 : LARDER_TTL_DEFAULT;
    result->stale_while_revalidate_ms = window(freshness, &freshness->stale_while_revalidate);
    result->stale_if_error_ms = window(freshness, &freshness->stale_if_error);
}
