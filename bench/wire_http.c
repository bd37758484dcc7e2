/* HTTP/1.1 for the load: a get and a put of one key, with answers that have a Content-Length or no body. */
#include "bench/wire_client.h"
#include "bench/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET_START         "GET /v1/groups/" WIRE_GROUP "/keys/"
#define PUT_START         "PUT /v1/groups/" WIRE_GROUP "/keys/"
#define AFTER             " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
#define LITERAL(at, text) (memcpy(at, text, sizeof text - 1), (at) + sizeof text - 1)

static size_t hello(struct wire_stream *stream, char *at)
{
    (void)stream;
    (void)at;
    return 0;
}

static size_t request_get(const struct wire_load *load, struct wire_stream *stream, uint32_t number, char *at)
{
    (void)load;
    (void)stream;
    char *start = at;
    at = LITERAL(at, GET_START);
    workload_key(number, at);
    at = LITERAL(at + KEY_SIZE, AFTER "\r\n");
    return (size_t)(at - start);
}

static size_t request_put(const struct wire_load *load, struct wire_stream *stream, uint32_t number, char *at)
{
    (void)stream;
    char *start = at;
    at = LITERAL(at, PUT_START);
    workload_key(number, at);
    at += KEY_SIZE;
    at += sprintf(at, AFTER "Content-Length: %zu\r\n\r\n", load->value_size);
    memset(at, 'v', load->value_size);
    workload_stamp(number, at);
    return (size_t)(at - start) + load->value_size;
}

/* Of a head that ends with an empty line. */
static size_t body_size(const char *head, size_t size)
{
    static const char name[] = "Content-Length: ";
    const char *at = memmem(head, size, name, sizeof name - 1);
    return at == NULL ? 0 : strtoul(at + sizeof name - 1, NULL, 10);
}

static bool wrong(const char *head, const char *why)
{
    fprintf(stderr, "bench: the load: %.*s: %s\n", (int)strcspn(head, "\r"), head, why);
    return false;
}

static bool arrived(const struct wire_load *load, struct wire_connection *connection, const char *data, size_t size,
                    size_t *used)
{
    bool get = load->protocol == &wire_http_get;
    while (*used < size) {
        const char *head = data + *used, *end = memmem(head, size - *used, "\r\n\r\n", 4);
        if (end == NULL)
            return true;
        size_t head_size = (size_t)(end + 4 - head), body = body_size(head, head_size);
        if (memcmp(head, "HTTP/1.1 2", 10) != 0)
            return wrong(head, "not what was asked for");
        if (size - *used < head_size + body)
            return true;
        if (get &&
            (body != load->value_size || !(load->any_value || workload_stamped(wire_oldest(connection), end + 4))))
            return wrong(head, "another value");
        *used += head_size + body;
        wire_stream_of(connection)->payload += get ? body : load->value_size;
        wire_answered(connection, head, head_size);
    }
    return true;
}

const struct wire_protocol wire_http_get = {256, hello, request_get, arrived};
const struct wire_protocol wire_http_put = {256, hello, request_put, arrived};
