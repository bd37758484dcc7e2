/*
 * A hash module: places keys on the ring.
 *
 * The digest decides which node owns a key, so it must be the same on every machine: no dependence on byte order,
 * word size, processor features or a per-process seed. It need not resist chosen keys; the in-memory index has a
 * keyed hash of its own. The host mixes the digest (fmix64 of MurmurHash3) before it uses it, so 32 good bits suffice.
 *
 * The ABI is stable: a module built against this header keeps working.
 */
#ifndef LARDER_PLUGIN_HASH_H
#define LARDER_PLUGIN_HASH_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_HASH_ABI 1

struct larder_hash {
    struct larder_plugin head;
    /* Required. Any thread, concurrently. `data` may be NULL when length is 0. Never fails, never allocates. */
    uint64_t (*digest)(const void *data, size_t length, uint64_t seed);
};

/* LARDER_HASH("fnv", "FNV-1a, 64 bits", NULL, .digest = fnv_digest); in C++ without ".digest =". */
#define LARDER_HASH(name, help, params, ...)                                                                           \
    LARDER_PLUGIN_DEFINE(struct larder_hash, LARDER_PLUGIN_HASH, LARDER_HASH_ABI, name, help, params, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
