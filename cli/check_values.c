#include "check_values.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

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

/* ------------------------------------------------------------------------------------------------ settings */

static int64_t whole_limit(const struct larder_param *row, bool most)
{
    double number = limit(row, most);
    if (number >= NO_MAXIMUM)
        return INT64_MAX;
    if (number <= -NO_MAXIMUM)
        return INT64_MIN;
    return (int64_t)(most ? floor(number) : ceil(number));
}

/* In quotes, so that it is a text whatever stands in it. */
static void put_quoted(struct text *text, const char *bytes, size_t length)
{
    json_t *json = json_stringn(bytes, length);
    char *quoted = json != NULL ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
    if (quoted != NULL)
        text_puts(text, quoted);
    else
        text->failed = true;
    free(quoted);
    json_decref(json);
}

/* A text of the shortest or longest length, or the choice of that number. */
static void put_string(struct text *text, const struct larder_param *row, unsigned index)
{
    static const char unit[] = "x";
    const char *choice = row->choices;
    struct text filled = {0};
    if (choice != NULL) {
        for (; index > 0; index--)
            choice = strchr(choice, '|') + 1;
        put_quoted(text, choice, strcspn(choice, "|"));
        return;
    }
    double least = limit(row, false), most = limit(row, true);
    double length = index == 0 ? least : fmax(least, fmin(most, LONGEST));
    while ((double)filled.size < length && !filled.failed)
        text_puts(&filled, unit);
    text->failed |= filled.failed;
    put_quoted(text, text_string(&filled), filled.size);
    text_free(&filled);
}

/* "name=value", as somebody would write it. */
static void put_setting(struct text *text, const struct larder_param *row, unsigned index)
{
    bool most = index > 0;
    text_printf(text, "%s=", row->name);
    switch (row->type) {
    case LARDER_PARAM_BOOL: text_puts(text, most ? "true" : "false"); break;
    case LARDER_PARAM_FLOAT: text_printf(text, "%.17g", limit(row, most)); break;
    case LARDER_PARAM_INT:
    case LARDER_PARAM_SIZE: text_printf(text, "%" PRId64, whole_limit(row, most)); break;
    case LARDER_PARAM_DURATION: text_printf(text, "%" PRId64 "ms", whole_limit(row, most)); break;
    case LARDER_PARAM_STRING: put_string(text, row, index); break;
    case LARDER_PARAM_STRINGS:
    case LARDER_PARAM_RECORDS: text_puts(text, "[]"); break;
    default: text_puts(text, "{}"); break;
    }
}

static size_t row_count(const struct larder_param *params)
{
    size_t count = 0;
    while (params != NULL && params[count].name != NULL)
        count++;
    return count;
}

/* The settings that are needed, one text each; `texts` and `items` have room for one a row. Returns how many. */
static size_t put_settings(const struct larder_param *params, struct check_setting *setting, struct text *texts,
                           const char **items)
{
    size_t count = 0;
    for (const struct larder_param *row = params; row != NULL && row->name != NULL; row++) {
        bool chosen = setting != NULL && setting->row == row;
        if (!chosen && (row->default_text != NULL || !row->required))
            continue;
        put_setting(&texts[count], row, chosen ? setting->index : 0);
        items[count] = text_string(&texts[count]);
        if (chosen)
            snprintf(setting->text, sizeof setting->text, "%s", items[count]);
        count++;
    }
    return count;
}

struct larder_params *check_values_read(const struct larder_plugin *head, struct check_setting *setting)
{
    size_t rows = row_count(head->params);
    struct text *texts = calloc(rows + 1, sizeof *texts);
    const char **items = calloc(rows + 1, sizeof *items);
    struct larder_params *params = NULL;
    if (texts != NULL && items != NULL)
        params = larder_params_read(head, items, put_settings(head->params, setting, texts, items));
    for (size_t i = 0; texts != NULL && i < rows; i++)
        text_free(&texts[i]);
    free(texts);
    free(items);
    return params;
}

/* ------------------------------------------------------------------------------------------------ copies */

static void *take(struct check_room *room, size_t size)
{
    size_t rounded = (size + 15) / 16 * 16;
    void *place = room->next;
    if (rounded > (size_t)(room->end - room->next))
        return NULL;
    room->next += rounded;
    return place;
}

static bool copy_text(struct check_room *room, const char **text)
{
    char *copy;
    if (*text == NULL)
        return true;
    if ((copy = take(room, strlen(*text) + 1)) == NULL)
        return false;
    *text = strcpy(copy, *text);
    return true;
}

const struct larder_param_value *check_values_copy(struct check_room *room, const struct larder_param_value *values,
                                                   size_t count)
{
    struct larder_param_value *copies = take(room, count * sizeof *copies);
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = values[i];
        if (!copy_text(room, &copies[i].name) || !copy_text(room, &copies[i].string))
            return NULL;
        if (values[i].items != NULL &&
            (copies[i].items = check_values_copy(room, values[i].items, values[i].count)) == NULL)
            return NULL;
    }
    return copies;
}
