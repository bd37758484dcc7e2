#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static bool make_room(struct table *table)
{
    if (table->count < table->capacity)
        return true;
    size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    struct cell *cells = reallocarray(table->cells, capacity, sizeof *cells);
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

static void add(struct table *table, const char *data, size_t size)
{
    struct text shown = {0};
    text_puts(&shown, "");
    size_t columns = text_add_shown(&shown, data, size);
    if (shown.failed || !make_room(table)) {
        text_free(&shown);
        table->failed = true;
        return;
    }
    table->cells[table->count++] = (struct cell){shown.data, columns};
}

void table_cell(struct table *table, const char *format, ...)
{
    char *data = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&data, format, arguments);
    va_end(arguments);
    if (size < 0) {
        table->failed = true;
        return;
    }
    add(table, data, (size_t)size);
    free(data);
}

void table_bytes(struct table *table, const char *data, size_t size)
{
    add(table, data, size);
}

void table_blank(struct table *table)
{
    add(table, "", 0);
}

void table_pair(struct table *table, const char *name, const char *text)
{
    add(table, name, strlen(name));
    add(table, text, strlen(text));
}

static size_t width_of(const struct table *table, size_t column)
{
    size_t width = table->plain ? 0 : strlen(table->columns[column].title);
    for (size_t i = column; i < table->count; i += table->column_count)
        if (table->cells[i].columns > width)
            width = table->cells[i].columns;
    return width;
}

static void add_cell(struct text *line, bool right, const char *shown, size_t columns, size_t width)
{
    int blanks = (int)(width - columns);
    text_printf(line, "%*s%s%*s  ", right ? blanks : 0, "", shown, right ? 0 : blanks, "");
}

/* Without the blanks at its end. */
static void print_line(struct table *table, struct text *line)
{
    while (line->size > 0 && line->data[line->size - 1] == ' ')
        line->size--;
    text_puts(line, "\n");
    if (line->failed)
        table->failed = true;
    else
        fwrite(line->data, 1, line->size, stdout);
    text_clear(line);
}

static void print_titles(struct table *table, struct text *line, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        add_cell(line, column->right, column->title, strlen(column->title), widths[i]);
    }
    print_line(table, line);
}

static void print_row(struct table *table, struct text *line, const struct cell *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++)
        add_cell(line, table->columns[i].right, cells[i].shown, cells[i].columns, widths[i]);
    print_line(table, line);
}

/* A table without rows has titles all the same: there is nothing, and it is known of what. */
static void print_rows(struct table *table, const size_t *widths)
{
    struct text line = {0};
    if (!table->plain)
        print_titles(table, &line, widths);
    for (size_t i = 0; i + table->column_count <= table->count; i += table->column_count)
        print_row(table, &line, table->cells + i, widths);
    text_free(&line);
}

enum exit_code table_print(struct table *table)
{
    size_t *widths = calloc(table->column_count, sizeof *widths);
    if (widths == NULL)
        table->failed = true;
    for (size_t i = 0; i < table->column_count && !table->failed; i++)
        widths[i] = width_of(table, i);
    if (!table->failed)
        print_rows(table, widths);
    enum exit_code code = table->failed ? say_no_memory() : EXIT_DONE;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].shown);
    free(table->cells);
    free(widths);
    *table = (struct table){0};
    return code;
}
