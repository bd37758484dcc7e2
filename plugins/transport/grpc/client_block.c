/* The headers of an answer that the client looks at. */
#include <ctype.h>
#include <string.h>

#include "client_internal.h"
#include "status.h"

#define BYTES_MAX   16384
#define FIELD_EXTRA 32 /* bytes that a field counts for besides its own, by RFC 9113 */

void grpc_client_block_begin(struct grpc_client_block *block)
{
    *block = (struct grpc_client_block){.code = -1, .status = LARDER_STATUS_COUNT};
}

/* A number of at most three digits; -1: none. */
static int number(struct larder_slice text)
{
    const unsigned char *digits = text.data;
    int value = 0;
    if (text.size == 0 || text.size > 3)
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit(digits[i]))
            return -1;
        value = value * 10 + (digits[i] - '0');
    }
    return value;
}

static int hex(unsigned char digit)
{
    return isdigit(digit) ? digit - '0' : isxdigit(digit) ? tolower(digit) - 'a' + 10 : -1;
}

/* Keeps the text, or its beginning, NUL-terminated; %XX stands for a byte, as in grpc-message. */
static void keep(char *place, struct larder_slice text)
{
    const unsigned char *at = text.data, *end = at + text.size;
    size_t size = 0;
    while (at < end && size < GRPC_CLIENT_TEXT - 1) {
        bool encoded = *at == '%' && end - at > 2 && hex(at[1]) >= 0 && hex(at[2]) >= 0;
        place[size++] = (char)(encoded ? hex(at[1]) * 16 + hex(at[2]) : *at);
        at += encoded ? 3 : 1;
    }
    place[size] = '\0';
}

static bool is(struct larder_slice name, const char *text)
{
    return name.size == strlen(text) && memcmp(name.data, text, name.size) == 0;
}

bool grpc_client_block_add(struct grpc_client_block *block, struct larder_slice name, struct larder_slice value)
{
    block->bytes += name.size + value.size + FIELD_EXTRA;
    if (block->bytes > BYTES_MAX)
        return false;
    if (is(name, ":status"))
        block->http_status = number(value);
    else if (is(name, "content-type"))
        keep(block->type, value);
    else if (is(name, "grpc-status"))
        block->code = number(value);
    else if (is(name, "grpc-message"))
        keep(block->message, value);
    else if (is(name, "larder-status"))
        block->status = grpc_status_named(value.data, value.size);
    return true;
}
