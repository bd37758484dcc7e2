/* POST /v1/groups/{group}/batch: many gets or sets in one request, answered together and in order. */
#ifndef TRANSPORT_HTTP_BATCH_H
#define TRANSPORT_HTTP_BATCH_H

#include "exchange.h"
#include "text.h"

#define HTTP_BATCH_MAX 1024 /* keys in one batch */

/* Reads the document; refuses the exchange when it makes no sense. */
void http_batch_parse(struct http_exchange *exchange, struct larder_slice document);

/* Submits all of it: see tp_submit(). */
bool http_batch_submit(struct http_exchange *exchange);

/* Writes the answers as JSON. Values that would make it too long are left out and marked TOO_LARGE. */
void http_batch_answer(const struct http_batch *batch, struct http_text *text);

void http_batch_free(struct http_batch *batch); /* NULL is fine */

#endif
