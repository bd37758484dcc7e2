#include "core/config/units.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1000},
    {"KiB", INT64_C(1) << 10},
    {"MB", 1000000},
    {"MiB", INT64_C(1) << 20},
    {"GB", 1000000000},
    {"GiB", INT64_C(1) << 30},
    {NULL, 0},
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {NULL, 0},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits without leading zeros, negated when asked: so the smallest integer needs no special case. */
static bool read_digits(const char **text, bool negative, int64_t *value)
{
    const char *at = *text;
    if (!is_digit(*at) || (*at == '0' && is_digit(at[1])))
        return false;
    int64_t sum = 0;
    for (; is_digit(*at); at++) {
        int64_t digit = *at - '0';
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
            return false;
    }
    *text = at;
    *value = sum;
    return true;
}

static bool parse_with_unit(const char *text, const struct unit *units, int64_t *value)
{
    int64_t count;
    if (!read_digits(&text, false, &count))
        return false;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, text) == 0)
            return !__builtin_mul_overflow(count, units->factor, value);
    }
    return false;
}

bool ldr_parse_size(const char *text, int64_t *bytes)
{
    return parse_with_unit(text, sizes, bytes);
}

bool ldr_parse_duration(const char *text, int64_t *ms)
{
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return parse_with_unit(text, durations, ms);
}

bool ldr_parse_integer(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    text += negative;
    int64_t parsed;
    if (!read_digits(&text, negative, &parsed) || *text != '\0')
        return false;
    *value = parsed;
    return true;
}

static bool skip_digits(const char **text)
{
    const char *start = *text;
    while (is_digit(**text))
        ++*text;
    return *text != start;
}

/* -?digits[.digits][e[+-]digits]: what JSON calls a number. strtod() alone takes hexadecimal, "inf" and blanks, too. */
static bool looks_like_number(const char *text)
{
    text += *text == '-';
    if (*text == '0' && is_digit(text[1]))
        return false;
    if (!skip_digits(&text))
        return false;
    if (*text == '.') {
        text++;
        if (!skip_digits(&text))
            return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (!skip_digits(&text))
            return false;
    }
    return *text == '\0';
}

bool ldr_parse_number(const char *text, double *value)
{
    if (!looks_like_number(text))
        return false;
    /* The embedder may have set a locale whose decimal sign is a comma. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return false;
    double parsed = strtod_l(text, NULL, c);
    freelocale(c);
    if (!isfinite(parsed))
        return false;
    *value = parsed;
    return true;
}

/* Takes the largest of the units listed, smallest first, that divides the value. */
static void format_with_unit(int64_t value, const struct unit *units, size_t count, char *buffer, size_t capacity)
{
    size_t best = 0;
    for (size_t i = 1; i < count && value != 0; i++) {
        if (value % units[i].factor == 0)
            best = i;
    }
    snprintf(buffer, capacity, "%lld%s", (long long)(value / units[best].factor), units[best].name);
}

void ldr_format_size(int64_t bytes, char *buffer, size_t capacity)
{
    static const struct unit binary[] = {
        {"B", 1}, {"KiB", INT64_C(1) << 10}, {"MiB", INT64_C(1) << 20}, {"GiB", INT64_C(1) << 30}};
    format_with_unit(bytes, binary, sizeof binary / sizeof *binary, buffer, capacity);
}

void ldr_format_duration(int64_t ms, char *buffer, size_t capacity)
{
    if (ms == 0)
        snprintf(buffer, capacity, "0");
    else
        format_with_unit(ms, durations, sizeof durations / sizeof *durations - 1, buffer, capacity);
}
