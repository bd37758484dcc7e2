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

/* Blanks go between columns only: a line does not end with some. */
static void print_cell(const struct table *table, size_t column, const char *shown, size_t columns, size_t width)
{
    int blanks = (int)(width - columns);
    bool right = table->columns[column].right, last = column + 1 == table->column_count;
    printf("%*s%s%*s%s", right ? blanks : 0, "", shown, right || last ? 0 : blanks, "", last ? "\n" : "  ");
}

static void print_row(const struct table *table, const struct cell *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, i, cells[i].shown, cells[i].columns, widths[i]);
}

static void print_titles(const struct table *table, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const char *title = table->columns[i].title;
        print_cell(table, i, title, strlen(title), widths[i]);
    }
}

enum exit_code table_print(struct table *table)
{
    size_t *widths = calloc(table->column_count, sizeof *widths);
    enum exit_code code = EXIT_DONE;
    if (table->failed || widths == NULL) {
        code = say_no_memory();
        goto done;
    }
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = width_of(table, i);
    if (!table->plain)
        print_titles(table, widths);
    for (size_t i = 0; i + table->column_count <= table->count; i += table->column_count)
        print_row(table, table->cells + i, widths);
done:
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].shown);
    free(table->cells);
    free(widths);
    *table = (struct table){0};
    return code;
}
