/* One connection to nodes, and requests over it, one at a time. */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <curl/curl.h>
#include <stdint.h>

#include "say.h"
#include "text.h"

struct http {
    CURL *curl;
    struct curl_slist *fields, *body_fields;
    uint64_t timeout_ms;
    char error[CURL_ERROR_SIZE];
    struct text body; /* of the last answer */
    long status;      /* of the last answer */
    CURLcode code;    /* of the last request; anything but CURLE_OK: there was no answer */
};

/* timeout_ms 0: the node's own, and 30 seconds at most. EXIT_DONE, or what was said; close it in any case. */
enum exit_code http_open(struct http *http, uint64_t timeout_ms);
void http_close(struct http *http);

/* Sends a request and waits for the answer; `body` NULL: it has none. False: there is no answer, see http_reason(). */
bool http_send(struct http *http, const char *method, const char *url, const void *body, size_t size);

/* Why there was no answer. Valid until the next request. */
const char *http_reason(const struct http *http);

/* A field of the last answer; NULL: it has none. */
const char *http_field(struct http *http, const char *name);

/* Whether the last answer is a problem of this type, as in "urn:larder:problem:no-group". */
bool http_is_problem(const struct http *http, const char *type);

/* Says why a node refused and which exit code that is. */
enum exit_code http_say_refused(const struct http *http, const char *node);

#endif
