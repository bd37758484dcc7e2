/* What is missing, one request at a time. */
#include <stdio.h>
#include <string.h>

#include "etcd.h"

#define SHOWN 200 /* bytes */

/* Of a member: its lease, its registration, and what both need now and then. NULL: nothing is missing. */
static const struct etcd_step *next_of_member(struct etcd *etcd)
{
    if (etcd->lease.id == 0)
        return &etcd_grant;
    if (etcd_due(etcd, etcd->lease.renew_at))
        return &etcd_keepalive;
    if (etcd->registered)
        return etcd->update ? &etcd_update : NULL;
    if (etcd->holder.state == HOLDER_DEAD)
        return &etcd_holder_revoke;
    if (etcd->holder.state == HOLDER_UNKNOWN)
        return &etcd_holder_ttl;
    return etcd_due(etcd, etcd->register_at) ? &etcd_register : NULL;
}

static bool wants_login(const struct etcd *etcd)
{
    return etcd->options.username != NULL && etcd->token == NULL && !etcd->no_auth;
}

static const struct etcd_step *next_step(struct etcd *etcd)
{
    const struct etcd_step *step = NULL;
    bool member = etcd->host->self != NULL;
    if (!etcd_due(etcd, etcd->retry_at))
        return NULL;
    if (wants_login(etcd))
        return &etcd_login;
    if (!etcd->agreed)
        return member ? &etcd_settings_create : &etcd_settings_read;
    if (member)
        step = next_of_member(etcd);
    if (step == NULL && etcd->range)
        step = etcd->find ? &etcd_find : &etcd_range;
    if (step == NULL && etcd->list.known && (etcd->check || etcd_due(etcd, etcd->check_at)))
        step = &etcd_check;
    return step;
}

/* A request that hangs must not cost the lease. */
static uint64_t timeout_ms(const struct etcd *etcd)
{
    uint64_t limit = etcd->options.request_timeout_ms, third = etcd->lease.ttl_ms / 3;
    return third > 0 && third < limit ? third : limit;
}

static bool begin(struct etcd *etcd, const struct etcd_step *step)
{
    struct etcd_target target = {
        .endpoint = &etcd->options.endpoints[etcd->endpoint],
        .path = step->path,
        .token = step == &etcd_login ? NULL : etcd->token,
        .timeout_ms = timeout_ms(etcd),
    };
    snprintf(etcd->trouble, sizeof etcd->trouble, "out of memory");
    etcd->sent_at = larder_now(etcd->host->base.runtime); /* before it: what is counted from then is counted early */
    if (!etcd_transfer_begin(&etcd->call, etcd->multi, &target, step->request(etcd)))
        return false;
    etcd->step = step;
    return true;
}

void etcd_step_next(struct etcd *etcd)
{
    const struct etcd_step *step = etcd->call.active ? NULL : next_step(etcd);
    if (step != NULL && !begin(etcd, step))
        etcd_failed(etcd, "%s: %s", step->what, etcd->trouble);
}

void etcd_step_revoke(struct etcd *etcd)
{
    begin(etcd, wants_login(etcd) ? &etcd_login : &etcd_revoke);
}

const char *etcd_step_error(const json_t *answer, int64_t *code)
{
    const json_t *error = json_object_get(answer, "error"); /* a text, or an object within a stream */
    const json_t *of = json_is_object(error) ? error : answer;
    const char *message = json_string_value(json_object_get(of, "message"));
    if (error == NULL && json_object_get(answer, "code") == NULL)
        return NULL; /* gateways of etcd 3.6 have only code and message */
    *code = etcd_number(of, json_object_get(of, "grpc_code") != NULL ? "grpc_code" : "code");
    return message != NULL ? message : "an error without words";
}

/* The length of the first line of an answer that is no JSON, as far as messages show it. */
static int first_line(const struct etcd_transfer *call)
{
    size_t shown = call->size < SHOWN ? call->size : SHOWN;
    const char *end = shown > 0 ? memchr(call->data, '\n', shown) : NULL;
    return (int)(end != NULL ? (size_t)(end - call->data) : shown);
}

/* An answer came. */
static void take_answer(struct etcd *etcd, const struct etcd_step *step)
{
    json_error_t error;
    const struct etcd_transfer *call = &etcd->call;
    json_t *answer = json_loadb(call->data != NULL ? call->data : "", call->size, JSON_DISABLE_EOF_CHECK, &error);
    int64_t code = 0;
    const char *message = etcd_step_error(answer, &code);
    if (message != NULL) {
        etcd_answered_error(etcd, step->what, code, message);
    } else if (etcd_transfer_status(call) != 200) {
        etcd_failed(etcd, "%s: HTTP status %ld: %.*s", step->what, etcd_transfer_status(call), first_line(call),
                    call->size > 0 ? call->data : "");
    } else {
        etcd_succeeded(etcd);
        if (answer == NULL || !step->answer(etcd, answer))
            etcd_failed(etcd, "%s: the answer makes no sense, or memory is short: %.100s", step->what,
                        answer == NULL ? error.text : "fields are missing");
    }
    json_decref(answer);
}

void etcd_step_done(struct etcd *etcd, CURLcode code)
{
    const struct etcd_step *step = etcd->step;
    etcd_transfer_end(&etcd->call, etcd->multi);
    if (code == CURLE_OK)
        take_answer(etcd, step);
    else
        etcd_failed(etcd, "%s: %s", step->what, etcd_transfer_reason(&etcd->call, code));
    etcd->step = NULL;
}
