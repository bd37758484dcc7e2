/* gRPC's messages as they arrive: however the bytes are cut into pieces, the same messages come out. */
#include <string.h>

#include "plugins/transport/grpc/reader.h"
#include "target.h"

#define LIMIT 4096

/* A digest of the messages that the bytes hold, and of how they end. */
static uint64_t read_all(const uint8_t *data, size_t size, size_t piece)
{
    char small[64];
    struct grpc_reader reader = {.limit = LIMIT, .small = small, .small_size = sizeof small};
    uint64_t digest = 1469598103934665603u;
    enum grpc_read got = GRPC_READ_MORE;
    for (size_t at = 0; at < size && got <= GRPC_READ_DONE; at += piece) {
        struct larder_slice part = {data + at, size - at < piece ? size - at : piece};
        while ((got = grpc_reader_take(&reader, &part)) == GRPC_READ_DONE) {
            struct larder_slice message = grpc_reader_message(&reader);
            FUZZ_EXPECT(message.size <= LIMIT);
            for (size_t i = 0; i < message.size; i++)
                digest = (digest ^ ((const uint8_t *)message.data)[i]) * 1099511628211u;
            digest = (digest ^ message.size) * 1099511628211u;
            grpc_reader_next(&reader);
            if (part.size == 0)
                break;
        }
        FUZZ_EXPECT(reader.capacity <= 2 * LIMIT);
    }
    digest += (uint64_t)(got > GRPC_READ_DONE ? got : GRPC_READ_MORE);
    grpc_reader_free(&reader);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = 1 + data[0] % 16;
    FUZZ_EXPECT(read_all(data + 1, size - 1, piece) == read_all(data + 1, size - 1, size));
    return 0;
}
