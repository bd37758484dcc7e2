/* The page at /status, embedded at build time from status.html. */
#ifndef TRANSPORT_HTTP_STATUS_PAGE_H
#define TRANSPORT_HTTP_STATUS_PAGE_H

#include <stddef.h>

extern const unsigned char http_status_page[];
extern const size_t http_status_page_size;

#endif
