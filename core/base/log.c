#include "core/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/log_limit.h"
#include "core/base/log_line.h"

struct ldr_log {
    char *node;
    enum ldr_log_format format;
    int fd;
    atomic_int level; /* relaxed: a line more or less while it changes is all that depends on it */
    pthread_mutex_t lock;
    struct ldr_log_limit limit; /* guarded by lock */
};

struct ldr_log *ldr_log_open(const char *node, enum larder_log_level level, enum ldr_log_format format, int fd)
{
    struct ldr_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    log->node = strdup(node);
    if (log->node == NULL)
        goto free_log;
    if (pthread_mutex_init(&log->lock, NULL) != 0)
        goto free_node;
    log->format = format;
    log->fd = fd;
    atomic_init(&log->level, (int)level);
    return log;
free_node:
    free(log->node);
free_log:
    free(log);
    return NULL;
}

void ldr_log_close(struct ldr_log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_destroy(&log->lock);
    free(log->node);
    free(log);
}

void ldr_log_set_level(struct ldr_log *log, enum larder_log_level level)
{
    if (log != NULL)
        atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

static const char *level_name(enum larder_log_level level)
{
    switch (level) {
    case LARDER_LOG_ERROR: return "error";
    case LARDER_LOG_WARN: return "warn";
    case LARDER_LOG_INFO: return "info";
    case LARDER_LOG_DEBUG: break;
    }
    return "debug";
}

/* 2026-11-20T10:00:00.123Z */
static void timestamp(char *text, size_t capacity)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(text, capacity, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, capacity - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* The names of a line's fields with what stands around them, for both formats. */
struct layout {
    const char *ts, *level, *node, *message, *repeated, *end;
};

static void compose(const struct ldr_log *log, struct ldr_log_line *line, enum larder_log_level level,
                    const char *message, uint64_t repeated)
{
    static const struct layout layouts[] = {
        [LDR_LOG_LOGFMT] = {"ts=", " level=", " node=", " msg=", " repeated=", "\n"},
        [LDR_LOG_JSON] = {"{\"ts\":\"", "\",\"level\":\"", "\",\"node\":", ",\"msg\":", ",\"repeated\":", "}\n"},
    };
    const struct layout *layout = &layouts[log->format];
    char text[64];
    timestamp(text, sizeof text);
    ldr_log_line_text(line, layout->ts);
    ldr_log_line_text(line, text);
    ldr_log_line_text(line, layout->level);
    ldr_log_line_text(line, level_name(level));
    ldr_log_line_text(line, layout->node);
    if (log->format == LDR_LOG_LOGFMT && log->node[strspn(log->node, "abcdefghijklmnopqrstuvwxyz"
                                                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == 0)
        ldr_log_line_text(line, log->node);
    else
        ldr_log_line_quote(line, log->format, log->node);
    ldr_log_line_text(line, layout->message);
    ldr_log_line_quote(line, log->format, message);
    if (repeated > 0) {
        snprintf(text, sizeof text, "%" PRIu64, repeated);
        ldr_log_line_text(line, layout->repeated);
        ldr_log_line_text(line, text);
    }
    ldr_log_line_text(line, layout->end);
}

/* One write() a line, so that lines of several threads and processes do not mix; a log that cannot be written is dropped. */
static void put(int fd, const struct ldr_log_line *line)
{
    size_t done = 0;
    while (done < line->size) {
        ssize_t written = write(fd, line->data + done, line->size - done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            return;
    }
}

static uint64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void ldr_log_v(struct ldr_log *log, enum larder_log_level level, const char *format, va_list arguments)
{
    if (log == NULL || (int)level > atomic_load_explicit(&log->level, memory_order_relaxed))
        return;
    int caller_errno = errno;
    char message[LDR_LOG_MESSAGE_MAX];
    if (vsnprintf(message, sizeof message, format, arguments) >= 0) {
        uint64_t repeated = 0;
        pthread_mutex_lock(&log->lock);
        bool pass = ldr_log_limit_pass(&log->limit, format, ldr_hash(ldr_slice_text(message), 0), monotonic(),
                                       &repeated);
        pthread_mutex_unlock(&log->lock);
        if (pass) {
            struct ldr_log_line line;
            line.size = 0;
            compose(log, &line, level, message, repeated);
            put(log->fd, &line);
        }
    }
    errno = caller_errno;
}

void ldr_log(struct ldr_log *log, enum larder_log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ldr_log_v(log, level, format, arguments);
    va_end(arguments);
}
