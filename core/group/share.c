#include "core/group/share.h"

#include <stdatomic.h>
#include <stdlib.h>

struct shared {
    _Atomic size_t holders;
    struct larder_reply reply;
};

static void release(void *pin)
{
    struct shared *shared = pin;
    /* acq_rel: all use of the value by other holders comes before it is let go here. */
    if (atomic_fetch_sub_explicit(&shared->holders, 1, memory_order_acq_rel) != 1)
        return;
    larder_reply_release(&shared->reply);
    free(shared);
}

void ldr_reply_share(struct larder_reply *reply, size_t count)
{
    if (count == 0)
        larder_reply_release(reply);
    if (count <= 1 || reply->release == NULL)
        return;
    struct shared *shared = malloc(sizeof *shared);
    if (shared == NULL) {
        larder_reply_release(reply);
        *reply = (struct larder_reply){.status = LARDER_NO_MEMORY};
        return;
    }
    atomic_init(&shared->holders, count);
    shared->reply = *reply;
    reply->release = release;
    reply->pin = shared;
}
