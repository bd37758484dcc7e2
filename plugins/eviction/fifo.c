/* FIFO: the entry that came first goes first, however often it was used. One list in the order of arrival. */
#include "larder/plugin/eviction.h"

#include <stdlib.h>

struct fifo {
    struct larder_link *links;
    struct larder_list list;
};

static void *fifo_open(const struct larder_eviction_env *env)
{
    struct fifo *fifo = calloc(1, sizeof *fifo);
    if (fifo == NULL)
        return NULL;
    fifo->links = calloc(env->max_slots, sizeof *fifo->links);
    if (fifo->links == NULL) {
        free(fifo);
        return NULL;
    }
    return fifo;
}

static void fifo_close(void *state)
{
    struct fifo *fifo = state;
    free(fifo->links);
    free(fifo);
}

static uint32_t fifo_evict(void *state)
{
    struct fifo *fifo = state;
    return larder_list_pop(&fifo->list, fifo->links);
}

static void fifo_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct fifo *fifo = state;
    (void)object;
    larder_list_push(&fifo->list, fifo->links, slot);
}

static void fifo_remove(void *state, uint32_t slot)
{
    struct fifo *fifo = state;
    larder_list_remove(&fifo->list, fifo->links, slot);
}

LARDER_EVICTION("fifo", "the entry that came first goes first", NULL, .hit_max = LARDER_HITS_NONE,
                .slot_bytes = sizeof(struct larder_link), .open = fifo_open, .close = fifo_close, .evict = fifo_evict,
                .insert = fifo_insert, .remove = fifo_remove);
