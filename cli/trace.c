#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "say.h"
#include "stream.h"
#include "units.h"

#define KEY_MAX   65535
#define LINE_MAX  (KEY_MAX + 256)
#define VALUE_MAX (UINT64_C(1) << 30) /* the most that a group can be told to take */
#define TTL_MAX   UINT64_C(3155760000000)

struct trace {
    struct stream *stream;
    const char *path;
    uint64_t line_number;
    struct text line;
    bool failed;
    char error[512];
    size_t at, size; /* of the piece */
    char piece[65536];
};

struct field {
    const char *data;
    size_t size;
};

struct trace *trace_open(const char *path)
{
    char error[160];
    struct trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        say_no_memory();
        return NULL;
    }
    trace->path = strcmp(path, "-") == 0 ? "standard input" : path;
    trace->stream = stream_open(path, error, sizeof error);
    if (trace->stream != NULL)
        return trace;
    say(EXIT_NO, "%s: %s", trace->path, error);
    trace_close(trace);
    return NULL;
}

void trace_close(struct trace *trace)
{
    if (trace == NULL)
        return;
    stream_close(trace->stream);
    text_free(&trace->line);
    free(trace);
}

const char *trace_error(const struct trace *trace)
{
    return trace->failed ? trace->error : NULL;
}

double trace_fraction(const struct trace *trace)
{
    return stream_fraction(trace->stream);
}

LARDER_PRINTF(2, 3) static bool fail(struct trace *trace, const char *format, ...)
{
    char reason[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    snprintf(trace->error, sizeof trace->error, "%.200s:%llu: %s", trace->path, (unsigned long long)trace->line_number,
             reason);
    trace->failed = true;
    return false;
}

/* ------------------------------------------------------------------------------------------------ lines */

/* Adds to the line what the piece has of it; true: that was its end. */
static bool take_rest(struct trace *trace)
{
    const char *start = trace->piece + trace->at, *end = memchr(start, '\n', trace->size - trace->at);
    size_t size = end != NULL ? (size_t)(end - start) : trace->size - trace->at;
    text_add(&trace->line, start, size);
    trace->at += size + (end != NULL);
    return end != NULL;
}

/* False: at the end, or it failed. The last line need not end with a newline. */
static bool next_line(struct trace *trace)
{
    text_clear(&trace->line);
    trace->line_number++;
    while (!take_rest(trace)) {
        if (trace->line.size > LINE_MAX)
            return fail(trace, "got a line of more than %d bytes", LINE_MAX);
        trace->at = 0;
        trace->size = 0;
        if (!stream_read(trace->stream, trace->piece, sizeof trace->piece, &trace->size))
            return fail(trace, "%s", stream_error(trace->stream));
        if (trace->size == 0 && trace->line.size == 0)
            return false;
        if (trace->size == 0)
            break;
    }
    if (trace->line.failed)
        return fail(trace, "out of memory");
    if (trace->line.size > 0 && trace->line.data[trace->line.size - 1] == '\r')
        trace->line.size--;
    return true;
}

/* ------------------------------------------------------------------------------------------------ fields */

static struct field next_field(struct field *rest)
{
    const char *comma = rest->size > 0 ? memchr(rest->data, ',', rest->size) : NULL;
    struct field field = {rest->data, comma != NULL ? (size_t)(comma - rest->data) : rest->size};
    size_t skip = field.size + (comma != NULL);
    rest->data += skip;
    rest->size -= skip;
    return field;
}

static bool read_operation(struct field field, enum trace_operation *operation)
{
    static const struct {
        const char *name;
        enum trace_operation operation;
    } names[] = {
        {"", TRACE_GET},     {"get", TRACE_GET},    {"r", TRACE_GET},         {"read", TRACE_GET},
        {"set", TRACE_SET},  {"w", TRACE_SET},      {"put", TRACE_SET},       {"write", TRACE_SET},
        {"d", TRACE_DELETE}, {"del", TRACE_DELETE}, {"delete", TRACE_DELETE},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == field.size && strncasecmp(names[i].name, field.data, field.size) == 0) {
            *operation = names[i].operation;
            return true;
        }
    }
    return false;
}

static bool read_size(struct field field, struct trace_request *request)
{
    request->size = 0;
    request->size_given = field.size > 0;
    return !request->size_given ||
           (units_parse_count(field.data, field.size, &request->size) && request->size <= VALUE_MAX);
}

static bool read_ttl(struct field field, struct trace_request *request)
{
    char text[32];
    uint64_t seconds;
    request->ttl_ms = 0;
    request->ttl_none = field.size == 4 && memcmp(field.data, "none", 4) == 0;
    if (field.size == 0 || request->ttl_none)
        return true;
    if (field.size >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)field.size, field.data);
    if (units_parse_count(field.data, field.size, &seconds))
        return !__builtin_mul_overflow(seconds, 1000, &request->ttl_ms) && request->ttl_ms <= TTL_MAX;
    return strlen(text) == field.size && units_parse_duration(text, &request->ttl_ms) && request->ttl_ms <= TTL_MAX;
}

static bool refuse(struct trace *trace, const char *name, struct field got, const char *wanted)
{
    return fail(trace, "%s: got '%.*s', wanted %s", name, got.size > 40 ? 40 : (int)got.size, got.data, wanted);
}

bool trace_next(struct trace *trace, struct trace_request *request)
{
    if (trace->failed || !next_line(trace))
        return false;
    struct field rest = {text_string(&trace->line), trace->line.size};
    struct field key = next_field(&rest), size = next_field(&rest), operation = next_field(&rest), ttl = rest;
    if (key.size == 0 || key.size > KEY_MAX)
        return fail(trace, "key: got %zu bytes, wanted 1 to %d, as in key[,size[,op[,ttl]]]", key.size, KEY_MAX);
    if (!read_size(size, request))
        return refuse(trace, "size", size, "a whole number of bytes, at most 1 GiB");
    if (!read_operation(operation, &request->operation))
        return refuse(trace, "op", operation, "get, set or del");
    if (!read_ttl(ttl, request))
        return refuse(trace, "ttl", ttl, "a time like 30s");
    text_clear(&request->key);
    text_add(&request->key, key.data, key.size);
    return !request->key.failed || fail(trace, "out of memory");
}
