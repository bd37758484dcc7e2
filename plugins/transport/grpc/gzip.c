#include "gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define FIRST_CAPACITY ((size_t)4096)
#define ANY_HEADER     (15 + 32) /* the largest window; gzip's or zlib's header */

/* More room behind the bytes that have come out. */
static enum grpc_inflate grow(const struct grpc_inflation *inflation, z_stream *stream, char **memory, size_t *capacity)
{
    size_t size = *capacity - stream->avail_out;
    /* One byte over the limit tells that there is more. */
    size_t most = inflation->limit + 1, wanted = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    if (*capacity == most)
        return GRPC_INFLATE_TOO_LARGE;
    if (wanted > most)
        wanted = most;
    if (inflation->charge != NULL && !inflation->charge(inflation->arg, inflation->charged + wanted))
        return GRPC_INFLATE_NO_MEMORY;
    char *larger = realloc(*memory, wanted);
    if (larger == NULL)
        return GRPC_INFLATE_NO_MEMORY;
    *memory = larger;
    *capacity = wanted;
    stream->next_out = (Bytef *)larger + size;
    stream->avail_out = (uInt)(wanted - size);
    return GRPC_INFLATED;
}

static enum grpc_inflate run(const struct grpc_inflation *inflation, z_stream *stream, char **memory, size_t *size)
{
    size_t capacity = 0;
    for (;;) {
        if (stream->avail_out == 0) {
            enum grpc_inflate grown = grow(inflation, stream, memory, &capacity);
            if (grown != GRPC_INFLATED)
                return grown;
        }
        int status = inflate(stream, Z_NO_FLUSH);
        *size = capacity - stream->avail_out;
        if (status == Z_STREAM_END)
            break;
        if (status == Z_MEM_ERROR)
            return GRPC_INFLATE_NO_MEMORY;
        if (status != Z_OK || (stream->avail_in == 0 && stream->avail_out > 0))
            return GRPC_INFLATE_MALFORMED;
    }
    if (*size > inflation->limit)
        return GRPC_INFLATE_TOO_LARGE;
    return stream->avail_in == 0 ? GRPC_INFLATED : GRPC_INFLATE_MALFORMED;
}

enum grpc_inflate grpc_inflate(const struct grpc_inflation *inflation, struct larder_slice bytes, char **memory,
                               struct larder_slice *outcome)
{
    /* zlib does not write to what it reads. */
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes.data, .avail_in = (uInt)bytes.size};
    *memory = NULL;
    if (bytes.size > UINT_MAX || inflation->limit >= UINT_MAX)
        return GRPC_INFLATE_TOO_LARGE;
    if (inflateInit2(&stream, ANY_HEADER) != Z_OK)
        return GRPC_INFLATE_NO_MEMORY;
    size_t size = 0;
    enum grpc_inflate result = run(inflation, &stream, memory, &size);
    inflateEnd(&stream);
    *outcome = (struct larder_slice){*memory, size};
    return result;
}
