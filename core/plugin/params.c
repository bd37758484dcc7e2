#include "core/plugin/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/config/schema.h"
#include "larder/plugins.h"

#define ROWS_MAX  1024 /* a table without its last row is read beyond its end: at least not for ever */
#define DEPTH_MAX 8

/* Which row of which module an error is about: "FILE: params.members.name". */
struct place {
    const char *label;
    char path[256];
};

static struct place inside(const struct place *outer, const char *name)
{
    struct place place = {.label = outer->label};
    snprintf(place.path, sizeof place.path, "%.*s.%.64s", (int)sizeof place.path - 66, outer->path, name);
    return place;
}

static bool name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t length = strnlen(name, 65);
    return length >= 1 && length <= 64 && strspn(name, allowed) == length;
}

static enum larder_status check_name(const struct place *place, const struct larder_param *row, unsigned depth)
{
    if (strcmp(row->name, "*") == 0) {
        if (depth > 0 && row->type == LARDER_PARAM_MAP)
            return LARDER_OK;
        return ldr_fail(LARDER_INVALID, "%s: %s: got name \"*\", wanted it for a mapping inside a record only",
                        place->label, place->path);
    }
    if (!name_is_valid(row->name))
        return ldr_fail(LARDER_INVALID, "%s: %s: got name \"%.65s\", wanted 1 to 64 of [a-z0-9_]", place->label,
                        place->path, row->name);
    if (depth == 0 && strcmp(row->name, "plugin") == 0)
        return ldr_fail(LARDER_INVALID, "%s: %s: got name \"plugin\", wanted another: it names the module itself",
                        place->label, place->path);
    return LARDER_OK;
}

static bool is_counted(enum larder_param_type type)
{
    return type == LARDER_PARAM_INT || type == LARDER_PARAM_FLOAT || type == LARDER_PARAM_SIZE ||
           type == LARDER_PARAM_DURATION;
}

static bool is_list(enum larder_param_type type)
{
    return type == LARDER_PARAM_STRINGS || type == LARDER_PARAM_RECORDS || type == LARDER_PARAM_MAP;
}

static bool has_fields(enum larder_param_type type)
{
    return type == LARDER_PARAM_RECORD || type == LARDER_PARAM_RECORDS;
}

static bool is_bounded(const struct larder_param *row)
{
    return row->minimum != 0 || row->maximum != 0;
}

static enum larder_status check_bounds(const struct place *place, const struct larder_param *row)
{
    if (!is_bounded(row))
        return LARDER_OK;
    if (!is_counted(row->type) && !is_list(row->type) && row->type != LARDER_PARAM_STRING)
        return ldr_fail(LARDER_INVALID, "%s: %s: got a range, wanted none for a %s", place->label, place->path,
                        larder_param_type_name(row->type));
    if (!isfinite(row->minimum) || !isfinite(row->maximum) || row->minimum > row->maximum)
        return ldr_fail(LARDER_INVALID, "%s: %s: got the range %g to %g, wanted a minimum up to the maximum",
                        place->label, place->path, row->minimum, row->maximum);
    return LARDER_OK;
}

static enum larder_status check_shape(const struct place *place, const struct larder_param *row)
{
    if (row->type < LARDER_PARAM_BOOL || row->type > LARDER_PARAM_MAP)
        return ldr_fail(LARDER_INVALID, "%s: %s: got type %d, wanted %d to %d", place->label, place->path,
                        (int)row->type, LARDER_PARAM_BOOL, LARDER_PARAM_MAP);
    if (row->help == NULL || row->help[0] == '\0')
        return ldr_fail(LARDER_INVALID, "%s: %s: got no help, wanted one line", place->label, place->path);
    if (row->choices != NULL && row->type != LARDER_PARAM_STRING)
        return ldr_fail(LARDER_INVALID, "%s: %s: got choices, wanted none for a %s", place->label, place->path,
                        larder_param_type_name(row->type));
    if ((row->fields != NULL) != has_fields(row->type))
        return ldr_fail(LARDER_INVALID, "%s: %s: got %s, wanted %s for a %s", place->label, place->path,
                        row->fields != NULL ? "fields" : "no fields", row->fields != NULL ? "none" : "some",
                        larder_param_type_name(row->type));
    return check_bounds(place, row);
}

/* The default goes the way of a value that a user wrote, so that both mean the same. */
static enum larder_status check_default(const struct place *place, const struct larder_param *row)
{
    struct larder_param alone[] = {*row, {.name = NULL}};
    struct ldr_errors errors = {0};
    if (row->default_text == NULL)
        return LARDER_OK;
    alone[0].name = place->path;
    struct ldr_arena *arena = ldr_arena_open();
    if (arena == NULL)
        return ldr_fail_memory();
    enum larder_status status = LARDER_OK;
    if (ldr_schema_check(NULL, alone, NULL, arena, &errors) == NULL)
        status = ldr_fail_memory();
    else if (errors.count > 0)
        status = ldr_fail(LARDER_INVALID, "%s: %s", place->label, errors.first);
    ldr_arena_close(arena);
    return status;
}

static enum larder_status check_table(const struct place *outer, const struct larder_param *table, unsigned depth);

static enum larder_status check_row(const struct place *outer, const struct larder_param *table,
                                    const struct larder_param *row, unsigned depth)
{
    struct place place = inside(outer, row->name);
    enum larder_status status = check_name(&place, row, depth);
    for (const struct larder_param *before = table; before < row && status == LARDER_OK; before++)
        if (strcmp(before->name, row->name) == 0)
            status = ldr_fail(LARDER_INVALID, "%s: %s: got two rows, wanted one", place.label, place.path);
    if (status == LARDER_OK)
        status = check_shape(&place, row);
    if (status == LARDER_OK)
        status = check_default(&place, row);
    if (status == LARDER_OK && row->fields != NULL)
        status = check_table(&place, row->fields, depth + 1);
    return status;
}

static enum larder_status check_table(const struct place *outer, const struct larder_param *table, unsigned depth)
{
    enum larder_status status = LARDER_OK;
    if (depth > DEPTH_MAX)
        return ldr_fail(LARDER_INVALID, "%s: %s: got more than %d levels, wanted fewer", outer->label, outer->path,
                        DEPTH_MAX);
    for (const struct larder_param *row = table; row->name != NULL && status == LARDER_OK; row++)
        status = row - table < ROWS_MAX
                     ? check_row(outer, table, row, depth)
                     : ldr_fail(LARDER_INVALID, "%s: %s: got more than %d rows, wanted a last row without name",
                                outer->label, outer->path, ROWS_MAX);
    return status;
}

enum larder_status ldr_params_check(const char *label, const struct larder_param *params)
{
    struct place place = {.label = label, .path = "params"};
    return params != NULL ? check_table(&place, params, 0) : LARDER_OK;
}
