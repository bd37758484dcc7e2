/* Single values: from a text to a number, with the table's range. */
#include <stdio.h>
#include <string.h>

#include "core/config/schema_check.h"
#include "core/config/units.h"

/* From here on a maximum says nothing that the type does not say. */
#define NO_MAXIMUM 9223372036854775807.0

static void format_bound(const struct larder_param *row, double bound, char *buffer, size_t capacity)
{
    if (row->type == LARDER_PARAM_SIZE)
        ldr_format_size((int64_t)bound, buffer, capacity);
    else if (row->type == LARDER_PARAM_DURATION)
        ldr_format_duration((int64_t)bound, buffer, capacity);
    else
        snprintf(buffer, capacity, "%.15g", bound);
}

static const char *counted(enum larder_param_type type)
{
    switch (type) {
    case LARDER_PARAM_STRING: return " bytes";
    case LARDER_PARAM_STRINGS:
    case LARDER_PARAM_RECORDS:
    case LARDER_PARAM_PLUGINS:
    case LARDER_PARAM_MAP: return " items";
    default: return "";
    }
}

void ldr_schema_range(const struct larder_param *row, char *buffer, size_t capacity)
{
    char minimum[LDR_UNIT_TEXT], maximum[LDR_UNIT_TEXT];
    *buffer = '\0';
    if (row->minimum == 0 && row->maximum == 0)
        return;
    format_bound(row, row->minimum, minimum, sizeof minimum);
    if (row->maximum >= NO_MAXIMUM) {
        snprintf(buffer, capacity, "at least %s%s", minimum, counted(row->type));
        return;
    }
    format_bound(row, row->maximum, maximum, sizeof maximum);
    if (row->minimum == row->maximum)
        snprintf(buffer, capacity, "%s%s", minimum, counted(row->type));
    else
        snprintf(buffer, capacity, "%s to %s%s", minimum, maximum, counted(row->type));
}

static bool in_range(const struct larder_param *row, double value)
{
    if (row->minimum == 0 && row->maximum == 0)
        return true;
    return value >= row->minimum && (value <= row->maximum || row->maximum >= NO_MAXIMUM);
}

/* Whether the text is one of "a|b|c". */
static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strcspn(at, "|") == length && memcmp(at, text, length) == 0)
            return true;
    }
    return false;
}

static void report_choice(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                          const struct ldr_tree *tree)
{
    char wanted[512];
    size_t used = (size_t)snprintf(wanted, sizeof wanted, "one of ");
    for (const char *at = row->choices; *at != '\0' && used + 2 < sizeof wanted; at++) {
        wanted[used++] = *at == '|' ? ',' : *at;
        if (*at == '|')
            wanted[used++] = ' ';
    }
    wanted[used] = '\0';
    ldr_check_wanted(check, path, tree, wanted);
}

static void check_text(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                       const struct ldr_tree *tree, struct larder_param_value *value)
{
    char range[LDR_RANGE_TEXT], wanted[LDR_RANGE_TEXT + 16];
    if (row->choices != NULL && !is_choice(row->choices, tree->text)) {
        report_choice(check, path, row, tree);
    } else if (!in_range(row, (double)strlen(tree->text))) {
        ldr_schema_range(row, range, sizeof range);
        snprintf(wanted, sizeof wanted, "a text of %s", range);
        ldr_check_wanted(check, path, tree, wanted);
    } else {
        value->string = ldr_check_text(check, tree->text);
    }
}

static const char *wanted_kind(enum larder_param_type type)
{
    switch (type) {
    case LARDER_PARAM_BOOL: return "true or false";
    case LARDER_PARAM_INT: return "a whole number";
    case LARDER_PARAM_FLOAT: return "a number";
    case LARDER_PARAM_SIZE: return "a size like 512MiB";
    case LARDER_PARAM_DURATION: return "a time like 30s";
    default: return "a text";
    }
}

/* A text in quotes is no number; only units have to stand in quotes in JSON. */
static bool parse(enum larder_param_type type, const struct ldr_tree *tree, struct larder_param_value *value)
{
    switch (type) {
    case LARDER_PARAM_BOOL:
        value->integer = strcmp(tree->text, "true") == 0;
        return !tree->quoted && (value->integer == 1 || strcmp(tree->text, "false") == 0);
    case LARDER_PARAM_INT: return !tree->quoted && ldr_parse_integer(tree->text, &value->integer);
    case LARDER_PARAM_FLOAT: return !tree->quoted && ldr_parse_number(tree->text, &value->number);
    case LARDER_PARAM_SIZE: return ldr_parse_size(tree->text, &value->integer);
    case LARDER_PARAM_DURATION: return ldr_parse_duration(tree->text, &value->integer);
    default: return false;
    }
}

static void check_number(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                         const struct ldr_tree *tree, struct larder_param_value *value)
{
    struct larder_param_value parsed = *value;
    if (!parse(row->type, tree, &parsed)) {
        ldr_check_wanted(check, path, tree, wanted_kind(row->type));
        return;
    }
    if (row->type != LARDER_PARAM_FLOAT)
        parsed.number = (double)parsed.integer;
    if (row->type != LARDER_PARAM_BOOL && !in_range(row, parsed.number)) {
        char range[LDR_RANGE_TEXT];
        ldr_schema_range(row, range, sizeof range);
        ldr_check_wanted(check, path, tree, range);
        return;
    }
    *value = parsed;
}

void ldr_check_scalar(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                      const struct ldr_tree *tree, struct larder_param_value *value)
{
    if (tree->kind != LDR_TREE_SCALAR)
        ldr_check_wanted(check, path, tree, wanted_kind(row->type));
    else if (row->type == LARDER_PARAM_STRING)
        check_text(check, path, row, tree, value);
    else
        check_number(check, path, row, tree, value);
}
