/* What a call's header fields say. */
#include <string.h>

#include "call.h"
#include "method.h"

/* HTTP/2 counts so much for each field besides its bytes (RFC 9113, 6.5.2). */
#define FIELD_OVERHEAD 32
/* Bytes of the path of an unknown method that the answer tells. */
#define PATH_MAX_TOLD 200

static bool equals(struct larder_slice text, const char *wanted)
{
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

/* "application/grpc", alone or with "+proto", or parameters. */
static bool is_grpc(struct larder_slice type)
{
    static const char wanted[] = "application/grpc";
    const char *text = type.data;
    if (type.size < sizeof wanted - 1 || memcmp(text, wanted, sizeof wanted - 1) != 0)
        return false;
    struct larder_slice rest = {text + sizeof wanted - 1, type.size - (sizeof wanted - 1)};
    if (rest.size >= 6 && memcmp(rest.data, "+proto", 6) == 0)
        rest = (struct larder_slice){(const char *)rest.data + 6, rest.size - 6};
    return rest.size == 0 || *(const char *)rest.data == ';';
}

static enum grpc_encoding encoding_of(struct larder_slice name)
{
    if (equals(name, "identity"))
        return GRPC_IDENTITY;
    if (equals(name, "gzip"))
        return GRPC_GZIP;
    return equals(name, "deflate") ? GRPC_DEFLATE : GRPC_OTHER_ENCODING;
}

/* Nanoseconds of one unit; 0: no such unit. */
static uint64_t unit_of(char unit)
{
    switch (unit) {
    case 'H': return 3600 * 1000 * LARDER_NS_PER_MS;
    case 'M': return 60 * 1000 * LARDER_NS_PER_MS;
    case 'S': return 1000 * LARDER_NS_PER_MS;
    case 'm': return LARDER_NS_PER_MS;
    case 'u': return LARDER_NS_PER_MS / 1000;
    case 'n': return 1;
    default: return 0;
    }
}

/* One to eight digits and a unit; LARDER_NEVER when the clock cannot hold it. */
static bool parse_timeout(struct larder_slice text, uint64_t *ns)
{
    const char *at = text.data;
    if (text.size < 2 || text.size > 9)
        return false;
    uint64_t number = 0, unit = unit_of(at[text.size - 1]);
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(at[i] - '0');
    }
    if (__builtin_mul_overflow(number, unit, ns))
        *ns = LARDER_NEVER;
    return unit != 0;
}

static void set_timeout(struct grpc_call *call, struct larder_slice text)
{
    uint64_t ns;
    call->has_timeout = parse_timeout(text, &ns);
    call->bad_timeout = !call->has_timeout;
    if (call->has_timeout && __builtin_add_overflow(call->base.worker->now, ns, &call->deadline))
        call->deadline = LARDER_NEVER;
}

static void set_path(struct grpc_call *call, struct larder_slice path)
{
    call->method = grpc_method_find(path);
    if (call->method != NULL)
        return;
    call->path_size = path.size < PATH_MAX_TOLD ? path.size : PATH_MAX_TOLD;
    memcpy(call->small, path.data, call->path_size);
}

void grpc_call_header(struct grpc_call *call, struct larder_slice name, struct larder_slice value)
{
    call->header_bytes += name.size + value.size + FIELD_OVERHEAD;
    if (call->header_bytes > grpc_server_of(call->base.worker)->options.max_header_bytes)
        return; /* it is refused when all have come; until then nothing of them is kept */
    switch (name.size) {
    case 5:
        if (equals(name, ":path"))
            set_path(call, value);
        break;
    case 7:
        if (equals(name, ":method"))
            call->is_post = equals(value, "POST");
        break;
    case 12:
        if (equals(name, "content-type"))
            call->is_grpc = is_grpc(value);
        else if (equals(name, "grpc-timeout"))
            set_timeout(call, value);
        break;
    case 13:
        if (equals(name, "grpc-encoding"))
            call->encoding = encoding_of(value);
        break;
    default: break;
    }
}
