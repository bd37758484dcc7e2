/* A request's head: the request line, and the few fields that matter here. */
#ifndef TRANSPORT_HTTP_HEAD_H
#define TRANSPORT_HTTP_HEAD_H

#include "larder/plugin/plugin.h"

/* As bits, so that a route can name those it takes. */
enum http_method {
    HTTP_METHOD_OTHER = 0,
    HTTP_METHOD_GET = 1u << 0,
    HTTP_METHOD_HEAD = 1u << 1,
    HTTP_METHOD_PUT = 1u << 2,
    HTTP_METHOD_POST = 1u << 3,
    HTTP_METHOD_PATCH = 1u << 4,
    HTTP_METHOD_DELETE = 1u << 5
};

/* The slices point into the head. A field that is not there has a size of 0 and data NULL. */
struct http_head {
    enum http_method method;
    unsigned minor; /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;
    bool chunked;
    bool expect_continue;
    uint64_t length; /* Content-Length; 0 when there is none */
    struct larder_slice target;
    struct larder_slice if_match, if_none_match, timeout;
};

/* Why a head is refused. */
struct http_refusal {
    int status;         /* 0: it is not */
    const char *detail; /* for people */
};

/* `data` is a whole head that http_scan_head() let through. After a refusal the connection cannot be kept. */
struct http_refusal http_head_parse(const char *data, size_t size, struct http_head *head);

#endif
