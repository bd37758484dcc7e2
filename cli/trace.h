/*
 * Traces: text, one request a line, `key[,size[,op[,ttl]]]`.
 *
 * The key is any bytes but a comma and a newline. `op` is get (also r, read, or nothing), set (w, write, put) or del (d,
 * delete), `ttl` a time like 30s, seconds as a number, or none.
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

enum trace_operation { TRACE_GET, TRACE_SET, TRACE_DELETE, TRACE_OPERATIONS };

struct trace_request {
    struct text key; /* kept and used again; free it at the end */
    enum trace_operation operation;
    bool size_given;
    uint64_t size;
    bool ttl_none;
    uint64_t ttl_ms; /* 0: not given */
};

struct trace;

/* NULL: the reason was said. */
struct trace *trace_open(const char *path);
void trace_close(struct trace *trace); /* NULL is fine */

/* False: at the end, or trace_error() is not NULL and tells file, line and reason. */
bool trace_next(struct trace *trace, struct trace_request *request);
const char *trace_error(const struct trace *trace);

/* How much of it was read, 0 to 1; negative: nobody knows. */
double trace_fraction(const struct trace *trace);

#endif
