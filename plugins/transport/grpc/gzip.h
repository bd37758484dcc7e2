/* Messages that a client has compressed. */
#ifndef TRANSPORT_GRPC_GZIP_H
#define TRANSPORT_GRPC_GZIP_H

#include "larder/plugin/plugin.h"

enum grpc_inflate { GRPC_INFLATED, GRPC_INFLATE_MALFORMED, GRPC_INFLATE_TOO_LARGE, GRPC_INFLATE_NO_MEMORY };

struct grpc_inflation {
    size_t limit;   /* most bytes of the outcome */
    size_t charged; /* bytes that charge() has been asked for already */
    /* Asked before the memory grows: to `charged` and what the outcome takes. False refuses. NULL: never asked. */
    bool (*charge)(void *arg, size_t size);
    void *arg;
};

/*
 * Undoes gzip or deflate (zlib's form); which of the two, the bytes tell. `*memory` is the outcome's, for free(), or NULL. Memory grows
 * with what comes out, never beyond twice of it, and never beyond the limit.
 */
enum grpc_inflate grpc_inflate(const struct grpc_inflation *inflation, struct larder_slice bytes, char **memory,
                               struct larder_slice *outcome);

#endif
