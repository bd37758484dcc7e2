/* The options of a command line, read from one table that is their help, too. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "say.h"

/* Which options a command takes. */
enum option_set {
    OPTIONS_NODE = 1 << 0,    /* --node, --timeout */
    OPTIONS_KEY = 1 << 1,     /* --encoded */
    OPTIONS_TTL = 1 << 2,     /* --ttl */
    OPTIONS_JSON = 1 << 3,    /* --json */
    OPTIONS_CLUSTER = 1 << 4, /* --cluster */
    OPTIONS_PLUGINS = 1 << 5, /* --config, --plugin-path */
    OPTIONS_BENCH = 1 << 6,
    OPTIONS_SIM = 1 << 7,
    OPTIONS_CHECK = 1 << 8, /* --list, --seed */
    OPTIONS_TOP = 1 << 9    /* --count, --interval */
};

struct texts {
    const char **items;
    size_t count;
};

struct options {
    struct texts arguments; /* what is no option */
    struct texts nodes;     /* at least one */
    uint64_t timeout_ms;
    bool encoded;
    uint64_t ttl_ms; /* 0: not given */
    bool ttl_none;
    bool json;
    bool cluster;
    const char *config;
    struct texts plugin_paths;
    const char *trace; /* NULL: not given */
    const char *group;
    uint64_t connections, requests, duration_ms, keys, value_size, seed; /* requests, duration_ms: 0 without a limit */
    uint64_t shards;
    double get_ratio, zipf;
    struct texts policies, sizes;     /* as given: lists, or several of these */
    const char *unit, *sample, *plot; /* NULL: not given */
    bool csv, lenient;
    bool list;
    uint64_t count, interval_ms;
    bool help;
};

/* `argv` begins with the command's name. Free the options in any case. */
enum exit_code options_parse(struct options *options, const char *command, unsigned sets, int argc, char **argv);
void options_free(struct options *options);

/* The options of these sets, a line each. */
void options_help(FILE *out, unsigned sets);

#endif
