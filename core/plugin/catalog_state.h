/* Inside of the catalog, for the files that are about it: finding one module, not finding it, and listing all. */
#ifndef LDR_PLUGIN_CATALOG_STATE_H
#define LDR_PLUGIN_CATALOG_STATE_H

#include <pthread.h>

#include "core/plugin/catalog.h"
#include "core/plugin/module.h"
#include "core/plugin/search.h"

struct ldr_catalog {
    pthread_mutex_t lock;     /* guards `modules`; held while files are opened, so that each is opened once */
    struct ldr_search search; /* fixed once open */
    /* Every module that was found, the linked-in ones first; at most one a kind and name: the one that find() returns. */
    struct ldr_module **modules;
    size_t count;
};

/* The module of that kind and name among those found already; NULL: none. With the lock. */
struct ldr_module *ldr_catalog_known(const struct ldr_catalog *catalog, uint32_t kind, const char *name);

/* Keeps a module, or closes it when memory is short. With the lock. */
enum larder_status ldr_catalog_keep(struct ldr_catalog *catalog, struct ldr_module *module);

/* Puts into larder_last_error() that there is no such module, where it was searched for, and which name is near. */
void ldr_catalog_fail_missing(const struct ldr_catalog *catalog, uint32_t kind, const char *name);

/* Opens DIRECTORY/KIND/NAME.so, which must be of that kind. */
struct ldr_module *ldr_catalog_open_file(const char *path, uint32_t kind);

#endif
