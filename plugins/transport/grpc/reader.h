/*
 * gRPC's messages as they arrive: five bytes of prefix (a flag for compression, then the length, big-endian), then the
 * message. Pieces may end anywhere.
 */
#ifndef TRANSPORT_GRPC_READER_H
#define TRANSPORT_GRPC_READER_H

#include "larder/plugin/plugin.h"

#define GRPC_PREFIX_SIZE 5

enum grpc_read {
    GRPC_READ_MORE,      /* not complete yet */
    GRPC_READ_DONE,      /* the message is complete */
    GRPC_READ_TOO_LARGE, /* the prefix announces more than the limit; nothing of it was kept */
    GRPC_READ_BAD_FLAG,  /* the first byte is neither 0 nor 1 */
    GRPC_READ_NO_MEMORY  /* malloc failed, or charge() refused */
};

/*
 * Reads one message after the other. Memory grows as bytes arrive and never to more than twice of what has, whatever a
 * prefix announces. Zero it, set the first members, and free it when done.
 */
struct grpc_reader {
    size_t limit; /* most bytes of a message */
    char *small;  /* the owner's, for messages that fit; may be NULL */
    size_t small_size;
    /* Asked before the memory grows to `size` bytes. False refuses. NULL: never asked. */
    bool (*charge)(void *arg, size_t size);
    void *arg;
    /* The reader's. */
    unsigned char prefix[GRPC_PREFIX_SIZE];
    unsigned prefix_got;
    bool compressed;
    size_t size; /* announced; also when it is too large */
    size_t got;  /* of it */
    char *bytes; /* allocated, or `small` */
    size_t capacity;
};

/*
 * Takes from `*data`, which moves on, what belongs to the message under way. With DONE, grpc_reader_message() is the
 * message until grpc_reader_next(); what is left in `*data` belongs to the next. After a failure the reader takes no
 * more.
 */
enum grpc_read grpc_reader_take(struct grpc_reader *reader, struct larder_slice *data);

/* The complete message. Its memory is the reader's. */
static inline struct larder_slice grpc_reader_message(const struct grpc_reader *reader)
{
    return (struct larder_slice){reader->bytes, reader->size};
}

/* Whether a message has begun to arrive and is not complete. */
static inline bool grpc_reader_inside(const struct grpc_reader *reader)
{
    return reader->prefix_got > 0 && (reader->prefix_got < GRPC_PREFIX_SIZE || reader->got < reader->size);
}

/* Gives up the message that is complete, or was refused. Memory is kept for the next when it is `small`, else freed. */
void grpc_reader_next(struct grpc_reader *reader);

/* The memory of a complete message, for free(), or NULL when it lies in `small`; the reader has no message then. */
void *grpc_reader_detach(struct grpc_reader *reader);

void grpc_reader_free(struct grpc_reader *reader);

#endif
