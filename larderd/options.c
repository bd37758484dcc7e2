#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: larderd --config FILE [--set PATH=VALUE]...\n"
    "       larderd --check --config FILE [--set PATH=VALUE]...\n"
    "\n"
    "Runs a Larder node: a cache server, alone or in a cluster.\n"
    "\n"
    "  -c, --config FILE      the configuration, YAML; default: $LARDER_CONFIG\n"
    "  -s, --set PATH=VALUE   one setting over the file's, as in node.name=b or groups.0.max_bytes=64MiB\n"
    "      --check            check the configuration, print every error, and end\n"
    "      --reference        print the reference of all settings as Markdown, and end\n"
    "  -h, --help             print this, and end\n"
    "  -V, --version          print the version, and end\n"
    "\n"
    "Signals: SIGTERM and SIGINT leave gracefully, a second one ends at once; SIGHUP reads the configuration again.\n"
    "Exit codes: 0 done, 1 the check failed, 2 wrong usage, 3 the node cannot start.\n";

void options_help(void)
{
    fputs(help, stdout);
}

static enum exit_code usage(void)
{
    fputs("larderd: try 'larderd --help'\n", stderr);
    return EXIT_USAGE;
}

static enum exit_code take_config(struct options *options, const char *path)
{
    if (path[0] == '\0') {
        fputs("larderd: --config: got an empty text, wanted a file name\n", stderr);
        return usage();
    }
    options->config = path;
    return EXIT_DONE;
}

static enum exit_code take_setting(struct options *options, const char *setting)
{
    if (!strchr(setting, '=')) {
        fprintf(stderr, "larderd: --set: got '%s', wanted PATH=VALUE\n", setting);
        return usage();
    }
    options->settings[options->setting_count++] = setting;
    return EXIT_DONE;
}

static enum exit_code read_option(struct options *options, int option)
{
    switch (option) {
    case 'c': return take_config(options, optarg);
    case 's': return take_setting(options, optarg);
    case 'C': options->action = ACTION_CHECK; return EXIT_DONE;
    case 'R': options->action = ACTION_REFERENCE; return EXIT_DONE;
    case 'h': options->action = ACTION_HELP; return EXIT_DONE;
    case 'V': options->action = ACTION_VERSION; return EXIT_DONE;
    default: return usage();
    }
}

/* Something must say what to serve: a file, or at least settings. */
static enum exit_code find_config(struct options *options)
{
    if (!options->config) {
        options->config = getenv("LARDER_CONFIG");
        if (options->config && options->config[0] == '\0')
            options->config = NULL;
    }
    if (options->config || options->setting_count > 0)
        return EXIT_DONE;
    if (options->action != ACTION_SERVE && options->action != ACTION_CHECK)
        return EXIT_DONE;
    fputs("larderd: no configuration: give --config FILE or set LARDER_CONFIG\n", stderr);
    return usage();
}

enum exit_code options_parse(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'},
        {"check", no_argument, NULL, 'C'},
        {"reference", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    memset(options, 0, sizeof *options);
    options->settings = calloc((size_t)argc + 1, sizeof *options->settings); /* at most one for each argument */
    if (!options->settings) {
        fputs("larderd: out of memory\n", stderr);
        return EXIT_REFUSED;
    }
    int option;
    while ((option = getopt_long(argc, argv, "c:s:hV", known, NULL)) != -1) {
        enum exit_code code = read_option(options, option);
        if (code != EXIT_DONE)
            return code;
        if (options->action == ACTION_HELP || options->action == ACTION_VERSION)
            return EXIT_DONE;
    }
    if (optind < argc) {
        fprintf(stderr, "larderd: unexpected argument '%s'\n", argv[optind]);
        return usage();
    }
    return find_config(options);
}

void options_free(struct options *options)
{
    free(options->settings);
}
