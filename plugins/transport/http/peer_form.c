#include "peer_form.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "larder/plugin/numbers.h"

#define NO_DEADLINE UINT64_MAX
#define NS_PER_US   UINT64_C(1000)

static void put_ring(unsigned char *at, const struct larder_ring_view *ring)
{
    larder_put64(at, ring->epoch);
    larder_put64(at + 8, ring->checksum);
    larder_put64(at + 16, ring->settings);
}

static struct larder_ring_view get_ring(const unsigned char *at)
{
    return (struct larder_ring_view){larder_get64(at), larder_get64(at + 8), larder_get64(at + 16)};
}

/* memcpy() that takes the NULL of an empty slice. */
static size_t put_bytes(unsigned char *at, const void *data, size_t size)
{
    if (size > 0)
        memcpy(at, data, size);
    return size;
}

/* Microseconds from `now` to the deadline, rounded up, so that what is left of the last one still counts. */
static uint64_t remaining_us(uint64_t deadline, uint64_t now)
{
    if (deadline == LARDER_NEVER)
        return NO_DEADLINE;
    if (deadline <= now)
        return 0;
    return (deadline - now - 1) / NS_PER_US + 1;
}

static uint64_t deadline_after(uint64_t now, uint64_t us)
{
    uint64_t ns;
    uint64_t deadline;
    if (us == NO_DEADLINE || __builtin_mul_overflow(us, NS_PER_US, &ns) || __builtin_add_overflow(now, ns, &deadline))
        return LARDER_NEVER;
    return deadline;
}

size_t peer_form_encode_request(const struct larder_request *request, uint64_t now, unsigned char *head)
{
    if (request->group.size > UINT8_MAX || request->sender.size > UINT8_MAX || request->key.size > LARDER_KEY_MAX ||
        request->cluster.size > PEER_FORM_CLUSTER_MAX)
        return 0;
    head[0] = PEER_FORM_VERSION;
    head[1] = (unsigned char)request->operation;
    larder_put16(head + 2, (uint16_t)request->key.size);
    head[4] = (unsigned char)request->group.size;
    head[5] = (unsigned char)request->sender.size;
    larder_put16(head + 6, 0);
    larder_put32(head + 8, request->flags);
    larder_put64(head + 12, request->value.size);
    larder_put64(head + 20, (uint64_t)request->ttl_ms);
    larder_put64(head + 28, request->version.epoch);
    larder_put64(head + 36, request->version.clock);
    larder_put64(head + 44, remaining_us(request->deadline, now));
    put_ring(head + 52, &request->ring);
    larder_put32(head + 76, (uint32_t)request->cluster.size);
    size_t size = PEER_FORM_REQUEST_FIXED;
    size += put_bytes(head + size, request->group.data, request->group.size);
    size += put_bytes(head + size, request->sender.data, request->sender.size);
    return size;
}

/* The next `size` bytes of a body whose length was checked. */
static struct larder_slice take(const unsigned char **at, size_t size)
{
    struct larder_slice slice = {*at, size};
    *at += size;
    return slice;
}

/* False, with the reason, unless the body is as long as its fixed part, its short strings and its value need. */
static bool check_size(size_t got, size_t fixed, size_t strings, uint64_t value, const char *what, char *reason)
{
    uint64_t wanted;
    if (__builtin_add_overflow(value, (uint64_t)(fixed + strings), &wanted) || wanted != got) {
        snprintf(reason, PEER_FORM_REASON, "peer %s: got %zu bytes, wanted %zu and a value of %" PRIu64, what, got,
                 fixed + strings, value);
        return false;
    }
    return true;
}

/* The checks that both forms begin with. */
static bool check_head(struct larder_slice body, size_t fixed, const char *what, char *reason)
{
    if (body.size < fixed) {
        snprintf(reason, PEER_FORM_REASON, "peer %s: got %zu bytes, wanted %zu or more", what, body.size, fixed);
        return false;
    }
    unsigned version = *(const unsigned char *)body.data;
    if (version != PEER_FORM_VERSION) {
        snprintf(reason, PEER_FORM_REASON, "peer %s: version: got %u, wanted %d", what, version, PEER_FORM_VERSION);
        return false;
    }
    return true;
}

bool peer_form_decode_request(struct larder_slice body, uint64_t now, struct larder_request *request, char *reason)
{
    if (!check_head(body, PEER_FORM_REQUEST_FIXED, "request", reason))
        return false;
    const unsigned char *head = body.data;
    if (!larder_operation_known(head[1])) {
        snprintf(reason, PEER_FORM_REASON, "peer request: operation: got %u, which is not known here", head[1]);
        return false;
    }
    size_t key = larder_get16(head + 2);
    size_t group = head[4];
    size_t sender = head[5];
    if (larder_get16(head + 6) != 0) {
        snprintf(reason, PEER_FORM_REASON, "peer request: bytes 6 and 7: got %u, wanted 0", larder_get16(head + 6));
        return false;
    }
    uint32_t flags = larder_get32(head + 8);
    if ((flags & ~LARDER_REQUEST_FLAGS) != 0) {
        snprintf(reason, PEER_FORM_REASON,
                 "peer request: flags: got 0x%" PRIx32 ", of which 0x%" PRIx32 " is not known", flags,
                 flags & ~LARDER_REQUEST_FLAGS);
        return false;
    }
    uint64_t value = larder_get64(head + 12);
    size_t cluster = larder_get32(head + 76);
    if (!check_size(body.size, PEER_FORM_REQUEST_FIXED, group + sender + cluster + key, value, "request", reason))
        return false;
    const unsigned char *at = head + PEER_FORM_REQUEST_FIXED;
    *request = (struct larder_request){
        .operation = (enum larder_operation)head[1],
        .flags = flags | LARDER_REQUEST_PEER,
        .ttl_ms = (int64_t)larder_get64(head + 20),
        .version = {larder_get64(head + 28), larder_get64(head + 36)},
        .deadline = deadline_after(now, larder_get64(head + 44)),
        .ring = get_ring(head + 52),
    };
    request->group = take(&at, group);
    request->sender = take(&at, sender);
    request->cluster = take(&at, cluster);
    request->key = take(&at, key);
    request->value = take(&at, (size_t)value);
    return true;
}

size_t peer_form_encode_reply(const struct larder_reply *reply, unsigned char *head, struct larder_slice *cluster)
{
    size_t message = reply->message.size < PEER_FORM_MESSAGE_MAX ? reply->message.size : PEER_FORM_MESSAGE_MAX;
    *cluster = reply->cluster.size <= PEER_FORM_CLUSTER_MAX ? reply->cluster : (struct larder_slice){0};
    head[0] = PEER_FORM_VERSION;
    head[1] = (unsigned char)reply->status;
    head[2] = (unsigned char)reply->source;
    head[3] = 0;
    larder_put32(head + 4, reply->flags & LARDER_REPLY_FLAGS);
    larder_put64(head + 8, reply->value.size);
    larder_put64(head + 16, (uint64_t)reply->ttl_ms);
    larder_put64(head + 24, reply->version.epoch);
    larder_put64(head + 32, reply->version.clock);
    put_ring(head + 40, &reply->ring);
    larder_put16(head + 64, (uint16_t)message);
    larder_put16(head + 66, 0);
    larder_put32(head + 68, (uint32_t)cluster->size);
    return PEER_FORM_REPLY_FIXED + put_bytes(head + PEER_FORM_REPLY_FIXED, reply->message.data, message);
}

bool peer_form_decode_reply(struct larder_slice body, struct larder_reply *reply, char *reason)
{
    if (!check_head(body, PEER_FORM_REPLY_FIXED, "reply", reason))
        return false;
    const unsigned char *head = body.data;
    if (head[1] >= LARDER_STATUS_COUNT || head[2] > LARDER_SOURCE_LOADER || head[3] != 0 ||
        larder_get16(head + 66) != 0) {
        snprintf(reason, PEER_FORM_REASON,
                 "peer reply: got status %u, source %u and byte 3 as %u, of which one is not known", head[1], head[2],
                 head[3]);
        return false;
    }
    uint64_t value = larder_get64(head + 8);
    size_t message = larder_get16(head + 64);
    size_t cluster = larder_get32(head + 68);
    if (!check_size(body.size, PEER_FORM_REPLY_FIXED, message + cluster, value, "reply", reason))
        return false;
    const unsigned char *at = head + PEER_FORM_REPLY_FIXED;
    *reply = (struct larder_reply){
        .status = (enum larder_status)head[1],
        .source = (enum larder_source)head[2],
        .flags = larder_get32(head + 4) & LARDER_REPLY_FLAGS,
        .ttl_ms = (int64_t)larder_get64(head + 16),
        .version = {larder_get64(head + 24), larder_get64(head + 32)},
        .ring = get_ring(head + 40),
    };
    reply->message = take(&at, message);
    reply->cluster = take(&at, cluster);
    reply->value = take(&at, (size_t)value);
    return true;
}
