/* Listening sockets from an address as people write it. */
#ifndef TRANSPORT_COMMON_LISTENER_H
#define TRANSPORT_COMMON_LISTENER_H

#include "larder/plugin/plugin.h"

/* Whether the address has a form that tp_listen() takes. Looks up and binds nothing. On failure host->fail() was called. */
enum larder_status tp_listen_check(const struct larder_host *host, const char *text);

/*
 * Binds `count` sockets to one address, so that the kernel divides connections among them, and writes the address bound.
 * "127.0.0.1:8001", "[::1]:8001", "name:8001", or ":8001" for every address of the machine. With port 0 the first takes a
 * free one and the others share it. On failure host->fail() was called and all are closed.
 */
enum larder_status tp_listen(const struct larder_host *host, const char *text, int *sockets, size_t count,
                             char *address, size_t capacity);

#endif
