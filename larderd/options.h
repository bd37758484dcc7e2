/* The command line of larderd. */
#ifndef LARDERD_OPTIONS_H
#define LARDERD_OPTIONS_H

#include <stddef.h>

/* What the exit code says; the same for all programs of Larder. */
enum exit_code { EXIT_DONE = 0, EXIT_CHECK_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3 };

enum action { ACTION_SERVE, ACTION_CHECK, ACTION_REFERENCE, ACTION_HELP, ACTION_VERSION };

struct options {
    enum action action;
    const char *config;    /* of --config or LARDER_CONFIG; NULL: settings only */
    const char **settings; /* of --set, in order; point into argv */
    size_t setting_count;
};

/* Reads the command line. Anything but EXIT_DONE: the reason was printed. Free with options_free() in any case. */
enum exit_code options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

void options_help(void);

#endif
