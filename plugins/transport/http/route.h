/* Between the files that make a request of a target. */
#ifndef TRANSPORT_HTTP_ROUTE_H
#define TRANSPORT_HTTP_ROUTE_H

#include "exchange.h"

/* The parameters of /v1/top, which lie in exchange->small; or refuses. */
void http_read_top(struct http_exchange *exchange, struct larder_slice query);

#endif
