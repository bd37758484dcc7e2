#include "keys.h"

#include <stdio.h>
#include <string.h>

#include "world.h"

void sim_key_name(unsigned key, char name[SIM_KEY_TEXT])
{
    snprintf(name, SIM_KEY_TEXT, "k%u", key % 100);
}

/* A number without leading zeros at *at, which is moved behind it. */
static bool read_number(const char **at, const char *end, unsigned *number)
{
    const char *start = *at;
    for (*number = 0; *at < end && **at >= '0' && **at <= '9' && *at - start < 9; ++*at)
        *number = *number * 10 + (unsigned)(**at - '0');
    return *at > start && (*start != '0' || *at - start == 1);
}

static bool read_char(const char **at, const char *end, char wanted)
{
    return *at < end && *(*at)++ == wanted;
}

unsigned sim_key_of(struct larder_slice slice)
{
    const char *at = slice.data, *end = at + slice.size;
    unsigned key;
    if (!read_char(&at, end, 'k') || !read_number(&at, end, &key) || at != end || key > SIM_KEYS)
        return SIM_KEYS;
    return key;
}

const char *sim_key_group(unsigned key)
{
    return key < SIM_KEYS_PLAIN ? SIM_GROUP : SIM_PLAIN;
}

char *sim_value_text(const struct sim_value *value, bool is_long)
{
    char *text = sim_allocate(is_long ? SIM_VALUE_LONG : SIM_VALUE_TEXT);
    int size = snprintf(text, SIM_VALUE_TEXT, "k%u=%c%u", value->key, value->written ? 'w' : 'o', value->number);
    if (is_long)
        memset(text + size, '.', (size_t)(SIM_VALUE_LONG - 1 - size));
    return text;
}

bool sim_value_parse(struct larder_slice slice, struct sim_value *value)
{
    const char *at = slice.data, *end = at + slice.size;
    if (!read_char(&at, end, 'k') || !read_number(&at, end, &value->key) || !read_char(&at, end, '=') || at == end)
        return false;
    value->written = *at == 'w';
    if (!read_char(&at, end, value->written ? 'w' : 'o') || !read_number(&at, end, &value->number))
        return false;
    if (at < end && slice.size != SIM_VALUE_LONG - 1)
        return false;
    while (at < end && *at == '.')
        at++;
    return at == end;
}
