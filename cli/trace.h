/*
 * Traces: text, one request a line, `key[,size[,op[,ttl]]]`.
 *
 * The key is any bytes but a comma and a newline. `op` is get (also r, read, or nothing), set (w, write, put) or del (d,
 * delete), `ttl` a time like 30s, seconds as a number, or none. A byte order mark of UTF-8 at the start is skipped.
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_KEY_PAD 8 /* so many bytes can be read from the start of a key, however short it is */

enum trace_operation { TRACE_GET, TRACE_SET, TRACE_DELETE, TRACE_OPERATIONS };

struct trace_request {
    const char *key; /* the trace's, until the next trace_read() */
    uint32_t key_size;
    enum trace_operation operation;
    uint64_t size;
    uint64_t ttl_ms; /* 0: not given */
    bool size_given;
    bool ttl_none;
};

struct trace;

/* `lenient`: malformed lines are skipped and counted. NULL: the reason was said. */
struct trace *trace_open(const char *path, bool lenient);
void trace_close(struct trace *trace); /* NULL is fine */

/*
 * The next requests, at most `capacity`; how many. 0: at the end, or trace_error() is not NULL and tells file, line and
 * reason.
 */
size_t trace_read(struct trace *trace, struct trace_request *requests, size_t capacity);
const char *trace_error(const struct trace *trace);

/* How many lines were skipped, and why the first of them was: file, line and reason. */
uint64_t trace_skipped(const struct trace *trace, const char **first);

/* How much of it was read, 0 to 1; negative: nobody knows. */
double trace_fraction(const struct trace *trace);

#endif
