/* How long an answer may be kept: what Cache-Control and Age say to a shared cache (RFC 9111, RFC 5861). */
#ifndef LOADER_HTTP_FRESHNESS_H
#define LOADER_HTTP_FRESHNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/loader.h"

/* Seconds that a directive gives; of several, the shortest. */
struct origin_seconds {
    bool given;
    int64_t value;
};

/* Zeroed: nothing was said. */
struct origin_freshness {
    bool refused;    /* no-store, no-cache, private, or a lifetime that makes no sense */
    bool revalidate; /* never to be answered stale */
    struct origin_seconds max_age, shared_age, stale_while_revalidate, stale_if_error;
    int64_t age; /* seconds that the answer has spent in other caches */
};

/* Looks at one field of the head; other fields than these two are ignored. `line` is "Name: value", not terminated. */
void origin_freshness_field(struct origin_freshness *freshness, const char *line, size_t size);

/* Sets the time to live of a result and its windows, as far as they were told, and whether it must not be kept. */
void origin_freshness_tell(const struct origin_freshness *freshness, struct larder_load_result *result);

#endif
