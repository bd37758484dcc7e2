/* Collects the lines that a check reports. */
#ifndef TEST_CONFIG_LINES_H
#define TEST_CONFIG_LINES_H

#include <stdio.h>
#include <string.h>

#define LINES_MAX 32

struct lines {
    char text[LINES_MAX][1024];
    unsigned count;
};

static inline void lines_add(void *arg, const char *line)
{
    struct lines *lines = arg;
    if (lines->count < LINES_MAX)
        snprintf(lines->text[lines->count], sizeof lines->text[0], "%s", line);
    lines->count++;
}

/* Exactly these lines, one under the other. "" is none. */
static inline void assert_lines(const struct lines *lines, const char *expected)
{
    char all[LINES_MAX * 1024] = "";
    for (unsigned i = 0; i < lines->count && i < LINES_MAX; i++) {
        strcat(all, lines->text[i]);
        strcat(all, "\n");
    }
    assert_string_equal(all, expected);
}

#endif
