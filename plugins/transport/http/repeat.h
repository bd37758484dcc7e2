/*
 * Heads that repeat themselves. A client sends the same fields with each request of a connection, as a rule; a GET that differs
 * from the one before in its target only need not be scanned and parsed again, as both look at nothing but the bytes.
 */
#ifndef TRANSPORT_HTTP_REPEAT_H
#define TRANSPORT_HTTP_REPEAT_H

#include "head.h"
#include "scan.h"

#define HTTP_REPEAT_MAX 256 /* bytes after the target; longer heads are parsed each time */

/* Zeroed: nothing to repeat yet. */
struct http_repeat {
    size_t size; /* of `tail`, from the space after the target to the empty line */
    unsigned minor;
    bool keep_alive;
    char tail[HTTP_REPEAT_MAX];
};

/* Keeps what the head may be repeated by. `data` and `head` are those of http_head_parse(). */
void http_repeat_note(struct http_repeat *repeat, const char *data, size_t size, const struct http_head *head);

/* Fills the head when `data` begins with a repetition, and returns its size. 0: it does not, or not as far as can be seen. */
size_t http_repeat_match(const struct http_repeat *repeat, const struct http_limits *limits, const char *data,
                         size_t size, struct http_head *head);

#endif
