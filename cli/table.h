/* A table for people: columns as wide as their widest cell, names shown so that a terminal obeys none of them. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "larder/status.h"
#include "say.h"

struct column {
    const char *title;
    bool right; /* numbers */
};

struct cell {
    char *shown;
    size_t columns;
};

struct table {
    const struct column *columns;
    size_t column_count;
    struct cell *cells; /* row by row */
    size_t count, capacity;
    bool failed;
    bool plain; /* without the line of titles */
};

/* The next cell. */
void table_cell(struct table *table, const char *format, ...) LARDER_PRINTF(2, 3);
void table_bytes(struct table *table, const char *data, size_t size); /* any bytes */
void table_blank(struct table *table);                                /* an empty one */
/* Two cells, a name and a text, of a table that has two columns. */
void table_pair(struct table *table, const char *name, const char *text);

/* Prints it to standard output and frees it. */
enum exit_code table_print(struct table *table);

#endif
