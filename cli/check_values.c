#include "check_values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define NO_MAXIMUM 9223372036854775807.0 /* from here on a maximum says nothing that the type does not say */
#define LONGEST    4096                  /* bytes of a text, where its maximum is more than anybody would write */

static bool has_range(const struct larder_param *row)
{
    return row->minimum != 0 || row->maximum != 0;
}

static unsigned choice_count(const char *choices)
{
    unsigned count = 1;
    for (; *choices != '\0'; choices++)
        count += *choices == '|';
    return count;
}

unsigned check_setting_count(const struct larder_param *row)
{
    switch (row->type) {
    case LARDER_PARAM_STRING: return row->choices != NULL ? choice_count(row->choices) : has_range(row) ? 2 : 0;
    case LARDER_PARAM_BOOL:
    case LARDER_PARAM_INT:
    case LARDER_PARAM_FLOAT:
    case LARDER_PARAM_SIZE:
    case LARDER_PARAM_DURATION: return 2;
    default: return 0; /* lists and mappings: what stands in them is the module's own business */
    }
}

/* The most and the least of the table, or of the type. */
static double limit(const struct larder_param *row, bool most)
{
    if (has_range(row))
        return most ? row->maximum : row->minimum;
    if (row->type == LARDER_PARAM_BOOL || row->type == LARDER_PARAM_STRING)
        return most;
    if (row->type == LARDER_PARAM_FLOAT)
        return most ? 1e308 : -1e308;
    return most ? NO_MAXIMUM : row->type == LARDER_PARAM_INT ? -NO_MAXIMUM : 0;
}

static void set_number(struct larder_param_value *value, const struct larder_param *row, double number)
{
    value->number = number;
    if (row->type != LARDER_PARAM_FLOAT)
        value->integer = number >= NO_MAXIMUM ? INT64_MAX : number <= -NO_MAXIMUM ? INT64_MIN : (int64_t)ceil(number);
    if (row->type != LARDER_PARAM_FLOAT && row->type != LARDER_PARAM_BOOL)
        value->number = (double)value->integer;
    if (row->type == LARDER_PARAM_BOOL)
        value->number = 0;
}

/* The loader has found the text to be right. */
static void set_default(struct larder_param_value *value, const struct larder_param *row)
{
    const char *text = row->default_text;
    uint64_t count = 0;
    switch (row->type) {
    case LARDER_PARAM_BOOL: value->integer = strcmp(text, "true") == 0; break;
    case LARDER_PARAM_FLOAT: value->number = strtod(text, NULL); break;
    case LARDER_PARAM_INT: value->integer = strtoll(text, NULL, 10); break;
    case LARDER_PARAM_SIZE:
        units_parse_size(text, &count);
        value->integer = (int64_t)count;
        break;
    case LARDER_PARAM_DURATION:
        units_parse_duration(text, &count);
        value->integer = (int64_t)count;
        break;
    case LARDER_PARAM_STRING: value->string = text; break;
    default: break;
    }
    if (row->type != LARDER_PARAM_BOOL && row->type != LARDER_PARAM_FLOAT)
        value->number = (double)value->integer;
}

/* A text of the shortest or longest length, or the choice of that number. */
static size_t put_string(struct larder_param_value *value, const struct larder_param *row, unsigned index, char *memory,
                         size_t capacity)
{
    size_t length;
    const char *choice = row->choices;
    if (choice != NULL) {
        for (; index > 0; index--)
            choice = strchr(choice, '|') + 1;
        length = strcspn(choice, "|");
    } else {
        double wanted = limit(row, index > 0);
        length = wanted < LONGEST ? (size_t)wanted : LONGEST;
    }
    if (length + 1 > capacity)
        return 0;
    if (choice != NULL)
        memcpy(memory, choice, length);
    else
        memset(memory, 'x', length);
    memory[length] = '\0';
    value->string = memory;
    return length + 1;
}

static void describe(struct check_setting *setting, const struct larder_param_value *value)
{
    const char *name = setting->row->name;
    if (value->string != NULL)
        snprintf(setting->text, sizeof setting->text, "%s=%.80s", name, value->string);
    else if (setting->row->type == LARDER_PARAM_FLOAT)
        snprintf(setting->text, sizeof setting->text, "%s=%g", name, value->number);
    else
        snprintf(setting->text, sizeof setting->text, "%s=%" PRId64, name, value->integer);
}

/* One value; what it points to goes to `memory`. Returns the bytes that took, or SIZE_MAX. */
static size_t fill_one(struct larder_param_value *value, const struct larder_param *row,
                       const struct check_setting *setting, char *memory, size_t capacity)
{
    bool chosen = setting != NULL && setting->row == row;
    *value = (struct larder_param_value){.name = row->name, .given = chosen || row->default_text == NULL};
    if (!chosen && row->default_text == NULL && !row->required)
        value->given = false;
    if (!value->given && row->default_text == NULL)
        return 0;
    if (value->given && check_setting_count(row) == 0 && row->type != LARDER_PARAM_STRING)
        return 0; /* a list that is required stays empty */
    if (!value->given)
        set_default(value, row);
    else if (row->type != LARDER_PARAM_STRING)
        set_number(value, row, limit(row, chosen && setting->index > 0));
    if (row->type != LARDER_PARAM_STRING)
        return 0;
    size_t used = value->given ? put_string(value, row, chosen ? setting->index : 0, memory, capacity)
                               : strlen(row->default_text) + 1;
    if (used == 0 || used > capacity)
        return SIZE_MAX;
    if (!value->given)
        value->string = memcpy(memory, row->default_text, used);
    return used;
}

size_t check_values_fill(const struct larder_param *params, struct check_setting *setting, void *memory,
                         size_t capacity)
{
    struct larder_param_value *values = memory;
    size_t count = 0;
    while (params != NULL && params[count].name != NULL)
        count++;
    size_t used = count * sizeof *values;
    if (used > capacity)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t more = fill_one(&values[i], &params[i], setting, (char *)memory + used, capacity - used);
        if (more == SIZE_MAX)
            return 0;
        used += more;
        if (setting != NULL && setting->row == &params[i])
            describe(setting, &values[i]);
    }
    return used > 0 ? used : 1;
}
