/*
 * Configuration: a YAML file, single settings by path, or both.
 *
 * A configuration is built first and checked when a node is opened with it (or by larder_config_check()). Errors are
 * one line each, "file:line:column: key: got X, wanted Y", with the nearest known name where one is likely meant.
 * Every function that returns a status may also return LARDER_NO_MEMORY.
 */
#ifndef LARDER_CONFIG_H
#define LARDER_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct larder_config;

/*
 * An empty configuration: a single node with no transports, no cluster and no groups. NULL when out of memory.
 * A configuration is not thread-safe; a node copies what it needs, so it may be freed right after larder_node_open().
 */
LARDER_API struct larder_config *larder_config_new(void);
LARDER_API void larder_config_free(struct larder_config *config); /* NULL is fine */

/*
 * Reads a YAML (or JSON) file in the place of whatever was read before; settings made with larder_config_set() stay and
 * win. A file that others may write is refused, behind a symbolic link too. LARDER_INVALID (the first error of the
 * syntax; no regular file; over 16 MiB) or LARDER_IO (it cannot be read) leave what was read before.
 */
LARDER_API enum larder_status larder_config_read(struct larder_config *config, const char *path);

/* The same from memory; `name` stands for the file in errors. */
LARDER_API enum larder_status larder_config_parse(struct larder_config *config, const char *text, size_t length,
                                                  const char *name);

/*
 * One setting: "node.name=b", "groups.0.max_bytes=64MiB", "cluster.discovery.members.1.weight=2". Lists are indexed
 * from 0; the index after the last appends. The value is YAML: a number, a text, a flow mapping. LARDER_INVALID when the
 * text is no setting at all; whether it fits to the rest is checked later.
 */
LARDER_API enum larder_status larder_config_set(struct larder_config *config, const char *setting);

/*
 * Adds a directory to search for modules, after those of `plugins.path` and before LARDER_PLUGIN_PATH and the installed
 * directory. The path is copied.
 */
LARDER_API enum larder_status larder_config_add_plugin_path(struct larder_config *config, const char *directory);

/*
 * Adds a module that is linked into the program: `table` points at its table, which must outlive every node opened with
 * this configuration. It wins over a file of the same kind and name. Checked later.
 */
struct larder_plugin;
LARDER_API enum larder_status larder_config_add_plugin(struct larder_config *config, const struct larder_plugin *table);

/*
 * Checks everything that can be checked without starting: keys, units, ranges, that every plugin is there and takes its
 * parameters, that names are unique and references resolve. Every error is handed to `report`, one line each without a
 * newline; NULL: they are dropped. A setting that does not fit to the rest, or an added module that is refused, is the
 * only error then: nothing else can be checked. LARDER_OK; LARDER_INVALID, and the first error is larder_last_error(),
 * too; or LARDER_NO_MEMORY, and what was reported may not be all.
 */
LARDER_API enum larder_status larder_config_check(const struct larder_config *config,
                                                  void (*report)(void *arg, const char *line), void *arg);

/*
 * The same, and then opens every transport, discovery and loader module with its parameters and closes it again, without
 * listening, announcing or loading: what only a module can judge is found, too, like an address, a URL, or a node that is
 * missing in its own list of members.
 */
LARDER_API enum larder_status larder_config_rehearse(struct larder_config *config,
                                                     void (*report)(void *arg, const char *line), void *arg);

/* Writes the reference of all settings, as Markdown, from the tables that check them. */
LARDER_API enum larder_status larder_config_reference(const struct larder_config *config, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
