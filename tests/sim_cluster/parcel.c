#include "parcel.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "world.h"

static struct larder_slice copy(struct larder_slice slice)
{
    char *bytes = sim_allocate(slice.size + 1);
    if (slice.size > 0)
        memcpy(bytes, slice.data, slice.size);
    return ldr_slice(bytes, slice.size);
}

struct larder_request sim_request_copy(const struct larder_request *request)
{
    struct larder_request parcel = *request;
    parcel.group = copy(request->group);
    parcel.key = copy(request->key);
    parcel.value = copy(request->value);
    parcel.sender = copy(request->sender);
    parcel.cluster = copy(request->cluster);
    return parcel;
}

void sim_request_free(struct larder_request *request)
{
    free((void *)request->group.data);
    free((void *)request->key.data);
    free((void *)request->value.data);
    free((void *)request->sender.data);
    free((void *)request->cluster.data);
    *request = (struct larder_request){0};
}

/* All bytes in one piece, which the reply pins. */
struct larder_reply sim_reply_copy(const struct larder_reply *reply)
{
    struct larder_reply parcel = *reply;
    struct larder_slice *const slices[] = {&parcel.value, &parcel.cluster, &parcel.message};
    size_t size = 1;
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
        size += slices[i]->size;
    char *bytes = sim_allocate(size);
    parcel.pin = bytes;
    parcel.release = free;
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        if (slices[i]->size > 0)
            memcpy(bytes, slices[i]->data, slices[i]->size);
        slices[i]->data = bytes;
        bytes += slices[i]->size;
    }
    return parcel;
}
