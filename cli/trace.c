#include "trace.h"

#include <endian.h>
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
#define DATA_SIZE (4 * (size_t)LINE_MAX)
#define VALUE_MAX (UINT64_C(1) << 30) /* the most that a group can be told to take */
#define TTL_MAX   UINT64_C(3155760000000)

struct trace {
    struct stream *stream;
    const char *path;
    uint64_t line_number;
    bool lenient, failed, ended;
    uint64_t skipped;
    char error[512];        /* why it failed, or why the first line was skipped */
    size_t at, whole, size; /* of the data: what is not used yet; the end of its last whole line; its end */
    char data[DATA_SIZE + TRACE_KEY_PAD];
};

struct field {
    const char *data;
    size_t size;
};

struct trace *trace_open(const char *path, bool lenient)
{
    char error[160];
    struct trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        say_no_memory();
        return NULL;
    }
    trace->path = strcmp(path, "-") == 0 ? "standard input" : path;
    trace->lenient = lenient;
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
    free(trace);
}

const char *trace_error(const struct trace *trace)
{
    return trace->failed ? trace->error : NULL;
}

uint64_t trace_skipped(const struct trace *trace, const char **first)
{
    *first = trace->error;
    return trace->skipped;
}

double trace_fraction(const struct trace *trace)
{
    return stream_fraction(trace->stream);
}

static void put_error(struct trace *trace, const char *format, va_list arguments)
{
    char reason[256];
    vsnprintf(reason, sizeof reason, format, arguments);
    snprintf(trace->error, sizeof trace->error, "%.200s:%llu: %s", trace->path, (unsigned long long)trace->line_number,
             reason);
}

/* It cannot be read on. */
LARDER_PRINTF(2, 3) static bool fail(struct trace *trace, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_error(trace, format, arguments);
    va_end(arguments);
    trace->failed = true;
    return false;
}

/* One line is malformed. */
LARDER_PRINTF(2, 3) static bool refuse(struct trace *trace, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (trace->skipped == 0)
        put_error(trace, format, arguments);
    va_end(arguments);
    trace->failed = !trace->lenient;
    trace->skipped += trace->lenient;
    return false;
}

/* ------------------------------------------------------------------------------------------------ lines */

/* The last line need not end with a newline. */
static void end_last_line(struct trace *trace)
{
    trace->ended = true;
    if (trace->size > 0)
        trace->data[trace->size++] = '\n';
    trace->whole = trace->size;
}

/* Of a line that is too long its beginning is enough to tell; where that is the end of all, nothing more is read. */
static void shorten_line(struct trace *trace)
{
    trace->size = LINE_MAX + 1;
    if (!trace->lenient)
        end_last_line(trace);
}

/* Some editors begin every text in UTF-8 with a byte order mark. */
static void skip_byte_order_mark(struct trace *trace)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    if (trace->size > sizeof mark && memcmp(trace->data, mark, sizeof mark) == 0)
        trace->at = sizeof mark;
}

/* Makes whole lines available; false: at the end, or it failed. */
static bool refill(struct trace *trace)
{
    size_t got = 0;
    if (trace->ended)
        return false;
    trace->size -= trace->at;
    memmove(trace->data, trace->data + trace->at, trace->size);
    trace->at = trace->whole = 0;
    while (trace->whole == 0) {
        char *end = trace->data + trace->size;
        /* One byte is left for the newline of the last line. */
        if (!stream_read(trace->stream, end, DATA_SIZE - 1 - trace->size, &got)) {
            trace->line_number++;
            return fail(trace, "%s", stream_error(trace->stream));
        }
        trace->size += got;
        const char *newline = memrchr(end, '\n', got);
        if (newline != NULL)
            trace->whole = (size_t)(newline + 1 - trace->data);
        else if (got == 0)
            end_last_line(trace);
        else if (trace->size > LINE_MAX)
            shorten_line(trace);
        if (trace->ended)
            break;
    }
    if (trace->line_number == 0)
        skip_byte_order_mark(trace);
    return trace->whole > 0;
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
        size_t size;
        enum trace_operation operation;
    } names[] = {
        {"", 0, TRACE_GET},     {"get", 3, TRACE_GET},    {"r", 1, TRACE_GET},         {"read", 4, TRACE_GET},
        {"set", 3, TRACE_SET},  {"w", 1, TRACE_SET},      {"put", 3, TRACE_SET},       {"write", 5, TRACE_SET},
        {"d", 1, TRACE_DELETE}, {"del", 3, TRACE_DELETE}, {"delete", 6, TRACE_DELETE},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].size == field.size && strncasecmp(names[i].name, field.data, field.size) == 0) {
            *operation = names[i].operation;
            return true;
        }
    }
    return false;
}

static bool read_size(struct field field, struct trace_request *request)
{
    request->size_given = field.size > 0;
    return !request->size_given ||
           (units_parse_count(field.data, field.size, &request->size) && request->size <= VALUE_MAX);
}

static bool read_ttl(struct field field, struct trace_request *request)
{
    char text[32];
    uint64_t seconds;
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

static bool refuse_field(struct trace *trace, const char *name, struct field got, const char *wanted)
{
    return refuse(trace, "%s: got '%.*s', wanted %s", name, got.size > 40 ? 40 : (int)got.size, got.data, wanted);
}

static bool refuse_line(struct trace *trace, size_t line_size, size_t key_size)
{
    if (line_size > LINE_MAX)
        return refuse(trace, "got a line of more than %d bytes", LINE_MAX);
    return refuse(trace, "key: got %zu bytes, wanted 1 to %d, as in key[,size[,op[,ttl]]]", key_size, KEY_MAX);
}

/* Those behind the key. */
static bool read_fields(struct trace *trace, struct field rest, struct trace_request *request)
{
    struct field size = next_field(&rest), operation = next_field(&rest), ttl = rest;
    if (!read_size(size, request))
        return refuse_field(trace, "size", size, "a whole number of bytes, at most 1 GiB");
    if (!read_operation(operation, &request->operation))
        return refuse_field(trace, "op", operation, "get, set or del");
    if (!read_ttl(ttl, request))
        return refuse_field(trace, "ttl", ttl, "a time like 30s");
    return true;
}

/* ------------------------------------------------------------------------------------------------ requests */

/* Its top bits tell which bytes are 0; only those above the lowest such byte may be wrong. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/* How far the next comma or newline is, of which there is one: eight bytes at a time, since most keys are short. */
static size_t key_end(const char *key)
{
    for (size_t size = 0;; size += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, key + size, sizeof word);
        word = le64toh(word);
        uint64_t found = zero_bytes(word ^ UINT64_C(0x0a0a0a0a0a0a0a0a)) |
                         zero_bytes(word ^ UINT64_C(0x2c2c2c2c2c2c2c2c));
        if (found != 0)
            return size + (size_t)__builtin_ctzll(found) / 8;
    }
}

/* One line, of those that are whole; false: it was refused. */
static bool read_line(struct trace *trace, struct trace_request *request)
{
    const char *start = trace->data + trace->at;
    size_t key_size = key_end(start), size = key_size;
    if (start[size] != '\n')
        size = (size_t)((const char *)rawmemchr(start + size, '\n') - start);
    trace->at += size + 1;
    trace->line_number++;
    bool alone = key_size == size;
    size -= size > 0 && start[size - 1] == '\r';
    if (alone)
        key_size = size;
    *request = (struct trace_request){.key = start, .key_size = (uint32_t)key_size};
    if (__builtin_expect(key_size - 1 >= KEY_MAX || size > LINE_MAX, false))
        return refuse_line(trace, size, key_size);
    return alone || read_fields(trace, (struct field){start + key_size + 1, size - key_size - 1}, request);
}

size_t trace_read(struct trace *trace, struct trace_request *requests, size_t capacity)
{
    size_t count = 0;
    while (count == 0 && !trace->failed && (trace->at < trace->whole || refill(trace)))
        while (count < capacity && trace->at < trace->whole && !trace->failed)
            count += read_line(trace, &requests[count]);
    return count;
}
