#include "core/plugin/kind.h"

#include "larder/plugin/discovery.h"
#include "larder/plugin/eviction.h"
#include "larder/plugin/hash.h"
#include "larder/plugin/loader.h"
#include "larder/plugin/transport.h"
#include "larder/plugins.h"

#define CALLBACK(type, member)                                                                                         \
    {                                                                                                                  \
#member, offsetof(struct type, member)                                                                         \
    }
#define END_OF(type, member) (offsetof(struct type, member) + sizeof(((struct type *)NULL)->member))

static const struct ldr_callback eviction_callbacks[] = {
    CALLBACK(larder_eviction, open),   CALLBACK(larder_eviction, close),  CALLBACK(larder_eviction, evict),
    CALLBACK(larder_eviction, insert), CALLBACK(larder_eviction, remove), {NULL, 0},
};

static const struct ldr_callback hash_callbacks[] = {CALLBACK(larder_hash, digest), {NULL, 0}};

static const struct ldr_callback transport_callbacks[] = {
    CALLBACK(larder_transport, open),       CALLBACK(larder_transport, listen),
    CALLBACK(larder_transport, address),    CALLBACK(larder_transport, drain),
    CALLBACK(larder_transport, close),      CALLBACK(larder_transport, peer_open),
    CALLBACK(larder_transport, peer_close), CALLBACK(larder_transport, call),
    CALLBACK(larder_transport, stats),      {NULL, 0},
};

static const struct ldr_callback discovery_callbacks[] = {
    CALLBACK(larder_discovery, open),
    CALLBACK(larder_discovery, start),
    CALLBACK(larder_discovery, close),
    {NULL, 0},
};

static const struct ldr_callback loader_callbacks[] = {
    CALLBACK(larder_loader, open),
    CALLBACK(larder_loader, load),
    CALLBACK(larder_loader, close),
    {NULL, 0},
};

static const struct ldr_kind kinds[] = {
    [LARDER_PLUGIN_EVICTION] = {LARDER_EVICTION_ABI, true, sizeof(struct larder_eviction),
                                END_OF(larder_eviction, remove), eviction_callbacks},
    [LARDER_PLUGIN_HASH] = {LARDER_HASH_ABI, true, sizeof(struct larder_hash), END_OF(larder_hash, digest),
                            hash_callbacks},
    [LARDER_PLUGIN_TRANSPORT] = {LARDER_TRANSPORT_ABI, false, sizeof(struct larder_transport),
                                 END_OF(larder_transport, stats), transport_callbacks},
    [LARDER_PLUGIN_DISCOVERY] = {LARDER_DISCOVERY_ABI, false, sizeof(struct larder_discovery),
                                 END_OF(larder_discovery, close), discovery_callbacks},
    [LARDER_PLUGIN_LOADER] = {LARDER_LOADER_ABI, false, sizeof(struct larder_loader), END_OF(larder_loader, close),
                              loader_callbacks},
};

const struct ldr_kind *ldr_kind(uint32_t kind)
{
    return kind >= LDR_KIND_FIRST && kind <= LDR_KIND_LAST ? &kinds[kind] : NULL;
}

const char *larder_param_type_name(enum larder_param_type type)
{
    switch (type) {
    case LARDER_PARAM_BOOL: return "true or false";
    case LARDER_PARAM_INT: return "whole number";
    case LARDER_PARAM_FLOAT: return "number";
    case LARDER_PARAM_SIZE: return "size";
    case LARDER_PARAM_DURATION: return "duration";
    case LARDER_PARAM_STRING: return "text";
    case LARDER_PARAM_STRINGS: return "list of texts";
    case LARDER_PARAM_RECORD: return "mapping";
    case LARDER_PARAM_RECORDS: return "list of mappings";
    case LARDER_PARAM_MAP: return "mapping of names to texts";
    case LARDER_PARAM_PLUGIN: return "plugin";
    case LARDER_PARAM_PLUGINS: return "list of plugins";
    }
    return "unknown";
}
