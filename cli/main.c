/* larder: finds the command that is meant and runs it. */
#include <ctype.h>
#include <curl/curl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "larder/larder.h"

struct command {
    const char *name, *arguments, *help;
    unsigned options;
    size_t least, most; /* arguments */
    enum exit_code (*run)(const struct options *options);
};

#define KEY_OPTIONS  (OPTIONS_KEY | OPTIONS_NODE)
#define SHOW_OPTIONS (OPTIONS_JSON | OPTIONS_NODE)

static const struct command commands[] = {
    {"get", "GROUP KEY", "writes a value to standard output", KEY_OPTIONS, 2, 2, command_get},
    {"set", "GROUP KEY [VALUE|-]", "stores a value, from standard input unless it is given", KEY_OPTIONS | OPTIONS_TTL,
     2, 3, command_set},
    {"del", "GROUP KEY", "deletes a key", KEY_OPTIONS, 2, 2, command_del},
    {"touch", "GROUP KEY", "gives a key a new time to live", KEY_OPTIONS | OPTIONS_TTL, 2, 2, command_touch},
    {"groups", "", "lists the groups and their settings", SHOW_OPTIONS, 0, 0, command_groups},
    {"stats", "[GROUP]", "shows the statistics of a node, or of one group", SHOW_OPTIONS | OPTIONS_CLUSTER, 0, 1,
     command_stats},
    {"top", "[GROUP]", "shows the keys that are asked for most, and how often", SHOW_OPTIONS | OPTIONS_TOP, 0, 1,
     command_top},
    {"cluster leave", "", "has a member hand its keys over, and go", OPTIONS_NODE, 0, 0, command_cluster_leave},
    {"cluster", "", "shows the members and their shares", SHOW_OPTIONS, 0, 0, command_cluster},
    {"plugin list", "", "lists the modules that are found", OPTIONS_JSON | OPTIONS_PLUGINS, 0, 0, command_plugin_list},
    {"plugin info", "NAME|FILE.so", "shows a module's parameters", OPTIONS_JSON | OPTIONS_PLUGINS, 1, 1,
     command_plugin_info},
    {"plugin check", "NAME|FILE.so", "checks whether a module keeps its contract",
     OPTIONS_JSON | OPTIONS_PLUGINS | OPTIONS_CHECK, 0, 1, command_plugin_check},
    {"bench", "", "puts load on a cluster, and measures", SHOW_OPTIONS | OPTIONS_BENCH, 0, 0, command_bench},
    {"sim", "", "simulates caches on a trace, and compares policies", OPTIONS_JSON | OPTIONS_PLUGINS | OPTIONS_SIM, 0,
     0, command_sim},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* All commands, or those whose name begins with `first`. */
static enum exit_code print_help(const char *first)
{
    puts("usage: larder COMMAND [ARGUMENT]... [OPTION]...\n\nReads, writes and looks at a Larder cache.\n");
    for (const struct command *command = commands; command < commands + COMMAND_COUNT; command++) {
        if (strncmp(command->name, first, strlen(first)) != 0)
            continue;
        int columns = printf("  %s %s", command->name, command->arguments);
        printf("%*s%s\n", columns < 30 ? 30 - columns : 1, "", command->help);
    }
    puts("\n'larder COMMAND --help' shows the options of a command; 'larder --version' the version.\n"
         "Exit codes: 0 done, 1 not found or a check failed, 2 wrong usage, 3 unreachable or refused.");
    return EXIT_DONE;
}

static enum exit_code print_command_help(const struct command *command)
{
    printf("usage: larder %s%s%s [OPTION]...\n\n%c%s.\n\n", command->name, command->arguments[0] ? " " : "",
           command->arguments, toupper((unsigned char)command->help[0]), command->help + 1);
    options_help(stdout, command->options);
    return EXIT_DONE;
}

/* Whether the command is named by the first words; how many these are. */
static int words_of(const struct command *command, int argc, char **argv)
{
    size_t length = strlen(argv[1]);
    if (strncmp(command->name, argv[1], length) != 0)
        return 0;
    if (command->name[length] == '\0')
        return 1;
    return argc > 2 && command->name[length] == ' ' && strcmp(command->name + length + 1, argv[2]) == 0 ? 2 : 0;
}

static enum exit_code say_unknown(int argc, char **argv)
{
    const char *names[COMMAND_COUNT];
    char typed[64];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    if (strcmp(argv[1], "plugin") == 0)
        snprintf(typed, sizeof typed, "plugin %s", argc > 2 ? argv[2] : "");
    else
        snprintf(typed, sizeof typed, "%s", argv[1]);
    const char *nearest = nearest_name(typed, names, COMMAND_COUNT);
    if (nearest != NULL)
        return say(EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", typed, nearest);
    return say(EXIT_USAGE, "unknown command '%s'; try 'larder --help'", typed);
}

static enum exit_code run(const struct command *command, int argc, char **argv)
{
    struct options options;
    enum exit_code code = options_parse(&options, command->name, command->options, argc, argv);
    if (code == EXIT_DONE && options.help)
        code = print_command_help(command);
    else if (code == EXIT_DONE && options.arguments.count < command->least)
        code = say(EXIT_USAGE, "%s: got %zu arguments, wanted %s", command->name, options.arguments.count,
                   command->arguments);
    else if (code == EXIT_DONE && options.arguments.count > command->most)
        code = say(EXIT_USAGE, "%s: unexpected argument '%s'", command->name, options.arguments.items[command->most]);
    else if (code == EXIT_DONE)
        code = command->run(&options);
    options_free(&options);
    return code;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* NULL: none is named. How many words its name has. */
static const struct command *find_command(int argc, char **argv, int *words)
{
    for (const struct command *command = commands; command < commands + COMMAND_COUNT; command++) {
        *words = words_of(command, argc, argv);
        if (*words > 0)
            return command;
    }
    return NULL;
}

/* "larder help stats" is "larder stats --help". */
static enum exit_code print_help_of(int argc, char **argv)
{
    int words;
    const struct command *command = argc > 1 ? find_command(argc, argv, &words) : NULL;
    if (command != NULL)
        return print_command_help(command);
    if (argc > 1 && strcmp(argv[1], "plugin") != 0)
        return say_unknown(argc, argv);
    return print_help(argc > 1 ? "plugin " : "");
}

static enum exit_code dispatch(int argc, char **argv)
{
    if (argc < 2)
        return say(EXIT_USAGE, "no command; try 'larder --help'");
    if (is_help(argv[1]))
        return print_help_of(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("larder %s\n", larder_version());
        return EXIT_DONE;
    }
    if (argc == 3 && strcmp(argv[1], "plugin") == 0 && is_help(argv[2]))
        return print_help("plugin ");
    int words;
    const struct command *command = find_command(argc, argv, &words);
    return command != NULL ? run(command, argc - words, argv + words) : say_unknown(argc, argv);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); /* which characters can be shown; numbers stay as they are */
    signal(SIGPIPE, SIG_IGN);
    bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    enum exit_code code = started ? dispatch(argc, argv) : say(EXIT_REFUSED, "libcurl cannot start");
    if (started)
        curl_global_cleanup();
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE)
        code = say(EXIT_REFUSED, "standard output cannot be written");
    return (int)code;
}
