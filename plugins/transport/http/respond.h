/* From an answered exchange to the bytes of a response. */
#ifndef TRANSPORT_HTTP_RESPOND_H
#define TRANSPORT_HTTP_RESPOND_H

#include "exchange.h"
#include "plugins/transport/common/output.h"

/*
 * Queues the whole response. `date` has 29 bytes. With `last` it says that the connection closes after it. Large values are
 * handed to the output together with their pin. False: out of memory; the connection must be closed, since half a
 * response may be queued.
 */
bool http_respond(struct http_exchange *exchange, const char *date, bool last, struct tp_output *output);

#endif
