/* Values of header fields and query parameters: durations and entity tags. */
#ifndef TRANSPORT_HTTP_FIELDS_H
#define TRANSPORT_HTTP_FIELDS_H

#include "larder/plugin/request.h"

/* "250ms", "30s", "5m", "1h" from 1 ms to `maximum`. False: it is none of these. */
bool http_parse_duration(struct larder_slice text, int64_t maximum, int64_t *ms);

/* A duration, or "none" for LARDER_TTL_NONE. */
bool http_parse_ttl(struct larder_slice text, int64_t *ttl_ms);

#define HTTP_ETAG_MAX 36 /* bytes that http_put_etag() writes at most, quotes included */
char *http_put_etag(char *at, struct larder_version version);

/* What a list of entity tags (RFC 9110, section 13.1) asks for. */
#define HTTP_TAGS 4
struct http_tags {
    bool any;                                  /* "*" */
    unsigned count;                            /* tags in the list, also such as no version of ours has */
    unsigned strong, weak;                     /* how many of `versions` are there; the strong ones lead */
    struct larder_version versions[HTTP_TAGS]; /* further ones are dropped: they match nothing */
};

/* False: malformed. */
bool http_parse_tags(struct larder_slice text, struct http_tags *tags);

/* Whether one of the tags names the version; weak ones count when `weak`. */
bool http_tags_match(const struct http_tags *tags, struct larder_version version, bool weak);

#endif
