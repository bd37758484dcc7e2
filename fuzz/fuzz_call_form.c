/* gRPC's call form: what can be read says the same when it is written and read again. */
#include "plugins/transport/grpc/call_form.h"
#include "plugins/transport/grpc/reader.h"
#include "same.h"

#define NOW   UINT64_C(1000000000)
#define LIMIT ((size_t)1 << 20)

static void try_request(struct larder_slice body, struct grpc_arena *arena)
{
    struct larder_request request, again;
    char reason[CALL_FORM_REASON];
    if (call_form_decode_request(body, NOW, arena, &request, reason) != LARDER_OK)
        return;
    struct larder_slice head;
    if (!call_form_encode_request(&request, NOW, arena, &head))
        return; /* the arena is full */
    const struct larder_slice parts[] = {head, request.value};
    struct larder_slice copy = join(parts, 2);
    struct larder_slice message = {(const char *)copy.data + GRPC_PREFIX_SIZE, copy.size - GRPC_PREFIX_SIZE};
    if (call_form_decode_request(message, NOW, arena, &again, reason) == LARDER_OK)
        expect_same_request(&request, &again);
    else
        FUZZ_EXPECT(arena->failed);
    free((void *)(uintptr_t)copy.data);
}

static void try_reply(struct larder_slice body, struct grpc_arena *arena)
{
    struct larder_reply reply, again;
    char reason[CALL_FORM_REASON];
    if (call_form_decode_reply(body, arena, &reply, reason) != LARDER_OK)
        return;
    struct larder_slice head;
    uint32_t number = call_form_reply_number(body);
    if (!call_form_encode_reply(&reply, number, arena, &head))
        return;
    const struct larder_slice parts[] = {head, reply.value};
    struct larder_slice copy = join(parts, 2);
    struct larder_slice message = {(const char *)copy.data + GRPC_PREFIX_SIZE, copy.size - GRPC_PREFIX_SIZE};
    FUZZ_EXPECT(call_form_reply_number(message) == number);
    if (call_form_decode_reply(message, arena, &again, reason) == LARDER_OK)
        expect_same_reply(&reply, &again);
    else
        FUZZ_EXPECT(arena->failed);
    free((void *)(uintptr_t)copy.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grpc_arena arena;
    grpc_arena_init(&arena, NULL, 0, LIMIT);
    try_request((struct larder_slice){data, size}, &arena);
    grpc_arena_reset(&arena);
    try_reply((struct larder_slice){data, size}, &arena);
    FUZZ_EXPECT(arena.allocated <= LIMIT);
    grpc_arena_reset(&arena);
    return 0;
}
