#include "say.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum exit_code say(enum exit_code code, const char *format, ...)
{
    char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (size < 0)
        return say_no_memory();
    struct text shown = {0};
    text_puts(&shown, "larder: ");
    text_add_shown(&shown, line, (size_t)size);
    text_puts(&shown, "\n");
    free(line);
    if (shown.failed)
        code = say_no_memory();
    else
        fwrite(shown.data, 1, shown.size, stderr);
    text_free(&shown);
    return code;
}

enum exit_code say_no_memory(void)
{
    fputs("larder: out of memory\n", stderr);
    return EXIT_REFUSED;
}

/* ------------------------------------------------------------------------------------------------ the nearest name */

#define NAME_MAX_SIZE 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Edit distance of texts of at most NAME_MAX_SIZE bytes: insertions, deletions, replacements, and two neighbours that
 * changed places.
 */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_SIZE + 1], *before = rows[0], *above = rows[1], *row = rows[2], columns = strlen(b);
    for (size_t j = 0; j <= columns; j++)
        above[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        row[0] = i + 1;
        for (size_t j = 0; j < columns; j++) {
            row[j + 1] = least(above[j] + (a[i] != b[j]), 1 + least(above[j + 1], row[j]));
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
                row[j + 1] = least(row[j + 1], before[j - 1] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[columns];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t length = strlen(name), best = SIZE_MAX;
    if (length == 0 || length > NAME_MAX_SIZE)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) > NAME_MAX_SIZE)
            continue;
        size_t steps = distance(name, names[i]);
        size_t longer = length > strlen(names[i]) ? length : strlen(names[i]);
        if (steps < best && steps <= (longer + 2) / 3) {
            best = steps;
            nearest = names[i];
        }
    }
    return nearest;
}
