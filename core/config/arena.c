/* Memory that is given out piece by piece and freed as a whole. */
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/config/schema.h"

#define BLOCK_SIZE 4096

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

struct ldr_arena {
    struct block *blocks; /* the one being filled first */
};

struct ldr_arena *ldr_arena_open(void)
{
    return calloc(1, sizeof(struct ldr_arena));
}

void ldr_arena_close(struct ldr_arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->blocks != NULL) {
        struct block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    free(arena);
}

static struct block *add_block(struct ldr_arena *arena, size_t size)
{
    size_t total;
    if (size < BLOCK_SIZE)
        size = BLOCK_SIZE;
    if (!ldr_add(sizeof(struct block), size, &total))
        return NULL;
    struct block *block = calloc(1, total);
    if (block == NULL)
        return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *ldr_arena_alloc(struct ldr_arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (!ldr_add(size, align - 1, &size))
        return NULL;
    size -= size % align;
    struct block *block = arena->blocks;
    if (block == NULL || block->size - block->used < size) {
        block = add_block(arena, size);
        if (block == NULL)
            return NULL;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

char *ldr_arena_text(struct ldr_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ldr_arena_alloc(arena, size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}
