/* What the user asked for. */
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/contender.h"

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
bool settings_contender(const struct settings *settings, const struct contender *contender);

#endif
