/* Modules of a catalog under the type of their kind's table. */
#ifndef TESTS_UNIT_CATALOG_KIT_H
#define TESTS_UNIT_CATALOG_KIT_H

#include "core/plugin/catalog.h"

static inline const struct larder_eviction *find_eviction(struct ldr_catalog *catalog, const char *name)
{
    return (const struct larder_eviction *)(const void *)ldr_catalog_find(catalog, LARDER_PLUGIN_EVICTION, name);
}

static inline const struct larder_hash *find_hash(struct ldr_catalog *catalog, const char *name)
{
    return (const struct larder_hash *)(const void *)ldr_catalog_find(catalog, LARDER_PLUGIN_HASH, name);
}

static inline const struct larder_discovery *find_discovery(struct ldr_catalog *catalog, const char *name)
{
    return (const struct larder_discovery *)(const void *)ldr_catalog_find(catalog, LARDER_PLUGIN_DISCOVERY, name);
}

#endif
