/* Blocks in a list; the newest of usual size is filled from its beginning. */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define ALIGNMENT  alignof(max_align_t)
#define BLOCK_SIZE 4096

struct grpc_arena_block {
    struct grpc_arena_block *next;
    alignas(max_align_t) char bytes[];
};

static void *allocator_alloc(void *arena, size_t size)
{
    return grpc_arena_alloc(arena, size);
}

static void allocator_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

static size_t misaligned(const char *at)
{
    return (size_t)(-(uintptr_t)at & (ALIGNMENT - 1));
}

static void use_first(struct grpc_arena *arena)
{
    arena->at = arena->first;
    arena->end = arena->first_size > 0 ? arena->first + arena->first_size : arena->first;
}

void grpc_arena_init(struct grpc_arena *arena, void *first, size_t first_size, size_t limit)
{
    *arena = (struct grpc_arena){.allocator = {allocator_alloc, allocator_free, arena},
                                 .first = first,
                                 .first_size = first_size,
                                 .limit = limit};
    use_first(arena);
}

/*
 * A block for at least `size` bytes. Large things get a block of their own, so that the rest of the one in use is not
 * lost.
 */
static void *alloc_in_new_block(struct grpc_arena *arena, size_t size)
{
    size_t capacity = size > BLOCK_SIZE / 2 ? size : BLOCK_SIZE;
    size_t left = arena->limit - arena->allocated;
    if (left < sizeof(struct grpc_arena_block) || left - sizeof(struct grpc_arena_block) < capacity) {
        arena->failed = arena->over_limit = true;
        return NULL;
    }
    size_t total = sizeof(struct grpc_arena_block) + capacity;
    struct grpc_arena_block *block = malloc(total);
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->allocated += total;
    if (capacity == BLOCK_SIZE) {
        arena->at = block->bytes + size;
        arena->end = block->bytes + capacity;
    }
    return block->bytes;
}

void *grpc_arena_alloc(struct grpc_arena *arena, size_t size)
{
    if (size == 0)
        size = 1; /* NULL means failure */
    size_t left = (size_t)(arena->end - arena->at), skipped = misaligned(arena->at);
    if (left < skipped || left - skipped < size)
        return alloc_in_new_block(arena, size);
    void *memory = arena->at + skipped;
    arena->at += skipped + size;
    return memory;
}

void grpc_arena_reset(struct grpc_arena *arena)
{
    while (arena->blocks != NULL) {
        struct grpc_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->allocated = 0;
    arena->failed = arena->over_limit = false;
    use_first(arena);
}
