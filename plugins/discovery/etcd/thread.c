/* The thread: begins what is due, lets libcurl work, tells the host, and waits for whatever comes first. */
#include <stdlib.h>

#include "etcd.h"

#define WAIT_MAX_MS     60000
#define REPORT_AGAIN_MS 1000

bool etcd_due(struct etcd *etcd, uint64_t at)
{
    if (etcd->now >= at)
        return true;
    if (at < etcd->wake_at)
        etcd->wake_at = at;
    return false;
}

void etcd_decide(struct etcd *etcd, enum etcd_outcome outcome)
{
    pthread_mutex_lock(&etcd->lock);
    if (etcd->outcome == ETCD_UNDECIDED) {
        etcd->outcome = outcome;
        pthread_cond_signal(&etcd->decided);
    }
    pthread_mutex_unlock(&etcd->lock);
}

/* Takes what other threads want. False: the thread is to end. */
static bool take_wishes(struct etcd *etcd)
{
    pthread_mutex_lock(&etcd->lock);
    bool closing = etcd->closing, leaving = etcd->leaving;
    bool idle = etcd->outcome == ETCD_REFUSED; /* start() has failed: nobody waits for anything but the end */
    pthread_mutex_unlock(&etcd->lock);
    if (leaving && !etcd->leaves)
        etcd->leaves = etcd->update = true;
    etcd->now = larder_now(etcd->host->base.runtime);
    etcd->wake_at = etcd->now + WAIT_MAX_MS * LARDER_NS_PER_MS;
    if (idle)
        etcd->retry_at = etcd->wake_at;
    return !closing;
}

/* Lets libcurl work, and completes what has come to its end. */
static void perform(struct etcd *etcd)
{
    int running, left;
    CURLMsg *message;
    curl_multi_perform(etcd->multi, &running);
    while ((message = curl_multi_info_read(etcd->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* `message` is gone with the handle */
        bool call = message->easy_handle == etcd->call.easy;
        etcd->now = larder_now(etcd->host->base.runtime);
        if (call)
            etcd_step_done(etcd, code);
        else
            etcd_watch_ended(etcd, code);
    }
}

/* Tells the host of a list that has changed. */
static void report(struct etcd *etcd)
{
    const struct larder_discovery_host *host = etcd->host;
    size_t count;
    if (!etcd->list.changed || !etcd_due(etcd, etcd->report_at))
        return;
    struct larder_member *members = etcd_list_members(&etcd->list, &count);
    enum larder_status status = LARDER_OK;
    if (count == 0) {
        etcd_log(etcd, LARDER_LOG_WARN,
                 "etcd: nobody is registered under %s/members/; the members stay as they are known",
                 etcd->options.prefix);
    } else {
        status = members == NULL ? LARDER_NO_MEMORY : host->members(host, etcd_list_epoch(&etcd->list), members, count);
    }
    free(members);
    if (status == LARDER_NO_MEMORY) {
        etcd->report_at = etcd->now + REPORT_AGAIN_MS * LARDER_NS_PER_MS;
        (void)etcd_due(etcd, etcd->report_at);
        return;
    }
    etcd->list.changed = false; /* a list that the host refuses will not be better the next time */
    etcd_decide(etcd, ETCD_RUNNING);
}

static int wait_ms(const struct etcd *etcd)
{
    uint64_t now = larder_now(etcd->host->base.runtime);
    return now < etcd->wake_at ? (int)((etcd->wake_at - now - 1) / LARDER_NS_PER_MS + 1) : 0;
}

#define MORE_STEPS 3 /* besides one at each endpoint: the token may have to be renewed */

/* Gives the lease back, so that others know at once that this node is gone. Every endpoint gets a chance, but no more time. */
static void take_leave(struct etcd *etcd)
{
    const struct etcd_options *options = &etcd->options;
    uint64_t until = etcd->now + options->request_timeout_ms * LARDER_NS_PER_MS;
    bool registered = etcd->registered;
    etcd_watch_close(etcd);
    etcd_transfer_end(&etcd->call, etcd->multi);
    for (size_t i = 0; i < options->endpoint_count + MORE_STEPS && etcd->lease.id != 0 && etcd->now < until; i++) {
        etcd_step_revoke(etcd);
        for (; etcd->call.active; perform(etcd))
            curl_multi_poll(etcd->multi, NULL, 0, WAIT_MAX_MS, NULL);
    }
    if (registered && etcd->lease.id == 0)
        etcd_log(etcd, LARDER_LOG_INFO, "etcd: this node is no longer registered");
    else if (registered)
        etcd_log(etcd, LARDER_LOG_WARN, "etcd: the registration of this node stays for up to %llu s",
                 (unsigned long long)etcd->lease.ttl_ms / 1000);
}

void *etcd_thread_run(void *arg)
{
    struct etcd *etcd = arg;
    while (take_wishes(etcd)) {
        perform(etcd);
        etcd_watch_read(etcd);
        report(etcd);
        /* Last, when all that has happened is known: what is not due yet says when it will be. */
        etcd_step_next(etcd);
        etcd_watch_open(etcd);
        curl_multi_poll(etcd->multi, NULL, 0, wait_ms(etcd), NULL);
    }
    take_leave(etcd);
    return NULL;
}
