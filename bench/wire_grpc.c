/*
 * larder.v1.Cache/Get over HTTP/2 in clear, for the load. Headers are always the same, so that they are encoded twice and for
 * all: as a connection's first request has them, and as all others do. Of an answer only frames are looked at: a stream
 * that ended without a message of the value's size was refused, and shows in the count of bytes.
 */
#include "bench/wire_client.h"
#include "bench/workload.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#define FRAME_HEAD  9
#define WINDOW      (1u << 30) /* of the whole connection; each stream keeps the 64 KiB it begins with */
#define CREDIT      65535      /* what a server grants at first */
#define BLOCK_MAX   128
#define PREFIX      5 /* of a gRPC message: compressed or not, length */
#define MESSAGE     (2 + sizeof WIRE_GROUP - 1 + 2 + KEY_SIZE)
#define REQUEST_MAX (FRAME_HEAD + BLOCK_MAX + FRAME_HEAD + PREFIX + MESSAGE)

/* RFC 9113. */
enum frame { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum flag { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

struct blocks {
    uint8_t first[BLOCK_MAX], next[BLOCK_MAX];
    size_t first_size, next_size;
};

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, sizeof name - 1, sizeof value - 1, 0                  \
    }

static const struct blocks *blocks(void)
{
    static struct blocks made;
    if (made.first_size > 0)
        return &made;
    const nghttp2_nv fields[] = {
        FIELD(":method", "POST"),           FIELD(":scheme", "http"), FIELD(":path", "/larder.v1.Cache/Get"),
        FIELD(":authority", "127.0.0.1"),   FIELD("te", "trailers"),  FIELD("content-type", "application/grpc"),
        FIELD("user-agent", "larder-bench")};
    const size_t count = sizeof fields / sizeof *fields;
    nghttp2_hd_deflater *deflater;
    if (nghttp2_hd_deflate_new(&deflater, 4096) != 0)
        return NULL;
    ssize_t first = nghttp2_hd_deflate_hd(deflater, made.first, BLOCK_MAX, fields, count);
    ssize_t next = nghttp2_hd_deflate_hd(deflater, made.next, BLOCK_MAX, fields, count);
    nghttp2_hd_deflate_del(deflater);
    if (first <= 0 || next <= 0)
        return NULL;
    made.first_size = (size_t)first;
    made.next_size = (size_t)next;
    return &made;
}

static void put32(char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(number >> (24 - 8 * i));
}

static uint32_t get32(const char *at)
{
    uint32_t number = 0;
    for (int i = 0; i < 4; i++)
        number = number << 8 | (unsigned char)at[i];
    return number;
}

static char *put_frame(char *at, size_t size, enum frame type, enum flag flags, uint32_t stream)
{
    put32(at, (uint32_t)size << 8);
    at[3] = (char)type;
    at[4] = (char)flags;
    put32(at + 5, stream);
    return at + FRAME_HEAD;
}

static char *put_window(char *at)
{
    at = put_frame(at, 4, WINDOW_UPDATE, 0, 0);
    put32(at, WINDOW);
    return at + 4;
}

static size_t hello(struct wire_stream *stream, char *at)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    char *start = at;
    stream->next_id = 1;
    stream->credit = CREDIT;
    memcpy(at, preface, sizeof preface - 1);
    at = put_frame(at + sizeof preface - 1, 0, SETTINGS, 0, 0);
    return (size_t)(put_window(at) - start);
}

/* GetRequest {group = 1, key = 2}. */
static void put_message(char *at, uint32_t number)
{
    static const char head[] = {0x0a, sizeof WIRE_GROUP - 1};
    memcpy(at, head, sizeof head);
    memcpy(at + 2, WIRE_GROUP, sizeof WIRE_GROUP - 1);
    at += 2 + sizeof WIRE_GROUP - 1;
    *at++ = 0x12;
    *at++ = KEY_SIZE;
    workload_key(number, at);
}

static size_t request(const struct wire_load *load, struct wire_stream *stream, uint32_t number, char *at)
{
    (void)load;
    const struct blocks *all = blocks();
    if (all == NULL || stream->credit < (int64_t)(PREFIX + MESSAGE))
        return 0;
    bool first = stream->next_id == 1;
    const uint8_t *block = first ? all->first : all->next;
    size_t size = first ? all->first_size : all->next_size;
    char *start = at;
    at = put_frame(at, size, HEADERS, END_HEADERS, stream->next_id);
    memcpy(at, block, size);
    at = put_frame(at + size, PREFIX + MESSAGE, DATA, END_STREAM, stream->next_id);
    at[0] = 0;
    put32(at + 1, MESSAGE);
    put_message(at + PREFIX, number);
    stream->next_id += 2;
    stream->credit -= (int64_t)(PREFIX + MESSAGE);
    return (size_t)(at + PREFIX + MESSAGE - start);
}

static void took(struct wire_connection *connection, size_t size)
{
    struct wire_stream *stream = wire_stream_of(connection);
    stream->payload += size;
    stream->taken += size;
    if (stream->taken < WINDOW)
        return;
    char more[FRAME_HEAD + 4];
    put_window(more);
    wire_reply(connection, more, sizeof more);
    stream->taken -= WINDOW;
}

static void acknowledge(struct wire_connection *connection, enum frame type, const char *body, size_t size)
{
    char ack[FRAME_HEAD + 8];
    put_frame(ack, size, type, ACK, 0);
    memcpy(ack + FRAME_HEAD, body, size);
    wire_reply(connection, ack, FRAME_HEAD + size);
}

static bool take_frame(struct wire_connection *connection, const char *head, const char *body, size_t size)
{
    unsigned flags = (unsigned char)head[4];
    uint32_t id = get32(head + 5);
    switch ((enum frame)head[3]) {
    case DATA: took(connection, size); break;
    case SETTINGS:
        if ((flags & ACK) == 0)
            acknowledge(connection, SETTINGS, body, 0);
        return true;
    case PING:
        if ((flags & ACK) == 0 && size == 8)
            acknowledge(connection, PING, body, 8);
        return true;
    case WINDOW_UPDATE:
        if (id == 0 && size == 4)
            wire_stream_of(connection)->credit += get32(body);
        return true;
    case RST_STREAM:
    case GOAWAY:
        fprintf(stderr, "bench: the load: the server sent %s\n", head[3] == GOAWAY ? "GOAWAY" : "RST_STREAM");
        return false;
    case HEADERS: break;
    default: return true;
    }
    if ((flags & END_STREAM) != 0)
        wire_answered(connection, NULL, 0);
    return true;
}

static bool arrived(const struct wire_load *load, struct wire_connection *connection, const char *data, size_t size,
                    size_t *used)
{
    (void)load;
    while (size - *used >= FRAME_HEAD) {
        const char *head = data + *used;
        size_t body = get32(head) >> 8;
        if (size - *used < FRAME_HEAD + body)
            break;
        if (!take_frame(connection, head, head + FRAME_HEAD, body))
            return false;
        *used += FRAME_HEAD + body;
    }
    return true;
}

const struct wire_protocol wire_grpc_get = {REQUEST_MAX, hello, request, arrived};
