/* A growing piece of text or bytes; one failed allocation is remembered, so that only the end need be checked. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "larder/status.h"

struct text {
    char *data; /* terminated by a NUL that does not count, or NULL while nothing was added */
    size_t size, capacity;
    bool failed; /* an allocation failed: what was to be added is missing */
};

void text_add(struct text *text, const void *data, size_t size);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) LARDER_PRINTF(2, 3);
void text_clear(struct text *text); /* empties it and keeps its memory */
void text_free(struct text *text);

/* The text, or "" where there is none. */
const char *text_string(const struct text *text);

/*
 * Adds bytes so that a terminal shows them and obeys none of them: what is not printable in the locale comes as \xNN.
 * Returns the columns that were added.
 */
size_t text_add_shown(struct text *text, const char *data, size_t size);

#endif
