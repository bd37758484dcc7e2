/*
 * Opens the modules of a checked configuration and closes them again: what only they can judge, an address or a URL, is
 * found before anything listens, and with its place in the file.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/runtime.h"
#include "core/node/settings.h"
#include "larder/plugin/discovery.h"
#include "larder/plugin/loader.h"
#include "larder/plugin/transport.h"

struct rehearsal {
    const struct ldr_settings *settings;
    const struct ldr_tree *tree; /* where errors point at */
    struct ldr_errors *errors;
    struct larder_host host;
    bool out_of_memory;
};

/* ------------------------------------------------------------------------------------------------ the host */

/* The node that opens the modules in earnest logs. */
static void drop_log(const struct larder_host *host, enum larder_log_level level, const char *format, ...)
{
    (void)host;
    (void)level;
    (void)format;
}

static enum larder_status keep_reason(const struct larder_host *host, enum larder_status status, const char *format,
                                      ...)
{
    (void)host;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return ldr_fail(status, "%s", message);
}

/* ------------------------------------------------------------------------------------------------ errors */

/* A module's reason begins with the name of a parameter where it is about one: then that is what the error points at. */
static void note(struct rehearsal *rehearsal, const struct ldr_tree *at, const char *path)
{
    const char *reason = larder_last_error();
    size_t length = strcspn(reason, ":");
    char name[64];
    if (larder_last_status() == LARDER_NO_MEMORY) {
        rehearsal->out_of_memory = true;
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), reason);
    const struct ldr_tree *parameter = ldr_tree_find(at, name);
    if (strncmp(reason, path, strlen(path)) == 0) /* says itself where */
        ldr_errors_add(rehearsal->errors, at, "%s", reason);
    else
        ldr_errors_add(rehearsal->errors, parameter != NULL ? parameter : at, "%s%s%s", path,
                       parameter != NULL ? "." : ": ", reason);
}

/* ------------------------------------------------------------------------------------------------ modules */

static void try_transports(struct rehearsal *rehearsal)
{
    const struct ldr_settings *settings = rehearsal->settings;
    const struct ldr_tree *list = ldr_tree_find(rehearsal->tree, "transports");
    const struct larder_transport_host host = {
        .base = rehearsal->host, .request_timeout_ms = settings->request_timeout_ms, .max_value = UINT64_MAX};
    for (size_t i = 0; i < settings->transport_count; i++) {
        const struct larder_transport *table = (const void *)settings->transports[i].table;
        void *state = table->open(&host, settings->transports[i].params);
        char path[48];
        snprintf(path, sizeof path, "transports[%zu]", i);
        if (state == NULL)
            note(rehearsal, list->items[i], path);
        table->close(state);
    }
}

static void try_discovery(struct rehearsal *rehearsal)
{
    const struct ldr_settings *settings = rehearsal->settings;
    const struct larder_discovery *table = (const void *)settings->cluster.discovery.table;
    const struct larder_member self = {.name = settings->node_name, .weight = 1};
    const struct larder_discovery_host host = {.base = rehearsal->host, .self = settings->gateway ? NULL : &self};
    if (table == NULL)
        return;
    void *state = table->open(&host, settings->cluster.discovery.params);
    if (state == NULL)
        note(rehearsal, ldr_tree_find(ldr_tree_find(rehearsal->tree, "cluster"), "discovery"), "cluster.discovery");
    table->close(state);
}

static void try_loaders(struct rehearsal *rehearsal)
{
    const struct ldr_settings *settings = rehearsal->settings;
    const struct ldr_tree *list = ldr_tree_find(rehearsal->tree, "groups");
    for (size_t i = 0; i < settings->group_count; i++) {
        const struct larder_loader *table = (const void *)settings->groups[i].loader.table;
        if (table == NULL)
            continue;
        void *state = table->open(&rehearsal->host, settings->groups[i].loader.params);
        char path[48];
        snprintf(path, sizeof path, "groups[%zu].loader", i);
        if (state == NULL)
            note(rehearsal, ldr_tree_find(list->items[i], "loader"), path);
        table->close(state);
    }
}

static enum larder_status rehearse(struct rehearsal *rehearsal)
{
    const struct larder_runtime *runtime = ldr_runtime_open(1, 1);
    if (runtime == NULL)
        return larder_last_status();
    rehearsal->host = (struct larder_host){
        .log = drop_log, .fail = keep_reason, .runtime = runtime, .node_name = rehearsal->settings->node_name};
    try_transports(rehearsal);
    try_discovery(rehearsal);
    try_loaders(rehearsal);
    ldr_runtime_close(runtime);
    if (rehearsal->out_of_memory)
        return ldr_fail_memory();
    return rehearsal->errors->count > 0 ? ldr_fail(LARDER_INVALID, "%s", rehearsal->errors->first) : LARDER_OK;
}

enum larder_status larder_config_rehearse(struct larder_config *config, void (*report)(void *arg, const char *line),
                                          void *arg)
{
    enum larder_status status = larder_config_check(config, report, arg);
    if (status != LARDER_OK)
        return status;
    struct ldr_errors errors = {.report = report, .arg = arg};
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    struct ldr_settings *settings = catalog != NULL ? ldr_settings_check(config, catalog, &errors) : NULL;
    struct ldr_tree *tree = settings != NULL ? ldr_config_merged(config) : NULL;
    struct rehearsal rehearsal = {.settings = settings, .tree = tree, .errors = &errors};
    status = tree != NULL ? rehearse(&rehearsal) : larder_last_status();
    ldr_tree_free(tree);
    ldr_settings_free(settings);
    ldr_catalog_close(catalog);
    return status;
}
