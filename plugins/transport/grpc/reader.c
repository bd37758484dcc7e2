#include "reader.h"

#include <stdlib.h>
#include <string.h>

/* The least that is allocated for a message that does not fit into `small`. */
#define FIRST_CAPACITY ((size_t)4096)

static void release_memory(struct grpc_reader *reader)
{
    if (reader->bytes != reader->small)
        free(reader->bytes);
    reader->bytes = NULL;
    reader->capacity = 0;
}

void grpc_reader_next(struct grpc_reader *reader)
{
    release_memory(reader);
    reader->prefix_got = 0;
    reader->size = reader->got = 0;
    reader->compressed = false;
}

void *grpc_reader_detach(struct grpc_reader *reader)
{
    void *bytes = reader->bytes != reader->small ? reader->bytes : NULL;
    reader->bytes = NULL;
    grpc_reader_next(reader);
    return bytes;
}

void grpc_reader_free(struct grpc_reader *reader)
{
    grpc_reader_next(reader);
}

static enum grpc_read read_prefix(struct grpc_reader *reader)
{
    const unsigned char *prefix = reader->prefix;
    if (prefix[0] > 1)
        return GRPC_READ_BAD_FLAG;
    reader->compressed = prefix[0] == 1;
    size_t size = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
    reader->size = size;
    if (size > reader->limit)
        return GRPC_READ_TOO_LARGE;
    if (size <= reader->small_size) {
        reader->bytes = reader->small;
        reader->capacity = reader->small_size;
    }
    return GRPC_READ_DONE;
}

/* Room for `more` bytes, which have arrived. */
static bool make_room(struct grpc_reader *reader, size_t more)
{
    size_t needed = reader->got + more;
    if (needed <= reader->capacity)
        return true;
    size_t capacity = needed > FIRST_CAPACITY / 2 ? needed * 2 : FIRST_CAPACITY;
    if (capacity > reader->size)
        capacity = reader->size;
    if (reader->charge != NULL && !reader->charge(reader->arg, capacity))
        return false;
    char *bytes = realloc(reader->bytes, capacity);
    if (bytes == NULL)
        return false;
    reader->bytes = bytes;
    reader->capacity = capacity;
    return true;
}

static size_t take(void *to, struct larder_slice *data, size_t wanted)
{
    size_t size = data->size < wanted ? data->size : wanted;
    if (size > 0)
        memcpy(to, data->data, size);
    *data = (struct larder_slice){(const char *)data->data + size, data->size - size};
    return size;
}

enum grpc_read grpc_reader_take(struct grpc_reader *reader, struct larder_slice *data)
{
    if (reader->prefix_got < GRPC_PREFIX_SIZE) {
        size_t wanted = GRPC_PREFIX_SIZE - reader->prefix_got;
        reader->prefix_got += (unsigned)take(reader->prefix + reader->prefix_got, data, wanted);
        if (reader->prefix_got < GRPC_PREFIX_SIZE)
            return GRPC_READ_MORE;
        enum grpc_read read = read_prefix(reader);
        if (read != GRPC_READ_DONE)
            return read;
    }
    size_t wanted = reader->size - reader->got, there = data->size < wanted ? data->size : wanted;
    if (there > 0) {
        if (!make_room(reader, there))
            return GRPC_READ_NO_MEMORY;
        reader->got += take(reader->bytes + reader->got, data, there);
    }
    return reader->got == reader->size ? GRPC_READ_DONE : GRPC_READ_MORE;
}
