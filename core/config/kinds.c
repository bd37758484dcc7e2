/* The kinds of plugins by name, as rows of tables and messages call them. */
#include <string.h>

#include "core/config/schema.h"
#include "larder/plugins.h"

static const char *const names[] = {
    [LARDER_PLUGIN_EVICTION] = "eviction",   [LARDER_PLUGIN_HASH] = "hash",     [LARDER_PLUGIN_TRANSPORT] = "transport",
    [LARDER_PLUGIN_DISCOVERY] = "discovery", [LARDER_PLUGIN_LOADER] = "loader",
};

const char *larder_plugin_kind_name(enum larder_plugin_kind kind)
{
    return kind >= LARDER_PLUGIN_EVICTION && kind <= LARDER_PLUGIN_LOADER ? names[kind] : "unknown";
}

enum larder_plugin_kind ldr_schema_kind(const struct larder_param *row)
{
    unsigned kind = LARDER_PLUGIN_EVICTION;
    while (strcmp(names[kind], row->choices) != 0)
        kind++;
    return (enum larder_plugin_kind)kind;
}
