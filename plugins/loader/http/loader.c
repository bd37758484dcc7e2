/* The "http" loader: opening, closing, and where a load enters. */
#include "loader.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The thread takes no signals: they are the program's. */
static int start_thread(struct origin_loader *loader)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&loader->thread, NULL, origin_thread_run, loader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static bool open_multi(struct origin_loader *loader)
{
    long most = (long)loader->options.max_connections;
    loader->multi = curl_multi_init();
    if (loader->multi == NULL)
        return false;
    if (curl_multi_setopt(loader->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most) == CURLM_OK &&
        curl_multi_setopt(loader->multi, CURLMOPT_MAXCONNECTS, most) == CURLM_OK)
        return true;
    curl_multi_cleanup(loader->multi);
    return false;
}

static void *loader_open(const struct larder_host *host, const struct larder_param_value *params)
{
    int error = 0;
    struct origin_loader *loader = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto none;
    loader = calloc(1, sizeof *loader);
    if (loader == NULL)
        goto global;
    loader->host = host;
    TAILQ_INIT(&loader->incoming);
    TAILQ_INIT(&loader->queue);
    TAILQ_INIT(&loader->free);
    TAILQ_INIT(&loader->active);
    if (!origin_options_read(&loader->options, host, params)) {
        free(loader);
        curl_global_cleanup();
        return NULL; /* the reason was given */
    }
    if (!open_multi(loader))
        goto options;
    if (pthread_mutex_init(&loader->lock, NULL) != 0)
        goto multi;
    error = start_thread(loader);
    if (error == 0)
        return loader;
    pthread_mutex_destroy(&loader->lock);
multi:
    curl_multi_cleanup(loader->multi);
options:
    origin_options_free(&loader->options);
    free(loader);
global:
    curl_global_cleanup();
none:
    host->fail(host, LARDER_NO_MEMORY, "cannot start the loader: %s", error != 0 ? strerror(error) : "out of memory");
    return NULL;
}

static void loader_load(void *state, struct larder_load *load)
{
    struct origin_loader *loader = state;
    if (origin_address_climbs(&loader->options.address, load->key)) {
        origin_fail(load, LARDER_LOAD_FAILED,
                    "the key has a segment \".\" or \"..\", which leads to another path (host %s)",
                    loader->options.address.host);
        return;
    }
    struct origin_job *job = malloc(sizeof *job);
    if (job == NULL) {
        origin_fail(load, LARDER_LOAD_FAILED, "out of memory");
        return;
    }
    job->load = load;
    pthread_mutex_lock(&loader->lock);
    bool closing = loader->closing;
    if (!closing) {
        bool first = TAILQ_EMPTY(&loader->incoming);
        TAILQ_INSERT_TAIL(&loader->incoming, job, link);
        /* Under the lock: once it is released, the load may be done and the loader closed. */
        if (first)
            curl_multi_wakeup(loader->multi);
    }
    pthread_mutex_unlock(&loader->lock);
    if (closing) {
        free(job);
        origin_fail(load, LARDER_LOAD_FAILED, "the loader was closed (host %s)", loader->options.address.host);
    }
}

static void loader_close(void *state)
{
    struct origin_loader *loader = state;
    if (loader == NULL)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->closing = true;
    curl_multi_wakeup(loader->multi);
    pthread_mutex_unlock(&loader->lock);
    pthread_join(loader->thread, NULL);
    pthread_mutex_destroy(&loader->lock);
    curl_multi_cleanup(loader->multi);
    origin_options_free(&loader->options);
    free(loader);
    curl_global_cleanup();
}

LARDER_LOADER("http", "fetches keys over HTTP from a URL", origin_params, .open = loader_open, .load = loader_load,
              .close = loader_close);
