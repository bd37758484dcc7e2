/* The reason of a failure, kept for the calling thread. */
#ifndef LDR_BASE_FAIL_H
#define LDR_BASE_FAIL_H

#include <stddef.h>

#include "larder/status.h"

/*
 * Keeps `status` and the formatted message (cut at 1,023 bytes; control characters are shown as \xNN) for
 * larder_last_error() of this thread. Returns `status`, so that "return ldr_fail(...)" reads well.
 */
enum larder_status ldr_fail(enum larder_status status, const char *format, ...) LARDER_PRINTF(2, 3);

/*
 * Copies a text into `capacity` bytes (at least 1), cut where they end, with control characters shown as \xNN instead of
 * cut out: what users sent must not reach a terminal raw.
 */
void ldr_escape(const char *text, char *out, size_t capacity);

/* LARDER_NO_MEMORY with the message "out of memory". */
enum larder_status ldr_fail_memory(void);

#endif
