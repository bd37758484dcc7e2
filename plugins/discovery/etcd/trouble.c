/* What goes wrong, and what is told of it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd.h"

#define RETRY_MIN_MS 100
#define REMIND_AFTER (60000 * LARDER_NS_PER_MS) /* a trouble that lasts is told of again */
#define LOGINS_MAX   2                          /* in a row: a third would bring no other token */

/* gRPC's numbers, as in answers with an error. */
enum {
    INVALID_ARGUMENT = 3,
    NOT_FOUND = 5,
    PERMISSION_DENIED = 7,
    FAILED_PRECONDITION = 9,
    OUT_OF_RANGE = 11,
    UNAUTHENTICATED = 16
};

void etcd_complain(struct etcd *etcd, enum larder_log_level level, const char *kind, const char *text)
{
    if (strncmp(kind, etcd->complaint, sizeof etcd->complaint - 1) == 0 &&
        etcd->now - etcd->complained_at < REMIND_AFTER)
        return;
    snprintf(etcd->complaint, sizeof etcd->complaint, "%s", kind);
    etcd->complained_at = etcd->now;
    etcd_log(etcd, level, "etcd: %s", text);
}

/* All endpoints are tried once; then there is a pause that doubles with each round, with chance in it, so that the nodes of a
   cluster do not all come at once. */
static uint64_t pause_ms(const struct etcd *etcd)
{
    const struct larder_runtime *runtime = etcd->host->base.runtime;
    uint64_t rounds = etcd->failures / etcd->options.endpoint_count;
    uint64_t longest = etcd->options.retry_max_ms;
    if (rounds == 0)
        return 0;
    uint64_t pause = rounds < 16 ? (uint64_t)RETRY_MIN_MS << (rounds - 1) : longest;
    pause = pause < longest ? pause : longest;
    return pause / 2 + runtime->random(runtime) % (pause / 2 + 1);
}

void etcd_failed(struct etcd *etcd, const char *format, ...)
{
    char reason[512], text[768];
    const char *endpoint = etcd->options.endpoints[etcd->endpoint].name;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    etcd->failures++;
    etcd->endpoint = (etcd->endpoint + 1) % etcd->options.endpoint_count;
    etcd->retry_at = etcd->now + pause_ms(etcd) * LARDER_NS_PER_MS;
    (void)etcd_due(etcd, etcd->retry_at);
    etcd_watch_close(etcd); /* it is the same endpoint's */
    etcd->check = true;
    if (etcd->failures < etcd->options.endpoint_count) {
        etcd_log(etcd, LARDER_LOG_WARN, "etcd: %s failed, the next endpoint is %s: %s", endpoint,
                 etcd->options.endpoints[etcd->endpoint].name, reason);
        return;
    }
    snprintf(text, sizeof text, "no endpoint answers%s; last %s: %s",
             etcd->list.known ? ", the members stay as they are known" : "", endpoint, reason);
    etcd_complain(etcd, LARDER_LOG_WARN, "no endpoint answers", text);
}

void etcd_refuse(struct etcd *etcd, enum larder_status status, const char *format, ...)
{
    char text[sizeof etcd->reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    etcd->retry_at = etcd->now + etcd->options.retry_max_ms * LARDER_NS_PER_MS;
    pthread_mutex_lock(&etcd->lock);
    bool first = etcd->outcome == ETCD_UNDECIDED;
    if (first) {
        etcd->refusal = status;
        memcpy(etcd->reason, text, sizeof text);
    }
    pthread_mutex_unlock(&etcd->lock);
    if (first)
        etcd_decide(etcd, ETCD_REFUSED);
    else
        etcd_complain(etcd, LARDER_LOG_ERROR, text, text);
}

/* The token is none any more, or there was none. */
static void login_again(struct etcd *etcd, const char *what, const char *message)
{
    if (etcd->options.username == NULL) {
        etcd_refuse(etcd, LARDER_INVALID, "%s: %s: cluster.discovery wants username and password_file", what, message);
        return;
    }
    if (etcd->logins >= LOGINS_MAX) {
        etcd_failed(etcd, "%s: %s, although this node has just logged in", what, message);
        return;
    }
    etcd_log(etcd, LARDER_LOG_DEBUG, "etcd: %s: %s: logging in again", what, message);
    free(etcd->token);
    etcd->token = NULL;
    etcd->no_auth = false;
}

static bool says(const char *message, const char *text)
{
    return strstr(message, text) != NULL;
}

void etcd_answered_error(struct etcd *etcd, const char *what, int64_t code, const char *message)
{
    bool login = what == etcd_login.what;
    if (login && code == FAILED_PRECONDITION) {
        etcd_log(etcd, LARDER_LOG_WARN, "etcd: it wants no login, so that username and password_file are not used: %s",
                 message);
        etcd->no_auth = true;
    } else if (login && (code == INVALID_ARGUMENT || code == UNAUTHENTICATED)) {
        etcd_refuse(etcd, LARDER_REFUSED, "logging in as \"%s\": %s", etcd->options.username, message);
    } else if (code == UNAUTHENTICATED || says(message, "user name is empty") || says(message, "auth store is old") ||
               says(message, "invalid auth token")) {
        login_again(etcd, what, message);
    } else if (code == PERMISSION_DENIED) {
        etcd_refuse(etcd, LARDER_REFUSED,
                    "%s: %s: user \"%s\" wants read and write access to all keys that begin with %s/", what, message,
                    etcd->options.username != NULL ? etcd->options.username : "", etcd->options.prefix);
    } else if (code == NOT_FOUND && says(message, "lease")) {
        etcd_lease_lost(etcd, message);
    } else if (code == OUT_OF_RANGE && etcd->at > 0) {
        etcd->at = 0; /* the last change is in a past that was compacted */
    } else {
        etcd_failed(etcd, "%s: %s", what, message);
    }
}

void etcd_succeeded(struct etcd *etcd)
{
    if (etcd->step != &etcd_login)
        etcd->logins = 0;
    if (etcd->failures == 0)
        return;
    etcd_log(etcd, LARDER_LOG_INFO, "etcd: %s answers", etcd->options.endpoints[etcd->endpoint].name);
    etcd->failures = 0;
    etcd->complaint[0] = '\0';
}
