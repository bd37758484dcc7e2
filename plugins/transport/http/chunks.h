/* A body in chunks, decoded while it arrives. */
#ifndef TRANSPORT_HTTP_CHUNKS_H
#define TRANSPORT_HTTP_CHUNKS_H

#include <llhttp/llhttp.h>

#include "scan.h"
#include "text.h"

struct http_chunks {
    llhttp_t parser; /* first: the callbacks are given its address */
    struct http_text body;
    size_t limit;    /* most bytes of body */
    size_t overhead; /* bytes that were sizes and extensions */
    bool last, too_large;
    struct http_scan trailer;
};

enum http_chunks_result {
    HTTP_CHUNKS_MORE,
    HTTP_CHUNKS_DONE,
    HTTP_CHUNKS_BAD,
    HTTP_CHUNKS_TOO_LARGE,
    HTTP_CHUNKS_NO_MEMORY
};

void http_chunks_open(struct http_chunks *chunks, size_t limit);
void http_chunks_close(struct http_chunks *chunks); /* frees the body, unless it was taken */

/*
 * Decodes what has arrived; *used says how much of it is done with: the rest, of an unfinished trailer, must be given
 * again, in front of what comes. DONE: *used ends right after the body.
 */
enum http_chunks_result http_chunks_feed(struct http_chunks *chunks, const struct http_limits *limits, const char *data,
                                         size_t size, size_t *used);

#endif
