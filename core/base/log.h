/*
 * One log a node: a line an event, logfmt or JSON, on standard error.
 *
 *     ts=2026-11-20T10:00:00.123Z level=warn node=a msg="peer b suspended after 3 failed calls: connection refused"
 *
 * A place in the program (its format string) writes the same text at most once a second, and at most eight different texts
 * a second; the next line from there says how many were held back (repeated=N). Control characters, quotes and bytes that
 * are not UTF-8 are escaped. A message is cut at 2,047 bytes.
 */
#ifndef LDR_BASE_LOG_H
#define LDR_BASE_LOG_H

#include <stdarg.h>

#include "larder/plugin/plugin.h"

enum ldr_log_format { LDR_LOG_LOGFMT = 0, LDR_LOG_JSON = 1 };

struct ldr_log;

/* `node` is copied. NULL when out of memory. */
struct ldr_log *ldr_log_open(const char *node, enum larder_log_level level, enum ldr_log_format format, int fd);
void ldr_log_close(struct ldr_log *log); /* NULL is fine */

/* Any thread. A NULL log drops everything. */
void ldr_log(struct ldr_log *log, enum larder_log_level level, const char *format, ...) LARDER_PRINTF(3, 4);
void ldr_log_v(struct ldr_log *log, enum larder_log_level level, const char *format, va_list arguments)
    LARDER_PRINTF(3, 0);

void ldr_log_set_level(struct ldr_log *log, enum larder_log_level level);

#endif
