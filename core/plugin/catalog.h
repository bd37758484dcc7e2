/*
 * Finds, checks and opens modules. A catalog belongs to one node (or one call of the listing functions) and keeps what it
 * opened until it is closed.
 */
#ifndef LDR_PLUGIN_CATALOG_H
#define LDR_PLUGIN_CATALOG_H

#include "larder/plugin/discovery.h"
#include "larder/plugin/eviction.h"
#include "larder/plugin/hash.h"
#include "larder/plugin/loader.h"
#include "larder/plugin/transport.h"
#include "larder/plugins.h"

struct ldr_catalog;
struct ldr_module;

/*
 * Search order: `tables` (linked in by the embedder), modules linked into the library (static build), `paths` in order,
 * the directories of LARDER_PLUGIN_PATH (colon-separated), the build tree's or installed directory beside the library
 * (found through dladdr: LIB/../plugins in a build tree, LIB/larder/plugins when installed). Paths are copied.
 */
struct ldr_catalog_options {
    const char *const *paths;
    size_t path_count;
    const struct larder_plugin *const *tables;
    size_t table_count;
};
struct ldr_catalog *ldr_catalog_open(const struct ldr_catalog_options *options);
void ldr_catalog_close(struct ldr_catalog *catalog); /* NULL is fine. No object of a module may be left open. */

/*
 * Finds the module KIND/NAME: the file NAME.so in the sub-directory of the kind ("eviction/lru.so") or directly in a
 * directory of the search path, whose table then must say the same kind and name. Returns the host's own copy of the
 * table, sized as the host knows it, valid until the catalog is closed. NULL: the reason is in larder_last_error(): not
 * found names the directories searched and the nearest known name. Any thread.
 */
const struct larder_plugin *ldr_catalog_find(struct ldr_catalog *catalog, enum larder_plugin_kind kind,
                                             const char *name);

/* The same, and the module becomes the caller's, who closes it. */
struct ldr_module *ldr_catalog_take(struct ldr_catalog *catalog, enum larder_plugin_kind kind, const char *name);

/* See larder_plugins_each(). */
enum larder_status ldr_catalog_each(struct ldr_catalog *catalog,
                                    void (*each)(void *arg, const struct larder_plugin_info *info), void *arg);

#endif
