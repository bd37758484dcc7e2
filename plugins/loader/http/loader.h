/*
 * The inside of the "http" loader: one thread that runs all transfers in one of libcurl's multi handles.
 *
 * Loads wait in a queue, earliest deadline first, until one of the slots is free; each slot keeps an easy handle of its
 * own, so that its options are set once.
 */
#ifndef LOADER_HTTP_LOADER_H
#define LOADER_HTTP_LOADER_H

#include <curl/curl.h>
#include <pthread.h>
#include <sys/queue.h>

#include "address.h"
#include "freshness.h"
#include "larder/plugin/loader.h"

struct origin_options {
    struct origin_address address;
    uint64_t timeout_ms, connect_timeout_ms;
    unsigned max_connections;
    bool follow, verify;
    struct curl_slist *headers; /* NULL: none */
    char *user_agent;
    char *ca_file; /* NULL: the system's */
};

/* False: host->fail() was called with the reason. */
bool origin_options_read(struct origin_options *options, const struct larder_host *host,
                         const struct larder_param_value *params);
void origin_options_free(struct origin_options *options);
extern const struct larder_param origin_params[];

/* A load that waits for a slot. */
struct origin_job {
    struct larder_load *load;
    TAILQ_ENTRY(origin_job) link;
};
TAILQ_HEAD(origin_jobs, origin_job);

/* One transfer at a time. */
struct origin_slot {
    struct origin_loader *loader;
    TAILQ_ENTRY(origin_slot) link; /* among the free or the active */
    CURL *easy;
    struct larder_load *load;
    uint64_t started; /* point of the runtime's clock */
    struct origin_freshness freshness;
    char *body;
    size_t size, capacity;
    size_t dropped;             /* bytes of a body that nobody wants */
    enum larder_status refusal; /* why the transfer was broken off; LARDER_OK: it was not */
    char error[CURL_ERROR_SIZE];
};
TAILQ_HEAD(origin_slots, origin_slot);

struct origin_loader {
    const struct larder_host *host;
    struct origin_options options;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock;        /* guards the following two; nothing is called under it but curl_multi_wakeup() */
    struct origin_jobs incoming; /* from other threads */
    bool closing;
    /* The thread's own. */
    struct origin_jobs queue; /* earliest deadline first */
    struct origin_slots free, active;
    unsigned active_count;
};

/* thread.c */

void *origin_thread_run(void *loader);

/* slot.c */

/* NULL: out of memory. */
struct origin_slot *origin_slot_new(struct origin_loader *loader);
void origin_slot_free(struct origin_slot *slot);
/* Begins the transfer for a load whose deadline has not passed; false: it has failed and is done. */
bool origin_slot_begin(struct origin_slot *slot, struct larder_load *load);
/* The transfer is over with this code: completes the load. */
void origin_slot_finish(struct origin_slot *slot, CURLcode code);

/* complete.c */

/* Completes a load that brought nothing. */
void origin_fail(struct larder_load *load, enum larder_status status, const char *format, ...) LARDER_PRINTF(3, 4);

#endif
