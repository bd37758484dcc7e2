/* What the user asked for. */
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUNDS_MAX 25

struct settings {
    bool json, quick;
    const char *only;       /* rows: shell patterns separated by commas; NULL: all */
    const char *contenders; /* likewise */
    unsigned rounds;        /* of each cell, up to ROUNDS_MAX; medians are reported */
    double seconds;         /* of one cell and round */
    uint32_t keys;
};

bool settings_row(const struct settings *settings, const char *row);
bool settings_contender(const struct settings *settings, const char *name);

/* Takes over what the arguments say; `help` goes out when they ask for it, or make no sense. Ends the program then. */
void settings_read(struct settings *settings, int argc, char **argv, const char *help);

/* "model name : Xeon" of /proc/cpuinfo. */
void settings_processor(char *text, size_t capacity);

#endif
