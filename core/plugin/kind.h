/* What the host knows of each kind of module: its ABI, the size of its table and what must be in it. */
#ifndef LDR_PLUGIN_KIND_H
#define LDR_PLUGIN_KIND_H

#include "larder/plugin/plugin.h"

#define LDR_KIND_FIRST LARDER_PLUGIN_EVICTION
#define LDR_KIND_LAST  LARDER_PLUGIN_LOADER

/* A callback that every module of the kind has. */
struct ldr_callback {
    const char *name;
    size_t offset; /* of the function pointer in the table */
};

struct ldr_kind {
    uint32_t abi;    /* the current number */
    bool stable;     /* older numbers are taken, too */
    size_t size;     /* of the table as the host knows it */
    size_t required; /* the least size: up to the last member that every module has had since ABI 1 */
    const struct ldr_callback *callbacks; /* ends with a row whose name is NULL */
};

/* NULL: there is no such kind. */
const struct ldr_kind *ldr_kind(uint32_t kind);

#endif
