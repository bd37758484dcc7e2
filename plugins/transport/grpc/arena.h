/*
 * Memory for the parts of one message, given back as a whole.
 *
 * protobuf-c allocates every field by itself; here that costs a few instructions, and nothing at all is asked of
 * malloc as long as the first block, which the owner lends, suffices. `limit` bounds what a message can become in
 * memory: a hostile one of two-byte fields would else take forty times its size.
 */
#ifndef TRANSPORT_GRPC_ARENA_H
#define TRANSPORT_GRPC_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct grpc_arena_block;

struct grpc_arena {
    ProtobufCAllocator allocator; /* for protobuf-c; freeing does nothing */
    char *at, *end;               /* free bytes of the block in use */
    char *first;                  /* the owner's block */
    size_t first_size;
    struct grpc_arena_block *blocks; /* allocated; newest first */
    size_t allocated;                /* bytes of them */
    size_t limit;                    /* most bytes of them */
    bool failed;                     /* something was refused, for want of memory or for the limit */
    bool over_limit;                 /* for the limit */
};

/* `first`, of `first_size` bytes, stays the owner's and may be NULL with 0. Does not allocate. */
void grpc_arena_init(struct grpc_arena *arena, void *first, size_t first_size, size_t limit);

/* Aligned for any type, not cleared. NULL: no memory, or the limit is reached. */
void *grpc_arena_alloc(struct grpc_arena *arena, size_t size);

/* Everything is free again; allocated blocks are given back. */
void grpc_arena_reset(struct grpc_arena *arena);

#endif
