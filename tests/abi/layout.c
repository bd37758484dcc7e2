/*
 * Everything that a module of ABI 1 was compiled with. Built twice, against the kept headers and against those of today:
 * a member that has moved, has another type or is gone differs, or does not even compile.
 */
#include "layout.h"

#include <larder/plugin/eviction.h>
#include <larder/plugin/hash.h>

#define MEMBER_OF(struct_name, member) (((struct struct_name *)NULL)->member)
#define SAME_TYPE(object, type)        __builtin_types_compatible_p(__typeof__(object), type)

/* clang-format off */
#define MEMBER(struct_name, member, type)                                                                              \
    {#struct_name "." #member, offsetof(struct struct_name, member), sizeof MEMBER_OF(struct_name, member),            \
     SAME_TYPE(MEMBER_OF(struct_name, member), type)}
#define SIZE(struct_name) {"sizeof " #struct_name, sizeof(struct struct_name), 0, true}
#define CONSTANT(name) {#name, name, 0, true}
/* clang-format on */

const struct layout_row LAYOUT[] = {
    MEMBER(larder_plugin, kind, uint32_t),
    MEMBER(larder_plugin, abi, uint32_t),
    MEMBER(larder_plugin, size, uint64_t),
    MEMBER(larder_plugin, name, const char *),
    MEMBER(larder_plugin, help, const char *),
    MEMBER(larder_plugin, params, const struct larder_param *),
    SIZE(larder_plugin), /* the tables' own members follow */

    MEMBER(larder_eviction, head, struct larder_plugin),
    MEMBER(larder_eviction, hit_max, uint32_t),
    MEMBER(larder_eviction, slot_bytes, uint32_t),
    MEMBER(larder_eviction, open, void *(*)(const struct larder_eviction_env *)),
    MEMBER(larder_eviction, close, void (*)(void *)),
    MEMBER(larder_eviction, evict, uint32_t (*)(void *)),
    MEMBER(larder_eviction, insert, void (*)(void *, uint32_t, const struct larder_object *)),
    MEMBER(larder_eviction, remove, void (*)(void *, uint32_t)),
    MEMBER(larder_eviction, hit, void (*)(void *, uint32_t)),
    MEMBER(larder_eviction, prepare, void (*)(void *, const struct larder_object *)),
    MEMBER(larder_eviction, update, void (*)(void *, uint32_t, const struct larder_object *)),
    MEMBER(larder_eviction, extra_bytes, uint64_t (*)(const void *)),

    MEMBER(larder_eviction_env, size, uint64_t),
    MEMBER(larder_eviction_env, max_slots, uint32_t),
    MEMBER(larder_eviction_env, expected, uint32_t),
    MEMBER(larder_eviction_env, capacity, uint64_t),
    MEMBER(larder_eviction_env, hits, uint8_t *),
    MEMBER(larder_eviction_env, params, const struct larder_param_value *),

    MEMBER(larder_object, digest, uint64_t),
    MEMBER(larder_object, charge, uint32_t),
    SIZE(larder_object),

    MEMBER(larder_hash, head, struct larder_plugin),
    MEMBER(larder_hash, digest, uint64_t (*)(const void *, size_t, uint64_t)),

    MEMBER(larder_param, name, const char *),
    MEMBER(larder_param, type, enum larder_param_type),
    MEMBER(larder_param, default_text, const char *),
    MEMBER(larder_param, minimum, double),
    MEMBER(larder_param, maximum, double),
    MEMBER(larder_param, choices, const char *),
    MEMBER(larder_param, fields, const struct larder_param *),
    MEMBER(larder_param, required, bool),
    MEMBER(larder_param, help, const char *),
    SIZE(larder_param),

    MEMBER(larder_param_value, name, const char *),
    MEMBER(larder_param_value, given, bool),
    MEMBER(larder_param_value, integer, int64_t),
    MEMBER(larder_param_value, number, double),
    MEMBER(larder_param_value, string, const char *),
    MEMBER(larder_param_value, count, size_t),
    MEMBER(larder_param_value, items, const struct larder_param_value *),
    SIZE(larder_param_value),

    CONSTANT(LARDER_PLUGIN_EVICTION),
    CONSTANT(LARDER_PLUGIN_HASH),
    CONSTANT(LARDER_PARAM_BOOL),
    CONSTANT(LARDER_PARAM_INT),
    CONSTANT(LARDER_PARAM_FLOAT),
    CONSTANT(LARDER_PARAM_SIZE),
    CONSTANT(LARDER_PARAM_DURATION),
    CONSTANT(LARDER_PARAM_STRING),
    CONSTANT(LARDER_PARAM_STRINGS),
    CONSTANT(LARDER_PARAM_RECORD),
    CONSTANT(LARDER_PARAM_RECORDS),
    CONSTANT(LARDER_PARAM_MAP),
    CONSTANT(LARDER_NO_SLOT),
    CONSTANT(LARDER_HITS_NONE),
    {NULL, 0, 0, true},
};
