#include "larder/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/base/fail.h"

static const struct {
    const char *name, *text;
} statuses[LARDER_STATUS_COUNT] = {
    [LARDER_OK] = {"OK", "ok"},
    [LARDER_NOT_FOUND] = {"NOT_FOUND", "not found"},
    [LARDER_INVALID] = {"INVALID", "invalid argument"},
    [LARDER_TOO_LARGE] = {"TOO_LARGE", "too large"},
    [LARDER_NO_ROOM] = {"NO_ROOM", "does not fit into the budget"},
    [LARDER_NO_MEMORY] = {"NO_MEMORY", "out of memory"},
    [LARDER_PRECONDITION] = {"PRECONDITION", "precondition failed"},
    [LARDER_DEADLINE] = {"DEADLINE", "deadline exceeded"},
    [LARDER_UNAVAILABLE] = {"UNAVAILABLE", "unavailable"},
    [LARDER_BUSY] = {"BUSY", "busy"},
    [LARDER_LOAD_FAILED] = {"LOAD_FAILED", "loading from the origin failed"},
    [LARDER_NO_GROUP] = {"NO_GROUP", "no such group"},
    [LARDER_EXISTS] = {"EXISTS", "exists already"},
    [LARDER_REFUSED] = {"REFUSED", "refused by the peer"},
    [LARDER_UNSUPPORTED] = {"UNSUPPORTED", "not supported"},
    [LARDER_IO] = {"IO", "input or output failed"},
};

/* What larder_last_error() tells: of one thread, never shared. */
static _Thread_local struct {
    enum larder_status status;
    char message[1024];
} last;

const char *larder_status_text(enum larder_status status)
{
    return (unsigned)status < LARDER_STATUS_COUNT ? statuses[status].text : "unknown status";
}

const char *larder_status_name(enum larder_status status)
{
    return (unsigned)status < LARDER_STATUS_COUNT ? statuses[status].name : "UNKNOWN";
}

const char *larder_last_error(void)
{
    return last.message;
}

enum larder_status larder_last_status(void)
{
    return last.status;
}

/* Bytes of the control character at `at`, of ASCII or of the C1 set in UTF-8, which terminals obey, too; 0: it is none. */
static size_t control_size(const unsigned char *at)
{
    if (*at < 0x20 || *at == 0x7f)
        return 1;
    return *at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

void ldr_escape(const char *text, char *out, size_t capacity)
{
    size_t used = 0, control = 0; /* `control`: bytes of a control character still to be shown */
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (control == 0)
            control = control_size(at);
        if (used + (control > 0 ? 4 : 1) >= capacity)
            break;
        if (control > 0) {
            used += (size_t)snprintf(out + used, capacity - used, "\\x%02x", *at);
            control--;
        } else {
            out[used++] = (char)*at;
        }
    }
    out[used] = '\0';
}

enum larder_status ldr_fail(enum larder_status status, const char *format, ...)
{
    char message[sizeof last.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    last.status = status;
    ldr_escape(message, last.message, sizeof last.message);
    return status;
}

enum larder_status ldr_fail_memory(void)
{
    return ldr_fail(LARDER_NO_MEMORY, "out of memory");
}
