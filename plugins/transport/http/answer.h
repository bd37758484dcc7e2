/* Bodies of answers that are made here: problems, the earlier system's texts, batches, states. */
#ifndef TRANSPORT_HTTP_ANSWER_H
#define TRANSPORT_HTTP_ANSWER_H

#include "exchange.h"
#include "text.h"

#define HTTP_TYPE_BYTES   "application/octet-stream"
#define HTTP_TYPE_JSON    "application/json"
#define HTTP_TYPE_PROBLEM "application/problem+json"
#define HTTP_TYPE_PLAIN   "text/plain; charset=utf-8"
#define HTTP_TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

/* Whether the route is one of the earlier system's, whose errors are plain text. */
bool http_is_old(enum http_kind kind);

/* Writes the body that goes with a refusal or a failed reply. Returns the HTTP status. */
int http_answer_failure(const struct http_exchange *exchange, struct http_text *text);

/* Writes the body of an answer that is not the reply's value. False: it cannot be made. */
bool http_answer_text(struct http_exchange *exchange, struct http_text *text);

/* Writes "GET, HEAD, PUT" and returns where it ended. At most 40 bytes. */
char *http_put_methods(char *at, unsigned methods);

#endif
