/*
 * Finds the end of a request's head and refuses what must never reach the parser.
 *
 * llhttp, strict as it is, accepts a bare LF after the request line and before the body, folded fields and fields without a
 * name, and it has no limits. This goes over the lines first: every line ends with CR LF and has no other CR, no field
 * begins with white space or a colon, and lines, bytes and fields are counted while they arrive.
 */
#ifndef TRANSPORT_HTTP_SCAN_H
#define TRANSPORT_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct http_limits {
    size_t request_line; /* bytes, CR LF included */
    size_t header_bytes; /* of all fields together */
    size_t headers;      /* fields */
};

/* Zeroed: at the beginning of a head. */
struct http_scan {
    size_t line; /* where the line under way began */
    size_t at;   /* scanned up to here */
    size_t lines;
    size_t first; /* bytes of the first line */
};

enum http_scan_result {
    HTTP_SCAN_MORE,      /* no end yet; call again with the same bytes and more */
    HTTP_SCAN_DONE,      /* scan->at is the size of the head, the empty line included */
    HTTP_SCAN_BAD,       /* malformed */
    HTTP_SCAN_LONG_LINE, /* the request line is over its limit */
    HTTP_SCAN_LARGE,     /* the fields are over their limit */
    HTTP_SCAN_MANY       /* too many fields */
};

/* `data` begins with the head. A first byte that begins no method is refused at once. */
enum http_scan_result http_scan_head(struct http_scan *scan, const struct http_limits *limits, const char *data,
                                     size_t size);

/* The same for the fields after the last chunk of a body: there is no request line, and no field at all is fine. */
enum http_scan_result http_scan_trailer(struct http_scan *scan, const struct http_limits *limits, const char *data,
                                        size_t size);

#endif
