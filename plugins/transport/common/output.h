/* What waits to be written to a connection: copied bytes, coalesced, and pinned bytes that are written from where they lie. */
#ifndef TRANSPORT_COMMON_OUTPUT_H
#define TRANSPORT_COMMON_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "larder/plugin/plugin.h"

/* Zeroed: empty. Touched by one thread at a time. */
struct tp_chunk;
struct tp_output {
    struct tp_chunk *first, *last;
    size_t pending; /* bytes that wait */
};

/* False: out of memory, nothing was queued. */
bool tp_output_copy(struct tp_output *output, const void *data, size_t size);

/* Queues bytes without copying them; release(pin) is called once they are written or dropped. Small ones are copied. */
bool tp_output_pin(struct tp_output *output, struct larder_slice bytes, void (*release)(void *pin), void *pin);

/* Copies what still waits of the bytes queued with this pin, whose memory is about to go. False: out of memory. */
bool tp_output_own(struct tp_output *output, const void *pin);

/*
 * How much of what waits, up to `most` bytes, ends where a piece ends that was queued without copying it: so much can be moved
 * without copying, too. `most` when no piece ends before.
 */
size_t tp_output_whole(const struct tp_output *output, size_t most);

/* Moves the first `size` bytes, which wait, to the end of another. False: out of memory, and some may have been moved. */
bool tp_output_move(struct tp_output *from, struct tp_output *to, size_t size);

/* Writes as much as the socket takes, with writev. 0, also when it would block; -1 with errno when the connection is gone. */
int tp_output_write(struct tp_output *output, int fd);

/* Drops what waits. */
void tp_output_free(struct tp_output *output);

#endif
