/*
 * A loader module: fetches one key from the origin.
 *
 * The contract matches exactly until 1.0.
 */
#ifndef LARDER_PLUGIN_LOADER_H
#define LARDER_PLUGIN_LOADER_H

#include "request.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_LOADER_ABI 2

/* Windows of a result. */
#define LARDER_WINDOW_DEFAULT INT64_C(0)  /* what the group says */
#define LARDER_WINDOW_NONE    INT64_C(-1) /* none */

/* What came back. The bytes belong to the loader and are valid during done() only. */
struct larder_load_result {
    enum larder_status status; /* OK, NOT_FOUND, TOO_LARGE, NO_MEMORY, DEADLINE, BUSY, LOAD_FAILED; else LOAD_FAILED */
    struct larder_slice value; /* with OK */
    int64_t ttl_ms;            /* > 0: from the origin; LARDER_TTL_DEFAULT: the group's; LARDER_TTL_NONE: for ever */
    bool no_store;             /* answer with it, but keep it not */
    struct larder_slice message; /* why it failed, for people */
    /* With OK: for how long after its time the value may be answered while it is loaded anew, or when that fails; in ms. */
    int64_t stale_while_revalidate_ms, stale_if_error_ms;
};

/* One load. Lives, with all bytes it points at, until done() was called. */
struct larder_load {
    struct larder_slice group;
    struct larder_slice key;
    uint64_t deadline;  /* complete with DEADLINE at this point of the runtime's clock at the latest */
    uint64_t max_value; /* complete with TOO_LARGE as soon as more bytes than this are announced or arrive */
    void (*done)(struct larder_load *load, const struct larder_load_result *result); /* exactly once, any thread */
};

struct larder_loader {
    struct larder_plugin head;
    /* Required. `params` follow the module's table. NULL: host->fail() was called with the reason. */
    void *(*open)(const struct larder_host *host, const struct larder_param_value *params);
    /* Required. Begins a load and returns at once; many at a time, on any thread. May complete before it returns. */
    void (*load)(void *state, struct larder_load *load);
    /* Required. Pending loads complete with LOAD_FAILED before it returns. NULL state is fine. */
    void (*close)(void *state);
};

#define LARDER_LOADER(name, help, params, ...)                                                                         \
    LARDER_PLUGIN_DEFINE(struct larder_loader, LARDER_PLUGIN_LOADER, LARDER_LOADER_ABI, name, help, params, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
