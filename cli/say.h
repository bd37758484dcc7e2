/* What the program says when something is wrong, and the exit codes that go with it. */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stddef.h>

#include "larder/status.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NO = 1,     /* not found, or a check failed */
    EXIT_USAGE = 2,  /* wrong usage */
    EXIT_REFUSED = 3 /* unreachable, or refused */
};

/* One line on standard error, "larder: ...", with nothing in it that a terminal would obey. Returns `code`. */
enum exit_code say(enum exit_code code, const char *format, ...) LARDER_PRINTF(2, 3);

enum exit_code say_no_memory(void);

/* The nearest of `count` names, near enough to be meant; NULL: none is. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
