#include "units.h"

#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1000},
    {"KiB", UINT64_C(1) << 10},
    {"MB", 1000000},
    {"MiB", UINT64_C(1) << 20},
    {"GB", 1000000000},
    {"GiB", UINT64_C(1) << 30},
    {NULL, 0},
};

static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

static size_t read_digits(const char *text, size_t size, uint64_t *count)
{
    size_t digits = 0;
    *count = 0;
    for (; digits < size && text[digits] >= '0' && text[digits] <= '9'; digits++) {
        uint64_t digit = (uint64_t)(text[digits] - '0');
        if (__builtin_mul_overflow(*count, 10, count) || __builtin_add_overflow(*count, digit, count))
            return 0;
    }
    return digits;
}

bool units_parse_count(const char *text, size_t size, uint64_t *count)
{
    return size > 0 && read_digits(text, size, count) == size;
}

static bool parse_with_unit(const char *text, const struct unit *units, uint64_t *value)
{
    uint64_t count;
    size_t digits = read_digits(text, strlen(text), &count);
    for (; digits > 0 && units->name != NULL; units++)
        if (strcmp(units->name, text + digits) == 0)
            return !__builtin_mul_overflow(count, units->factor, value);
    return false;
}

bool units_parse_size(const char *text, uint64_t *bytes)
{
    return parse_with_unit(text, sizes, bytes);
}

bool units_parse_duration(const char *text, uint64_t *ms)
{
    return parse_with_unit(text, durations, ms);
}

static const char *three_digits(char *buffer, double value, const char *unit)
{
    snprintf(buffer, UNITS_TEXT, value < 100 ? "%.3g %s" : "%.0f %s", value, unit);
    return buffer;
}

static void two_parts(char *buffer, uint64_t large, const char *unit, uint64_t small, const char *smaller_unit)
{
    int size = snprintf(buffer, UNITS_TEXT, "%llu %s", (unsigned long long)large, unit);
    if (small > 0)
        snprintf(buffer + size, UNITS_TEXT - (size_t)size, " %llu %s", (unsigned long long)small, smaller_unit);
}

const char *units_size(char buffer[UNITS_TEXT], uint64_t bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024; value /= 1024)
        unit++;
    if (unit == 0)
        snprintf(buffer, UNITS_TEXT, "%u B", (unsigned)bytes);
    else
        three_digits(buffer, value, names[unit]);
    return buffer;
}

const char *units_duration(char buffer[UNITS_TEXT], uint64_t ns)
{
    const uint64_t second = 1000000000, minute = 60 * second, hour = 60 * minute;
    double value = (double)ns;
    if (ns < 1000)
        snprintf(buffer, UNITS_TEXT, "%u ns", (unsigned)ns);
    else if (ns < 1000000)
        three_digits(buffer, value / 1e3, "us");
    else if (ns < second)
        three_digits(buffer, value / 1e6, "ms");
    else if (ns < minute)
        three_digits(buffer, value / 1e9, "s");
    else if (ns < hour)
        two_parts(buffer, ns / minute, "m", ns % minute / second, "s");
    else
        two_parts(buffer, ns / hour, "h", ns % hour / minute, "m");
    return buffer;
}
