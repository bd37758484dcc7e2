/*
 * larderd: a node of Larder as a program. It reads the configuration, opens the node, and waits for signals; everything
 * else is the library's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "larder/larder.h"
#include "notify.h"
#include "options.h"

/* Errors of a configuration begin with "file:line:column:", which editors and people look for first in a line. */
static void print_line(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
}

static const char *config_name(const struct options *options)
{
    return options->config ? options->config : "settings";
}

/* The configuration of the options, not yet checked. NULL: the reason was printed. */
static struct larder_config *read_config(const struct options *options)
{
    struct larder_config *config = larder_config_new();
    if (!config)
        goto fail;
    for (size_t i = 0; i < options->setting_count; i++) {
        if (larder_config_set(config, options->settings[i]) != LARDER_OK)
            goto fail;
    }
    if (options->config && larder_config_read(config, options->config) != LARDER_OK)
        goto fail;
    return config;
fail:
    print_line(NULL, larder_last_error());
    larder_config_free(config);
    return NULL;
}

/* The same, checked: every error was printed when it is NULL. */
static struct larder_config *checked_config(const struct options *options)
{
    struct larder_config *config = read_config(options);
    if (config && larder_config_rehearse(config, print_line, NULL) != LARDER_OK) {
        larder_config_free(config);
        config = NULL;
    }
    return config;
}

static enum exit_code check(const struct options *options)
{
    struct larder_config *config = checked_config(options);
    if (!config)
        return EXIT_CHECK_FAILED;
    larder_config_free(config);
    printf("%s: ok\n", config_name(options));
    return EXIT_DONE;
}

static enum exit_code reference(const struct options *options)
{
    struct larder_config *config = read_config(options);
    if (!config)
        return EXIT_CHECK_FAILED;
    enum exit_code code = EXIT_DONE;
    if (larder_config_reference(config, stdout) != LARDER_OK) {
        fprintf(stderr, "larderd: %s\n", larder_last_error());
        code = EXIT_REFUSED;
    }
    larder_config_free(config);
    return code;
}

/* Signals are waited for, not handled: they are blocked before the node starts its threads, which inherit that. */
static void block_signals(sigset_t *signals)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(signals);
    const int waited[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < sizeof waited / sizeof waited[0]; i++) {
        sigaction(waited[i], &standard, NULL); /* a shell's background job starts with SIGINT ignored */
        sigaddset(signals, waited[i]);
    }
    sigprocmask(SIG_BLOCK, signals, NULL);
}

/* Opens a node that listens. NULL: the reason was printed. */
static struct larder_node *open_node(const struct options *options, enum exit_code *code)
{
    struct larder_config *config = checked_config(options);
    if (!config) {
        *code = EXIT_CHECK_FAILED;
        return NULL;
    }
    *code = EXIT_REFUSED;
    struct larder_node *node = larder_node_open(config);
    larder_config_free(config);
    if (!node) {
        fprintf(stderr, "larderd: %s\n", larder_last_error());
        return NULL;
    }
    char address[256];
    if (larder_node_address(node, 0, address, sizeof address) == LARDER_INVALID) {
        /* Fine for an embedded node, and never what is meant here. */
        fprintf(stderr,
                "larderd: %s: transports: got none, wanted at least one, like {plugin: http, listen: ADDRESS}\n",
                config_name(options));
        larder_node_close(node);
        *code = EXIT_CHECK_FAILED;
        return NULL;
    }
    return node;
}

static void reload(struct larder_node *node, const struct options *options)
{
    notify_reloading();
    struct larder_config *config = checked_config(options);
    if (!config)
        fputs("larderd: reload: the running configuration stays\n", stderr);
    else if (larder_node_reload(node, config) != LARDER_OK)
        fprintf(stderr, "larderd: reload: %s; what could not be changed stays as it was\n", larder_last_error());
    larder_config_free(config);
    notify_send("READY=1");
}

/* Every connection takes a descriptor. The soft limit is low for the sake of select(), which nothing here uses. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        perror("larderd: raising the limit of open files");
}

/* The node was told to leave its cluster, and has. No SIGTERM: where one came before, a second would end the process at once. */
static void end(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
}

static enum exit_code serve(const struct options *options)
{
    raise_descriptor_limit();
    sigset_t signals;
    block_signals(&signals);
    enum exit_code code;
    struct larder_node *node = open_node(options, &code);
    if (!node)
        return code;
    larder_node_on_left(node, end, NULL);
    notify_send("READY=1");

    int number;
    while ((number = sigwaitinfo(&signals, NULL)) == SIGHUP || (number < 0 && errno == EINTR)) {
        if (number == SIGHUP)
            reload(node, options);
    }

    notify_send("STOPPING=1");
    sigdelset(&signals, SIGHUP);
    sigdelset(&signals, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &signals, NULL); /* a second one ends the process, whatever is still under way */
    larder_node_close(node);
    return EXIT_DONE;
}

static enum exit_code run(const struct options *options)
{
    switch (options->action) {
    case ACTION_CHECK: return check(options);
    case ACTION_REFERENCE: return reference(options);
    case ACTION_HELP: options_help(); return EXIT_DONE;
    case ACTION_VERSION: printf("larderd %s\n", larder_version()); return EXIT_DONE;
    case ACTION_SERVE: break;
    }
    return serve(options);
}

int main(int argc, char **argv)
{
    struct options options;
    enum exit_code code = options_parse(&options, argc, argv);
    if (code == EXIT_DONE)
        code = run(&options);
    options_free(&options);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        perror("larderd: standard output");
        code = EXIT_REFUSED;
    }
    return (int)code;
}
