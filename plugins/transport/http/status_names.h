/* The texts of statuses, of HTTP and of replies. A module imports nothing, so it brings its own. */
#ifndef TRANSPORT_HTTP_STATUS_NAMES_H
#define TRANSPORT_HTTP_STATUS_NAMES_H

#include "larder/status.h"

struct http_status_name {
    int http;          /* how the status is told over HTTP */
    const char *name;  /* "NOT_FOUND" */
    const char *slug;  /* "not-found", for the type of a problem */
    const char *title; /* "not found" */
};

/* Never NULL: a number out of range is told as 500. */
const struct http_status_name *http_status_name(enum larder_status status);

/* "404 Not Found"; for numbers that are not used here "500 Internal Server Error". */
const char *http_status_line(int http);

#endif
