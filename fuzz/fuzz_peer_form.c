/* The peer form of http: what can be read says the same when it is written and read again. */
#include "plugins/transport/http/peer_form.h"
#include "same.h"

#define NOW UINT64_C(1000000000)

static void try_request(struct larder_slice body)
{
    struct larder_request request, again;
    char reason[PEER_FORM_REASON];
    unsigned char head[PEER_FORM_REQUEST_HEAD];
    if (!peer_form_decode_request(body, NOW, &request, reason))
        return;
    size_t size = peer_form_encode_request(&request, NOW, head);
    FUZZ_EXPECT(size > 0);
    const struct larder_slice parts[] = {{head, size}, request.cluster, request.key, request.value};
    struct larder_slice copy = join(parts, 4);
    FUZZ_EXPECT(peer_form_decode_request(copy, NOW, &again, reason));
    expect_same_request(&request, &again);
    free((void *)(uintptr_t)copy.data);
}

static void try_reply(struct larder_slice body)
{
    struct larder_reply reply, again;
    char reason[PEER_FORM_REASON];
    unsigned char head[PEER_FORM_REPLY_HEAD];
    if (!peer_form_decode_reply(body, &reply, reason))
        return;
    struct larder_slice cluster;
    size_t size = peer_form_encode_reply(&reply, head, &cluster);
    const struct larder_slice parts[] = {{head, size}, cluster, reply.value};
    struct larder_slice copy = join(parts, 3);
    FUZZ_EXPECT(peer_form_decode_reply(copy, &again, reason));
    expect_same_reply(&reply, &again);
    free((void *)(uintptr_t)copy.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_request((struct larder_slice){data, size});
    try_reply((struct larder_slice){data, size});
    return 0;
}
