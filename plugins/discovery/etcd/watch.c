/* The watch: one answer that never ends, a JSON object a line. */
#include <string.h>

#include "etcd.h"
#include "request.h"

#define WHAT     "watching the members"
#define PAUSE_MS 100 /* between two watches */

static char *watch_request(const struct etcd *etcd)
{
    char from[ETCD_NUMBER];
    return etcd_text(json_pack("{s:{s:s, s:s, s:s}}", "create_request", "key", etcd->keys.members, "range_end",
                               etcd->keys.members_end, "start_revision",
                               etcd_print(from, (int64_t)etcd->list.revision + 1)));
}

void etcd_watch_open(struct etcd *etcd)
{
    struct etcd_watch *watch = &etcd->watch;
    if (watch->transfer.active || !etcd->list.known || etcd->range || etcd->check || !etcd_due(etcd, etcd->retry_at) ||
        !etcd_due(etcd, watch->retry_at))
        return;
    const struct etcd_target target = {
        .endpoint = &etcd->options.endpoints[etcd->endpoint],
        .path = "watch",
        .token = etcd->token,
    };
    watch->created = false;
    watch->open_until = etcd->now + etcd->options.request_timeout_ms * LARDER_NS_PER_MS;
    watch->retry_at = etcd->now + PAUSE_MS * LARDER_NS_PER_MS;
    if (!etcd_transfer_begin(&watch->transfer, etcd->multi, &target, watch_request(etcd)))
        etcd_failed(etcd, "%s: out of memory", WHAT);
}

void etcd_watch_close(struct etcd *etcd)
{
    etcd_transfer_end(&etcd->watch.transfer, etcd->multi);
    etcd->watch.transfer.size = 0;
}

static bool says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* etcd keeps the stream of a cancelled watch open. */
static void cancelled(struct etcd *etcd, const json_t *result)
{
    enum { PERMISSION_DENIED = 7 };
    int64_t compacted = etcd_number(result, "compact_revision");
    const char *reason = json_string_value(json_object_get(result, "cancel_reason"));
    etcd_watch_close(etcd);
    if (compacted > 0) {
        etcd_log(etcd, LARDER_LOG_INFO,
                 "etcd: the past up to revision %lld was compacted, this node reads the members anew",
                 (long long)compacted);
        etcd->range = true;
        return;
    }
    etcd->check = true;
    reason = reason != NULL && *reason != '\0' ? reason : "cancelled without a reason";
    etcd_answered_error(etcd, WHAT, says(reason, "permission denied") ? PERMISSION_DENIED : 0, reason);
}

/* Takes one line. */
static void take_line(struct etcd *etcd, const char *line, size_t size)
{
    int64_t code = 0;
    json_t *answer = json_loadb(line, size, 0, NULL);
    const json_t *result = json_object_get(answer, "result");
    const char *message = etcd_step_error(answer, &code);
    if (message != NULL) {
        etcd_watch_close(etcd);
        etcd->check = true;
        etcd_answered_error(etcd, WHAT, code, message);
    } else if (!json_is_object(result)) {
        etcd_failed(etcd, "%s: the answer makes no sense, or memory is short", WHAT);
    } else if (json_is_true(json_object_get(result, "canceled"))) {
        cancelled(etcd, result);
    } else if (!etcd_list_apply(&etcd->list, etcd_array(result, "events"))) {
        etcd->range = true; /* what was applied may be half of it */
        etcd_failed(etcd, "%s: events make no sense, or memory is short", WHAT);
    } else {
        etcd->watch.created = true;
        etcd->check_at = etcd->now + etcd->options.check_interval_ms * LARDER_NS_PER_MS;
    }
    json_decref(answer);
}

/* Gives whole lines to take_line(); what is left waits for its end. */
static void take_lines(struct etcd *etcd)
{
    struct etcd_transfer *transfer = &etcd->watch.transfer;
    size_t used = 0;
    const char *end;
    while (transfer->active && used < transfer->size &&
           (end = memchr(transfer->data + used, '\n', transfer->size - used)) != NULL) {
        const char *line = transfer->data + used;
        size_t size = (size_t)(end - line);
        used += size + 1;
        if (size > 0)
            take_line(etcd, line, size);
    }
    if (!transfer->active || used == 0)
        return;
    memmove(transfer->data, transfer->data + used, transfer->size - used);
    transfer->size -= used;
}

void etcd_watch_read(struct etcd *etcd)
{
    struct etcd_watch *watch = &etcd->watch;
    if (!watch->transfer.active)
        return;
    /* What comes with another status is an error, which is read when it is whole. */
    if (etcd_transfer_status(&watch->transfer) == 200) {
        take_lines(etcd);
        etcd_registration_check(etcd);
    }
    if (watch->transfer.active && !watch->created && etcd_due(etcd, watch->open_until)) {
        etcd_failed(etcd, "%s: no answer in time", WHAT);
    }
}

void etcd_watch_ended(struct etcd *etcd, CURLcode code)
{
    struct etcd_watch *watch = &etcd->watch;
    long status = etcd_transfer_status(&watch->transfer);
    etcd_watch_read(etcd);
    if (!watch->transfer.active)
        return; /* cancelled at last */
    json_t *answer = json_loadb(watch->transfer.data != NULL ? watch->transfer.data : "", watch->transfer.size, 0,
                                NULL);
    int64_t number = 0;
    const char *message = etcd_step_error(answer, &number);
    etcd_watch_close(etcd);
    etcd->check = true;
    if (message != NULL)
        etcd_answered_error(etcd, WHAT, number, message);
    else if (code != CURLE_OK && !watch->created)
        etcd_failed(etcd, "%s: %s", WHAT, etcd_transfer_reason(&watch->transfer, code));
    else if (status != 200)
        etcd_failed(etcd, "%s: HTTP status %ld", WHAT, status);
    else
        etcd_log(etcd, LARDER_LOG_DEBUG, "etcd: the watch has ended, this node begins another one");
    json_decref(answer);
}
