/* A list of chunks. Small writes are gathered in chunks of their own memory, large ones stay where they are. */
#include "output.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* The first chunk of a connection is small enough for the allocator's fast path: most answers fit. */
#define CHUNK_FIRST 960
#define CHUNK_NEXT  16384
/* From here on a pin, its release and a vector of its own cost less than the copy. */
#define PIN_MINIMUM 2048
#define VECTORS     64

struct tp_chunk {
    struct tp_chunk *next;
    const char *data; /* what is still to be written */
    size_t size;      /* of it */
    size_t room;      /* bytes free behind data + size; 0 when pinned */
    void (*release)(void *pin);
    void *pin;
    char bytes[];
};

static void append(struct tp_output *output, struct tp_chunk *chunk)
{
    if (output->last == NULL)
        output->first = chunk;
    else
        output->last->next = chunk;
    output->last = chunk;
}

bool tp_output_copy(struct tp_output *output, const void *data, size_t size)
{
    if (size == 0)
        return true;
    struct tp_chunk *last = output->last;
    size_t fits = last == NULL ? 0 : size < last->room ? size : last->room;
    struct tp_chunk *fresh = NULL;
    if (fits < size) {
        size_t usual = last == NULL ? CHUNK_FIRST : CHUNK_NEXT, rest = size - fits;
        size_t capacity = rest > usual ? rest : usual;
        if (capacity > SIZE_MAX - sizeof *fresh)
            return false;
        fresh = malloc(sizeof *fresh + capacity);
        if (fresh == NULL)
            return false;
        *fresh = (struct tp_chunk){.data = fresh->bytes, .size = rest, .room = capacity - rest};
        memcpy(fresh->bytes, (const char *)data + fits, rest);
    }
    if (fits > 0) {
        /* The chunk's bytes end where its room begins; `data` points into them. */
        memcpy(last->bytes + (last->data - last->bytes) + last->size, data, fits);
        last->size += fits;
        last->room -= fits;
    }
    if (fresh != NULL)
        append(output, fresh);
    output->pending += size;
    return true;
}

bool tp_output_pin(struct tp_output *output, struct larder_slice bytes, void (*release)(void *pin), void *pin)
{
    if (bytes.size < PIN_MINIMUM) {
        if (!tp_output_copy(output, bytes.data, bytes.size))
            return false;
        if (release != NULL)
            release(pin);
        return true;
    }
    struct tp_chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return false;
    *chunk = (struct tp_chunk){.data = bytes.data, .size = bytes.size, .release = release, .pin = pin};
    append(output, chunk);
    output->pending += bytes.size;
    return true;
}

bool tp_output_own(struct tp_output *output, const void *pin)
{
    for (struct tp_chunk *chunk = output->first; chunk != NULL; chunk = chunk->next) {
        if (chunk->pin != pin)
            continue;
        void *copy = malloc(chunk->size);
        if (copy == NULL)
            return false;
        chunk->data = memcpy(copy, chunk->data, chunk->size);
        if (chunk->release != NULL)
            chunk->release(chunk->pin);
        chunk->release = free;
        chunk->pin = copy;
    }
    return true;
}

size_t tp_output_whole(const struct tp_output *output, size_t most)
{
    size_t whole = 0;
    for (const struct tp_chunk *chunk = output->first; chunk != NULL && whole + chunk->size <= most;
         chunk = chunk->next)
        whole += chunk->size;
    return whole > 0 ? whole : most < output->pending ? most : output->pending;
}

static struct tp_chunk *take_first(struct tp_output *output)
{
    struct tp_chunk *chunk = output->first;
    output->first = chunk->next;
    if (output->first == NULL)
        output->last = NULL;
    output->pending -= chunk->size;
    chunk->next = NULL;
    return chunk;
}

static void drop_first(struct tp_output *output)
{
    struct tp_chunk *chunk = take_first(output);
    if (chunk->release != NULL)
        chunk->release(chunk->pin);
    free(chunk);
}

static void drop_written(struct tp_output *output, size_t written)
{
    while (output->first != NULL && written >= output->first->size) {
        written -= output->first->size;
        drop_first(output);
    }
    if (written > 0) {
        output->first->data += written;
        output->first->size -= written;
        output->pending -= written;
    }
}

/* Small chunks are gathered in the one before, as long as it has room. */
static bool is_gathered(const struct tp_output *to, const struct tp_chunk *chunk)
{
    return chunk->size < PIN_MINIMUM && to->last != NULL && to->last->room >= chunk->size;
}

bool tp_output_move(struct tp_output *from, struct tp_output *to, size_t size)
{
    while (size > 0) {
        size_t some = from->first->size < size ? from->first->size : size;
        if (some == from->first->size && !is_gathered(to, from->first)) {
            struct tp_chunk *chunk = take_first(from);
            append(to, chunk);
            to->pending += some;
        } else {
            if (!tp_output_copy(to, from->first->data, some))
                return false;
            drop_written(from, some);
        }
        size -= some;
    }
    return true;
}

/* writev, but without a SIGPIPE when the other side has closed. A single chunk, the usual case, goes without the vector. */
static ssize_t write_some(const struct tp_output *output, int fd, size_t *offered)
{
    const struct tp_chunk *chunk = output->first;
    *offered = chunk->size;
    if (chunk->next == NULL)
        return send(fd, chunk->data, chunk->size, MSG_NOSIGNAL);
    struct iovec vectors[VECTORS];
    struct msghdr message = {.msg_iov = vectors};
    for (*offered = 0; chunk != NULL && message.msg_iovlen < VECTORS; chunk = chunk->next) {
        /* The vector points to bytes that are not changed as if they might be. */
        vectors[message.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)chunk->data, chunk->size};
        *offered += chunk->size;
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

int tp_output_write(struct tp_output *output, int fd)
{
    while (output->first != NULL) {
        size_t offered;
        ssize_t written = write_some(output, fd, &offered);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        }
        drop_written(output, (size_t)written);
        if ((size_t)written < offered)
            return 0;
    }
    return 0;
}

void tp_output_free(struct tp_output *output)
{
    while (output->first != NULL)
        drop_first(output);
}
