/* The "etcd" discovery: opening, closing, and what other threads ask for. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "etcd.h"

/* ------------------------------------------------------------------------------------------------ opening */

/* The key PREFIX/REST in base64; NULL: out of memory. */
static char *make_key(const struct etcd *etcd, const char *rest, const char *name)
{
    char *key;
    if (asprintf(&key, "%s/%s%s", etcd->options.prefix, rest, name) < 0)
        return NULL;
    char *coded = etcd_base64(key, strlen(key));
    free(key);
    return coded;
}

static bool make_keys(struct etcd *etcd)
{
    struct etcd_keys *keys = &etcd->keys;
    const struct larder_member *self = etcd->host->self;
    char *prefix;
    if (asprintf(&prefix, "%s/members/", etcd->options.prefix) < 0)
        return false;
    etcd->list = (struct etcd_list){.host = &etcd->host->base, .prefix = prefix};
    keys->settings = make_key(etcd, "settings", "");
    keys->formed = make_key(etcd, "formed", "");
    keys->member = self != NULL ? make_key(etcd, "members/", self->name) : NULL;
    keys->members = make_key(etcd, "members/", "");
    keys->members_end = make_key(etcd, "members0", ""); /* '0' is the byte after '/' */
    return keys->settings != NULL && keys->formed != NULL && keys->members != NULL && keys->members_end != NULL &&
           (self == NULL || keys->member != NULL);
}

static bool make_transfers(struct etcd *etcd)
{
    etcd->multi = curl_multi_init();
    return etcd->multi != NULL && curl_multi_setopt(etcd->multi, CURLMOPT_MAXCONNECTS, 4L) == CURLM_OK &&
           etcd_transfer_init(&etcd->call, &etcd->options) && etcd_transfer_init(&etcd->watch.transfer, &etcd->options);
}

static void init_lock(struct etcd *etcd)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes); /* none of these fails on Linux */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&etcd->decided, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&etcd->lock, NULL);
}

static void free_etcd(struct etcd *etcd)
{
    char *const texts[] = {etcd->keys.settings,    etcd->keys.formed, etcd->keys.member,        etcd->keys.members,
                           etcd->keys.members_end, etcd->token,       (char *)etcd->list.prefix};
    etcd_list_free(&etcd->list);
    etcd_transfer_free(&etcd->call);
    etcd_transfer_free(&etcd->watch.transfer);
    curl_multi_cleanup(etcd->multi);
    etcd_options_free(&etcd->options);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free(etcd->addresses);
    pthread_cond_destroy(&etcd->decided);
    pthread_mutex_destroy(&etcd->lock);
    free(etcd);
    curl_global_cleanup();
}

static void *discovery_open(const struct larder_discovery_host *host, const struct larder_param_value *params)
{
    const struct larder_runtime *runtime = host->base.runtime;
    struct etcd *etcd = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto memory;
    etcd = calloc(1, sizeof *etcd);
    if (etcd == NULL) {
        curl_global_cleanup();
        goto memory;
    }
    etcd->host = host;
    init_lock(etcd);
    if (!etcd_options_read(&etcd->options, &host->base, params))
        goto etcd; /* the reason was given */
    if (!make_keys(etcd) || !make_transfers(etcd)) {
        host->base.fail(&host->base, LARDER_NO_MEMORY, "out of memory");
        goto etcd;
    }
    snprintf(etcd->boot, sizeof etcd->boot, "%016" PRIx64 "%016" PRIx64, runtime->random(runtime),
             runtime->random(runtime));
    etcd_process_self(&etcd->process);
    etcd->range = etcd->find = host->self == NULL; /* a member gets the list with its registration */
    return etcd;
etcd:
    free_etcd(etcd);
    return NULL;
memory:
    host->base.fail(&host->base, LARDER_NO_MEMORY, "out of memory");
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ starting */

/* Whether nobody else can reach it: an address that only says that the node listens everywhere. */
static bool is_wildcard(const char *address)
{
    static const char *const hosts[] = {":", "0.0.0.0:", "[::]:", "*:"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (strncmp(address, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return false;
}

static const char *find_address(const struct larder_address *addresses, size_t count, const char *transport)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(addresses[i].transport, transport) == 0)
            return addresses[i].address;
    return NULL;
}

/* What is announced: where this node listens, or what the configuration says in place of it. */
static enum larder_status find_addresses(struct etcd *etcd)
{
    const struct larder_host *host = &etcd->host->base;
    const struct larder_member *self = etcd->host->self;
    const struct etcd_options *options = &etcd->options;
    for (size_t i = 0; i < options->address_count; i++)
        if (find_address(self->addresses, self->address_count, options->addresses[i].transport) == NULL)
            return host->fail(host, LARDER_INVALID,
                              "cluster.discovery.advertise: got \"%s\", which is no transport of this node",
                              options->addresses[i].transport);
    etcd->addresses = calloc(self->address_count + 1, sizeof *etcd->addresses);
    if (etcd->addresses == NULL)
        return host->fail(host, LARDER_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < self->address_count; i++) {
        const struct larder_address *own = &self->addresses[i];
        const char *address = find_address(options->addresses, options->address_count, own->transport);
        if (address == NULL && is_wildcard(own->address))
            return host->fail(
                host, LARDER_INVALID,
                "cluster.discovery.advertise: got no %s, wanted the address at which others reach this node, "
                "which listens on %s",
                own->transport, own->address);
        etcd->addresses[i] = (struct larder_address){own->transport, address != NULL ? address : own->address};
    }
    return LARDER_OK;
}

/* The thread takes no signals: they are the program's. */
static int start_thread(struct etcd *etcd)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&etcd->thread, NULL, etcd_thread_run, etcd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    etcd->started = error == 0;
    return error;
}

/* Waits until the thread knows how it went, but not for ever. */
static enum etcd_outcome wait_for_outcome(struct etcd *etcd)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t end = (uint64_t)until.tv_sec * 1000000000u + (uint64_t)until.tv_nsec +
                   etcd->options.start_timeout_ms * LARDER_NS_PER_MS;
    until = (struct timespec){(time_t)(end / 1000000000u), (long)(end % 1000000000u)};
    int error = 0;
    pthread_mutex_lock(&etcd->lock);
    while (etcd->outcome == ETCD_UNDECIDED && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&etcd->decided, &etcd->lock, &until);
    enum etcd_outcome outcome = etcd->outcome;
    if (outcome == ETCD_UNDECIDED)
        etcd->outcome = ETCD_RUNNING; /* from here on what is refused is logged */
    pthread_mutex_unlock(&etcd->lock);
    return outcome;
}

static enum larder_status discovery_start(void *state)
{
    struct etcd *etcd = state;
    const struct larder_host *host = &etcd->host->base;
    enum larder_status status = etcd->host->self != NULL ? find_addresses(etcd) : LARDER_OK;
    if (status != LARDER_OK)
        return status;
    int error = start_thread(etcd);
    if (error != 0)
        return host->fail(host, LARDER_IO, "starting the thread of the etcd discovery: %s", strerrordesc_np(error));
    enum etcd_outcome outcome = wait_for_outcome(etcd);
    if (outcome == ETCD_REFUSED)
        return host->fail(host, etcd->refusal, "etcd: %s", etcd->reason); /* `reason` changes no more */
    if (outcome == ETCD_UNDECIDED)
        host->log(host, LARDER_LOG_WARN,
                  "etcd: no list of members after %" PRIu64 " ms: this node goes on trying, and is "
                  "not ready until then",
                  etcd->options.start_timeout_ms);
    return LARDER_OK;
}

/* ------------------------------------------------------------------------------------------------ leaving */

static void wish(struct etcd *etcd, bool *what)
{
    pthread_mutex_lock(&etcd->lock);
    *what = true;
    curl_multi_wakeup(etcd->multi);
    pthread_mutex_unlock(&etcd->lock);
}

static enum larder_status discovery_leave(void *state)
{
    struct etcd *etcd = state;
    wish(etcd, &etcd->leaving);
    return LARDER_OK;
}

static void discovery_close(void *state)
{
    struct etcd *etcd = state;
    if (etcd == NULL)
        return;
    if (etcd->started) {
        wish(etcd, &etcd->closing);
        pthread_join(etcd->thread, NULL);
    }
    free_etcd(etcd);
}

LARDER_DISCOVERY("etcd", "members that register in etcd, under leases", etcd_params, .open = discovery_open,
                 .start = discovery_start, .leave = discovery_leave, .close = discovery_close);
