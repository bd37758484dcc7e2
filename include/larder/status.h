/*
 * Status codes: the one answer every operation gives, and the text that goes with it.
 *
 * A function that can fail returns `enum larder_status` (LARDER_OK is 0) or a pointer (NULL on failure). Beside the
 * code, the calling thread keeps one message that names the thing and the reason; larder_last_error() reads it.
 */
#ifndef LARDER_STATUS_H
#define LARDER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LARDER_API                         __attribute__((visibility("default")))
#define LARDER_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define LARDER_API
#define LARDER_PRINTF(format_index, first)
#endif

/* The numbers travel between nodes: they are only ever appended. */
enum larder_status {
    LARDER_OK = 0,
    LARDER_NOT_FOUND = 1,    /* the key is not there and the origin does not know it; an answer, not a failure */
    LARDER_INVALID = 2,      /* an argument, a configuration or a request is malformed */
    LARDER_TOO_LARGE = 3,    /* key over 65,535 bytes, or value over the limit `max_value` */
    LARDER_NO_ROOM = 4,      /* the entry does not fit into the budget, be it empty or beside values held */
    LARDER_NO_MEMORY = 5,    /* an allocation failed */
    LARDER_PRECONDITION = 6, /* the expected version, presence or absence did not hold */
    LARDER_DEADLINE = 7,     /* the request's deadline passed before an answer was there */
    LARDER_UNAVAILABLE = 8,  /* no peer can be reached, or the node is closing or has no member list yet */
    LARDER_BUSY = 9,         /* a bounded queue is full: try again later */
    LARDER_LOAD_FAILED = 10, /* the origin failed, or its answer made no sense */
    LARDER_NO_GROUP = 11,    /* no group of that name */
    LARDER_EXISTS = 12,      /* a thing of that name is there already */
    LARDER_REFUSED = 13,     /* a peer refuses this node: the settings of their rings differ */
    LARDER_UNSUPPORTED = 14, /* the operation is not offered here */
    LARDER_IO = 15,          /* a system call or the disk failed */
    LARDER_STATUS_COUNT = 16
};

/*
 * A short fixed text ("not found") for people, and the symbolic name ("NOT_FOUND") for programs.
 * Never NULL, also for numbers out of range. The strings are static. Any thread.
 */
LARDER_API const char *larder_status_text(enum larder_status status);
LARDER_API const char *larder_status_name(enum larder_status status);

/*
 * The message of the calling thread's last failure; "" when there was none. It is only meaningful right after a
 * call of this thread failed. Valid until the thread's next failing call. Never NULL.
 */
LARDER_API const char *larder_last_error(void);

/* The status that belongs to larder_last_error(): why a function that returns a pointer returned NULL. */
LARDER_API enum larder_status larder_last_status(void);

#ifdef __cplusplus
}
#endif
#endif
