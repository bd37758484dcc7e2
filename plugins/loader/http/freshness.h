/* How long an answer may be kept: what Cache-Control and Age say to a shared cache (RFC 9111). */
#ifndef LOADER_HTTP_FRESHNESS_H
#define LOADER_HTTP_FRESHNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nothing was said. */
struct origin_freshness {
    bool refused; /* no-store, no-cache, private, or a lifetime that makes no sense */
    bool has_max_age, has_shared_age;
    int64_t max_age, shared_age; /* seconds; of several, the shortest */
    int64_t age;                 /* seconds that the answer has spent in other caches */
};

/* Looks at one field of the head; other fields than these two are ignored. `line` is "Name: value", not terminated. */
void origin_freshness_field(struct origin_freshness *freshness, const char *line, size_t size);

/* The time to live; LARDER_TTL_DEFAULT when none was told. *no_store: it must not be kept. */
int64_t origin_freshness_ttl(const struct origin_freshness *freshness, bool *no_store);

#endif
