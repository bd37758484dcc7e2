#include "options.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define DEFAULT_NODE "http://127.0.0.1:8001"
#define DAY_MS       86400000.0
#define TTL_MAX_MS   3155760000000.0 /* a hundred years */
#define COUNT_MAX    1e15
#define HELP_COLUMN  24

enum type { TYPE_FLAG, TYPE_TEXT, TYPE_TEXTS, TYPE_COUNT, TYPE_SIZE, TYPE_DURATION, TYPE_NUMBER, TYPE_TTL };

struct row {
    unsigned sets;
    const char *name, *argument;
    enum type type;
    size_t place;            /* in struct options */
    double minimum, maximum; /* inclusive, for numbers */
    const char *help;
};

#define PLACE(member) offsetof(struct options, member)

static const struct row rows[] = {
    {OPTIONS_NODE, "node", "URL", TYPE_TEXTS, PLACE(nodes), 0, 0,
     "the node to talk to; default: $LARDER_NODE, or " DEFAULT_NODE},
    {OPTIONS_NODE, "timeout", "TIME", TYPE_DURATION, PLACE(timeout_ms), 1, DAY_MS,
     "how long a request may take, like 500ms; default: what the node says, and at most 30s"},
    {OPTIONS_TTL, "ttl", "TIME", TYPE_TTL, PLACE(ttl_ms), 1, TTL_MAX_MS,
     "time to live, like 250ms, 30s, 5m or 1h, or none; default: the group's"},
    {OPTIONS_KEY, "encoded", NULL, TYPE_FLAG, PLACE(encoded), 0, 0,
     "KEY is percent-encoded: %00 is a byte 0, %25 a percent sign"},
    {OPTIONS_CLUSTER, "cluster", NULL, TYPE_FLAG, PLACE(cluster), 0, 0, "the sums over all members; wants a GROUP"},
    {OPTIONS_PLUGINS, "config", "FILE", TYPE_TEXT, PLACE(config), 0, 0,
     "search the plugins.path of this configuration"},
    {OPTIONS_PLUGINS, "plugin-path", "DIR", TYPE_TEXTS, PLACE(plugin_paths), 0, 0,
     "search this directory, too; can be given again"},
    {OPTIONS_BENCH, "trace", "FILE", TYPE_TEXT, PLACE(trace), 0, 0,
     "replay a trace, plain, gzip or zstd; - is standard input; default: random keys"},
    {OPTIONS_BENCH, "group", "NAME", TYPE_TEXT, PLACE(group), 0, 0, "the group to use; default: default"},
    {OPTIONS_BENCH, "connections", "N", TYPE_COUNT, PLACE(connections), 1, 4096,
     "connections, spread over all nodes; default: 12"},
    {OPTIONS_BENCH, "requests", "N", TYPE_COUNT, PLACE(requests), 1, COUNT_MAX,
     "end after this many; default: the whole trace, or 100000 random keys"},
    {OPTIONS_BENCH, "duration", "TIME", TYPE_DURATION, PLACE(duration_ms), 1, 1000 * DAY_MS, "end after this long"},
    {OPTIONS_BENCH, "keys", "N", TYPE_COUNT, PLACE(keys), 1, 1e12, "distinct random keys; default: 10000"},
    {OPTIONS_BENCH, "zipf", "S", TYPE_NUMBER, PLACE(zipf), 0, 10,
     "how much popular keys are preferred; 0: all alike; default: 0.99"},
    {OPTIONS_BENCH, "get-ratio", "R", TYPE_NUMBER, PLACE(get_ratio), 0, 1,
     "share of gets, the others are sets; default: 0.9; with 1 values come from the group's loader only"},
    {OPTIONS_BENCH, "value-size", "SIZE", TYPE_SIZE, PLACE(value_size), 0, 1 << 30,
     "bytes of a value that is set, where the trace does not tell; default: 100"},
    {OPTIONS_BENCH, "seed", "N", TYPE_COUNT, PLACE(seed), 0, COUNT_MAX, "of the random keys; default: 1"},
    {OPTIONS_SIM, "trace", "FILE", TYPE_TEXT, PLACE(trace), 0, 0,
     "the requests, plain, gzip or zstd; - is standard input"},
    {OPTIONS_SIM, "policy", "NAME,...", TYPE_TEXTS, PLACE(policies), 0, 0,
     "eviction modules, NAME or FILE.so, with parameters NAME:in=30:out=40; belady is the optimum"},
    {OPTIONS_SIM, "size", "N,...", TYPE_TEXTS, PLACE(sizes), 0, 0, "sizes of the cache, in the unit"},
    {OPTIONS_SIM, "unit", "UNIT", TYPE_TEXT, PLACE(unit), 0, 0,
     "objects, or bytes, and then sizes are like 64MiB; default: objects"},
    {OPTIONS_SIM, "sample", "1/N", TYPE_TEXT, PLACE(sample), 0, 0,
     "simulate a part of the keys in caches of that part of the size"},
    {OPTIONS_SIM, "shards", "N", TYPE_COUNT, PLACE(shards), 1, 4096,
     "divide keys and sizes as a group with so many shards does; default: 1"},
    {OPTIONS_SIM, "lenient", NULL, TYPE_FLAG, PLACE(lenient), 0, 0,
     "skip malformed lines, and tell how many there were"},
    {OPTIONS_SIM, "plot", "FILE.svg", TYPE_TEXT, PLACE(plot), 0, 0, "draw miss ratio against size, too"},
    {OPTIONS_SIM, "csv", NULL, TYPE_FLAG, PLACE(csv), 0, 0, "for spreadsheets, in the place of a table for people"},
    {OPTIONS_CHECK, "list", NULL, TYPE_FLAG, PLACE(list), 0, 0, "print the checks there are, and end"},
    {OPTIONS_CHECK, "seed", "N", TYPE_COUNT, PLACE(seed), 0, COUNT_MAX, "of the random calls; default: 1"},
    {OPTIONS_TOP, "count", "N", TYPE_COUNT, PLACE(count), 1, 1000, "keys to show at most; default: 20"},
    {OPTIONS_TOP, "interval", "TIME", TYPE_DURATION, PLACE(interval_ms), 100, DAY_MS,
     "between two looks, on a terminal; default: 1s"},
    {OPTIONS_JSON, "json", NULL, TYPE_FLAG, PLACE(json), 0, 0, "for programs, in the place of tables for people"},
    {~0u, "help", NULL, TYPE_FLAG, PLACE(help), 0, 0, "print this, and end"},
};

#define ROW_COUNT  (sizeof rows / sizeof *rows)
#define FIRST_CODE 256 /* what getopt_long() calls the first row; letters are below */

void options_help(FILE *out, unsigned sets)
{
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if ((row->sets & sets) == 0)
            continue;
        int columns = fprintf(out, "  --%s %s", row->name, row->argument != NULL ? row->argument : "");
        fprintf(out, "%*s%s\n", columns < HELP_COLUMN ? HELP_COLUMN - columns : 1, "", row->help);
    }
}

/* ------------------------------------------------------------------------------------------------ values */

static bool in_range(const struct row *row, double value)
{
    return value >= row->minimum && value <= row->maximum;
}

static bool take_number(const struct row *row, double *place, const char *text)
{
    char *end;
    if (strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    *place = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*place) && in_range(row, *place);
}

/* At most one for each argument was given, and so much room there is. */
static bool take_text(struct texts *texts, const char *text)
{
    texts->items[texts->count++] = text;
    return text[0] != '\0';
}

static bool take_value(const struct row *row, struct options *options, const char *text)
{
    void *place = (char *)options + row->place;
    switch (row->type) {
    case TYPE_FLAG: *(bool *)place = true; return true;
    case TYPE_TEXT: *(const char **)place = text; return text[0] != '\0';
    case TYPE_TEXTS: return take_text(place, text);
    case TYPE_COUNT: return units_parse_count(text, strlen(text), place) && in_range(row, (double)*(uint64_t *)place);
    case TYPE_SIZE: return units_parse_size(text, place) && in_range(row, (double)*(uint64_t *)place);
    case TYPE_NUMBER: return take_number(row, place, text);
    case TYPE_TTL:
        options->ttl_none = strcmp(text, "none") == 0;
        if (options->ttl_none)
            return true;
        break;
    case TYPE_DURATION: break;
    }
    return units_parse_duration(text, place) && in_range(row, (double)*(uint64_t *)place);
}

static void put_limit(const struct row *row, double value, char text[UNITS_TEXT])
{
    if (row->type == TYPE_DURATION || row->type == TYPE_TTL)
        units_duration(text, (uint64_t)value * 1000000);
    else if (row->type == TYPE_SIZE)
        units_size(text, (uint64_t)value);
    else
        snprintf(text, UNITS_TEXT, "%.15g", value);
}

static enum exit_code say_value(const char *command, const struct row *row, const char *text)
{
    char least[UNITS_TEXT], most[UNITS_TEXT];
    static const char *const wanted[] = {
        [TYPE_FLAG] = "nothing",           [TYPE_TEXT] = "a text",
        [TYPE_TEXTS] = "a text",           [TYPE_COUNT] = "a whole number",
        [TYPE_SIZE] = "a size like 64KiB", [TYPE_DURATION] = "a time like 250ms, 30s or 5m",
        [TYPE_NUMBER] = "a number",        [TYPE_TTL] = "a time like 250ms, 30s or 5m, or none,",
    };
    if (row->type == TYPE_TEXT || row->type == TYPE_TEXTS)
        return say(EXIT_USAGE, "%s: --%s: got an empty text, wanted %s", command, row->name, row->argument);
    put_limit(row, row->minimum, least);
    put_limit(row, row->maximum, most);
    return say(EXIT_USAGE, "%s: --%s: got '%s', wanted %s from %s to %s", command, row->name, text, wanted[row->type],
               least, most);
}

/* ------------------------------------------------------------------------------------------------ parsing */

/* What getopt_long() wants to know of the rows of these sets. */
static void fill_known(struct option known[ROW_COUNT + 1], unsigned sets)
{
    size_t count = 0;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if ((rows[i].sets & sets) != 0)
            known[count++] = (struct option){rows[i].name, rows[i].type == TYPE_FLAG ? no_argument : required_argument,
                                             NULL, FIRST_CODE + (int)i};
    known[count] = (struct option){0};
}

static enum exit_code say_unknown(const char *command, const char *option, const struct option *known)
{
    const char *names[ROW_COUNT];
    char name[64];
    size_t count = 0, length = strcspn(option, "=");
    for (; known[count].name != NULL; count++)
        names[count] = known[count].name;
    const char *nearest = NULL;
    if (length > 2 && length - 2 < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)(length - 2), option + 2);
        nearest = nearest_name(name, names, count);
    }
    if (nearest != NULL)
        return say(EXIT_USAGE, "%s: unknown option '%.*s'; did you mean '--%s'?", command, (int)length, option,
                   nearest);
    return say(EXIT_USAGE, "%s: unknown option '%.*s'; try 'larder %s --help'", command, (int)length, option, command);
}

/* What getopt_long() did not like. */
static enum exit_code say_bad(const char *command, int result, const char *argument, const struct option *known)
{
    if (optopt < FIRST_CODE || (size_t)(optopt - FIRST_CODE) >= ROW_COUNT)
        return optopt > 0
                   ? say(EXIT_USAGE, "%s: unknown option '-%c'; what begins with '-' goes after '--'", command, optopt)
                   : say_unknown(command, argument, known);
    const struct row *row = &rows[optopt - FIRST_CODE];
    if (result == ':')
        return say(EXIT_USAGE, "%s: --%s: got nothing, wanted %s", command, row->name, row->argument);
    return say(EXIT_USAGE, "%s: --%s takes no value", command, row->name);
}

static enum exit_code parse(struct options *options, const char *command, unsigned sets, int argc, char **argv)
{
    struct option known[ROW_COUNT + 1];
    fill_known(known, sets);
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (result == 'h')
            options->help = true;
        else if (result < FIRST_CODE)
            return say_bad(command, result, argv[optind - 1], known);
        else if (!take_value(&rows[result - FIRST_CODE], options, optarg))
            return say_value(command, &rows[result - FIRST_CODE], optarg);
    }
    for (; optind < argc; optind++)
        options->arguments.items[options->arguments.count++] = argv[optind];
    return EXIT_DONE;
}

enum exit_code options_parse(struct options *options, const char *command, unsigned sets, int argc, char **argv)
{
    *options = (struct options){.group = "default",
                                .connections = 12,
                                .keys = 10000,
                                .value_size = 100,
                                .seed = 1,
                                .shards = 1,
                                .count = 20,
                                .interval_ms = 1000,
                                .get_ratio = 0.9,
                                .zipf = 0.99};
    struct texts *const lists[] = {&options->arguments, &options->nodes, &options->plugin_paths, &options->policies,
                                   &options->sizes};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lists[i]->items = calloc((size_t)argc + 1, sizeof *lists[i]->items);
        if (lists[i]->items == NULL)
            return say_no_memory();
    }
    enum exit_code code = parse(options, command, sets, argc, argv);
    if (options->nodes.count == 0) {
        const char *node = getenv("LARDER_NODE");
        options->nodes.items[options->nodes.count++] = node != NULL && node[0] != '\0' ? node : DEFAULT_NODE;
    }
    return code;
}

void options_free(struct options *options)
{
    free(options->arguments.items);
    free(options->nodes.items);
    free(options->plugin_paths.items);
    free(options->policies.items);
    free(options->sizes.items);
}
