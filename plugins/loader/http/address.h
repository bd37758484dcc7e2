/* The address of the origin: a URL with {key}, and perhaps {group}, in its path or query. */
#ifndef LOADER_HTTP_ADDRESS_H
#define LOADER_HTTP_ADDRESS_H

#include "larder/plugin/plugin.h"

#define ORIGIN_REASON 256 /* room for a reason: one line, NUL-terminated */

struct origin_address {
    char *text;   /* as given; owned */
    char *host;   /* "example.com" or "example.com:8080", for messages; owned */
    bool in_path; /* {key} stands in the path */
};

/* False, with the reason in `reason` (of ORIGIN_REASON bytes), when the text is no such URL. */
bool origin_address_init(struct origin_address *address, const char *text, char *reason);
void origin_address_free(struct origin_address *address); /* zeroed is fine */

/*
 * Whether the key could lead out of the URL's path: a segment "." or ".." in it. Many origins decode a path before they
 * resolve such segments, so that encoding does not hide them.
 */
bool origin_address_climbs(const struct origin_address *address, struct larder_slice key);

/*
 * The URL of one key: each of its bytes that is not unreserved in the sense of RFC 3986 becomes %XX. To be freed; NULL: out
 * of memory.
 */
char *origin_address_expand(const struct origin_address *address, struct larder_slice group, struct larder_slice key);

#endif
