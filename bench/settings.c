#include "bench/settings.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/workload.h"

static bool matches(const char *patterns, const char *name)
{
    if (patterns == NULL)
        return true;
    for (const char *at = patterns; *at != '\0';) {
        char pattern[64];
        size_t length = strcspn(at, ",");
        snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        at += length + (at[length] == ',');
    }
    return false;
}

bool settings_row(const struct settings *settings, const char *row)
{
    return matches(settings->only, row);
}

bool settings_contender(const struct settings *settings, const char *name)
{
    return matches(settings->contenders, name);
}

enum {
    OPTION_JSON = 1,
    OPTION_QUICK,
    OPTION_ONLY,
    OPTION_CONTENDERS,
    OPTION_ROUNDS,
    OPTION_SECONDS,
    OPTION_KEYS,
    OPTION_HELP
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"quick", no_argument, NULL, OPTION_QUICK},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"contenders", required_argument, NULL, OPTION_CONTENDERS},
    {"rounds", required_argument, NULL, OPTION_ROUNDS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static double number(const char *text, const char *name, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        fprintf(stderr, "bench: --%s: got \"%s\", wanted a number from %g to %g\n", name, text, least, most);
        exit(2);
    }
    return value;
}

void settings_read(struct settings *settings, int argc, char **argv, const char *help)
{
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case OPTION_JSON: settings->json = true; break;
        case OPTION_QUICK:
            settings->quick = true;
            settings->rounds = 1;
            settings->seconds /= 3;
            settings->keys /= 5;
            break;
        case OPTION_ONLY: settings->only = optarg; break;
        case OPTION_CONTENDERS: settings->contenders = optarg; break;
        case OPTION_ROUNDS: settings->rounds = (unsigned)number(optarg, "rounds", 1, ROUNDS_MAX); break;
        case OPTION_SECONDS: settings->seconds = number(optarg, "seconds", 0.01, 60); break;
        case OPTION_KEYS: settings->keys = (uint32_t)number(optarg, "keys", 10000, REQUEST_NUMBER_MASK); break;
        case OPTION_HELP: fputs(help, stdout); exit(0);
        default: fputs(help, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "bench: unknown argument \"%s\"\n", argv[optind]);
        exit(2);
    }
}

void settings_processor(char *text, size_t capacity)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(text, capacity, "unknown processor");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            snprintf(text, capacity, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
}
