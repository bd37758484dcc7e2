/* The thread: takes loads, gives them to slots, and lets libcurl wait for whatever comes first. */
#include <stdlib.h>

#include "loader.h"

#define WAIT_MAX_MS 60000 /* nothing is due: libcurl's poll wants some limit */

/* Puts a load where its deadline belongs; nearly always at the end. */
static void enqueue(struct origin_loader *loader, struct origin_job *job)
{
    struct origin_job *after = TAILQ_LAST(&loader->queue, origin_jobs);
    while (after != NULL && after->load->deadline > job->load->deadline)
        after = TAILQ_PREV(after, origin_jobs, link);
    if (after != NULL)
        TAILQ_INSERT_AFTER(&loader->queue, after, job, link);
    else
        TAILQ_INSERT_HEAD(&loader->queue, job, link);
}

/* Takes what other threads brought. False: the loader is closing. */
static bool take_incoming(struct origin_loader *loader)
{
    struct origin_jobs incoming = TAILQ_HEAD_INITIALIZER(incoming);
    pthread_mutex_lock(&loader->lock);
    TAILQ_CONCAT(&incoming, &loader->incoming, link);
    bool closing = loader->closing;
    pthread_mutex_unlock(&loader->lock);
    struct origin_job *job;
    while ((job = TAILQ_FIRST(&incoming)) != NULL) {
        TAILQ_REMOVE(&incoming, job, link);
        enqueue(loader, job);
    }
    return !closing;
}

/* Takes the first load off the queue. */
static struct larder_load *dequeue(struct origin_loader *loader)
{
    struct origin_job *job = TAILQ_FIRST(&loader->queue);
    struct larder_load *load = job->load;
    TAILQ_REMOVE(&loader->queue, job, link);
    free(job);
    return load;
}

static void expire(struct origin_loader *loader)
{
    uint64_t now = larder_now(loader->host->runtime);
    while (!TAILQ_EMPTY(&loader->queue) && TAILQ_FIRST(&loader->queue)->load->deadline <= now)
        origin_fail(dequeue(loader), LARDER_DEADLINE, "the deadline passed before the origin was asked (host %s)",
                    loader->options.address.host);
}

/* A slot that is free; the first transfers make them. NULL: as many as allowed are active, or out of memory. */
static struct origin_slot *free_slot(struct origin_loader *loader)
{
    struct origin_slot *slot = TAILQ_FIRST(&loader->free);
    if (slot != NULL)
        TAILQ_REMOVE(&loader->free, slot, link);
    else if (loader->active_count < loader->options.max_connections)
        slot = origin_slot_new(loader);
    return slot;
}

/* Gives loads to slots, as many as there are of both. */
static void start(struct origin_loader *loader)
{
    while (!TAILQ_EMPTY(&loader->queue)) {
        struct origin_slot *slot = free_slot(loader);
        if (slot == NULL && loader->active_count > 0)
            return; /* the next one that ends makes room */
        if (slot == NULL) {
            origin_fail(dequeue(loader), LARDER_LOAD_FAILED, "out of memory");
        } else if (origin_slot_begin(slot, dequeue(loader))) {
            TAILQ_INSERT_TAIL(&loader->active, slot, link);
            loader->active_count++;
        } else {
            TAILQ_INSERT_HEAD(&loader->free, slot, link);
        }
    }
}

/* The slot's transfer is over. */
static void end(struct origin_loader *loader, struct origin_slot *slot, CURLcode code)
{
    curl_multi_remove_handle(loader->multi, slot->easy);
    TAILQ_REMOVE(&loader->active, slot, link);
    loader->active_count--;
    origin_slot_finish(slot, code);
    TAILQ_INSERT_HEAD(&loader->free, slot, link);
}

/* Lets libcurl work, and completes what has come to its end. */
static void perform(struct origin_loader *loader)
{
    int running;
    curl_multi_perform(loader->multi, &running);
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(loader->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *slot = NULL;
        CURLcode code = message->data.result; /* `message` is gone with the handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        end(loader, (struct origin_slot *)(void *)slot, code);
    }
}

/* Milliseconds until the first load in the queue has to be given up; libcurl knows about those on their way itself. */
static int wait_ms(const struct origin_loader *loader)
{
    const struct origin_job *first = TAILQ_FIRST(&loader->queue);
    if (first == NULL || first->load->deadline == LARDER_NEVER)
        return WAIT_MAX_MS;
    uint64_t now = larder_now(loader->host->runtime);
    if (first->load->deadline <= now)
        return 0;
    uint64_t ms = (first->load->deadline - now - 1) / LARDER_NS_PER_MS + 1;
    return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}

/* Completes everything that is left. */
static void abandon(struct origin_loader *loader)
{
    const char *host = loader->options.address.host;
    struct origin_slot *slot;
    while ((slot = TAILQ_FIRST(&loader->active)) != NULL) {
        struct larder_load *load = slot->load;
        curl_multi_remove_handle(loader->multi, slot->easy);
        TAILQ_REMOVE(&loader->active, slot, link);
        TAILQ_INSERT_HEAD(&loader->free, slot, link);
        origin_fail(load, LARDER_LOAD_FAILED, "the loader was closed (host %s)", host);
    }
    while (!TAILQ_EMPTY(&loader->queue))
        origin_fail(dequeue(loader), LARDER_LOAD_FAILED, "the loader was closed (host %s)", host);
    while ((slot = TAILQ_FIRST(&loader->free)) != NULL) {
        TAILQ_REMOVE(&loader->free, slot, link);
        origin_slot_free(slot);
    }
}

void *origin_thread_run(void *arg)
{
    struct origin_loader *loader = arg;
    while (take_incoming(loader)) {
        expire(loader);
        start(loader);
        perform(loader);
        bool more = !TAILQ_EMPTY(&loader->queue) && loader->active_count < loader->options.max_connections;
        if (!more)
            curl_multi_poll(loader->multi, NULL, 0, wait_ms(loader), NULL);
    }
    abandon(loader);
    return NULL;
}
