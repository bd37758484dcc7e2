#include "core/cluster/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/cluster/peer.h"
#include "core/cluster/standing.h"

/* ------------------------------------------------------------------------------------------------ opening */

static enum larder_status check_options(const struct ldr_cluster_options *options)
{
    if (options->ring.virtual_nodes < 1 || options->ring.virtual_nodes > 4096)
        return ldr_fail(LARDER_INVALID, "cluster: virtual_nodes is %u, wanted 1 to 4096", options->ring.virtual_nodes);
    if (options->peer_timeout_ms == 0 || options->probe_ms == 0 || options->suspend_after == 0)
        return ldr_fail(LARDER_INVALID, "cluster: peer_timeout, probe interval and suspend_after must be at least 1");
    if (options->replicas > LDR_REPLICAS_MAX)
        return ldr_fail(LARDER_INVALID, "cluster: replicas is %u, wanted 1 to %d", options->replicas, LDR_REPLICAS_MAX);
    return LARDER_OK;
}

/* Members must also agree on how many copies there are, when a write is acknowledged, and, strict, how long a copy may be on its way. */
static uint64_t digest_settings(const struct ldr_cluster_options *options)
{
    uint64_t digest = ldr_ring_settings_digest(&options->ring);
    if (options->replicas > 1 || options->strict)
        digest = ldr_mix(digest ^ (options->replicas * 2u + options->strict));
    return options->strict ? ldr_mix(digest ^ options->peer_timeout_ms) : digest;
}

static bool copy_texts(struct ldr_cluster *cluster, const struct ldr_cluster_options *options)
{
    char copies[64] = "", times[48] = "";
    if (options->replicas > 1 || options->strict)
        snprintf(copies, sizeof copies, " replicas=%u write_acks=%s", options->replicas > 1 ? options->replicas : 1u,
                 options->strict ? "all" : "one");
    if (options->strict)
        snprintf(times, sizeof times, " peer_timeout=%" PRIu64 "ms", options->peer_timeout_ms);
    snprintf(cluster->settings_text, sizeof cluster->settings_text, "hash=%s seed=%" PRIu64 " virtual_nodes=%u%s%s",
             options->ring.hash->head.name, options->ring.seed, options->ring.virtual_nodes, copies, times);
    cluster->self = strdup(options->self);
    cluster->transport_name = strdup(options->transport_name);
    return cluster->self != NULL && cluster->transport_name != NULL;
}

static void free_cluster(struct ldr_cluster *cluster)
{
    pthread_cond_destroy(&cluster->changed);
    pthread_mutex_destroy(&cluster->lock);
    pthread_mutex_destroy(&cluster->list_lock);
    pthread_mutex_destroy(&cluster->standing_lock);
    pthread_mutex_destroy(&cluster->clear_lock);
    ldr_buffer_free(&cluster->adopted);
    free(cluster->last);
    free(cluster->transport_name);
    free(cluster->self);
    free(cluster);
}

static void reap(struct larder_timer *timer);
static void adopt(struct larder_timer *timer);

struct ldr_cluster *ldr_cluster_open(const struct ldr_cluster_options *options)
{
    if (check_options(options) != LARDER_OK)
        return NULL;
    struct ldr_cluster *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    pthread_mutex_init(&cluster->list_lock, NULL);
    pthread_mutex_init(&cluster->standing_lock, NULL);
    pthread_mutex_init(&cluster->clear_lock, NULL);
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_cond_init(&cluster->changed, NULL);
    if (!copy_texts(cluster, options)) {
        free_cluster(cluster);
        ldr_fail_memory();
        return NULL;
    }
    cluster->options = *options;
    cluster->options.replicas = options->replicas > 1 ? options->replicas : 1;
    cluster->options.self = cluster->self;
    cluster->options.transport_name = cluster->transport_name;
    cluster->breaker = (struct ldr_breaker_settings){options->suspend_after, options->suspend_ms};
    atomic_init(&cluster->slow_limit_ms, options->slow_limit_ms);
    cluster->settings_digest = digest_settings(options);
    cluster->reaper.fire = reap;
    cluster->adopter.fire = adopt;
    return cluster;
}

void ldr_cluster_expect_loads(struct ldr_cluster *cluster, uint64_t load_timeout_ms)
{
    uint64_t limit = atomic_load_explicit(&cluster->slow_limit_ms, memory_order_relaxed);
    while (load_timeout_ms > limit &&
           !atomic_compare_exchange_weak_explicit(&cluster->slow_limit_ms, &limit, load_timeout_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

/* ------------------------------------------------------------------------------------------------ peers without references */

void ldr_cluster_peer_lost(struct ldr_cluster *cluster)
{
    if (cluster->closing) {
        pthread_cond_broadcast(&cluster->changed);
    } else if (!cluster->reaping) {
        /* Later, on a thread of the runtime: this may be one of the transport's, in the midst of the peer's own call. */
        cluster->reaping = true;
        cluster->options.runtime->timer_start(cluster->options.runtime, &cluster->reaper,
                                              larder_now(cluster->options.runtime));
    }
}

/* Takes a peer without references out of the list; with the lock held. */
static struct ldr_peer *take_lost(struct ldr_cluster *cluster)
{
    for (struct ldr_peer **link = &cluster->peers; *link != NULL; link = &(*link)->next) {
        struct ldr_peer *peer = *link;
        if (atomic_load_explicit(&peer->references, memory_order_acquire) == 0) {
            *link = peer->next;
            return peer;
        }
    }
    return NULL;
}

static void reap(struct larder_timer *timer)
{
    struct ldr_cluster *cluster = (struct ldr_cluster *)((char *)timer - offsetof(struct ldr_cluster, reaper));
    struct ldr_peer *peer;
    pthread_mutex_lock(&cluster->lock);
    while ((peer = take_lost(cluster)) != NULL) {
        pthread_mutex_unlock(&cluster->lock);
        ldr_peer_free(peer);
        pthread_mutex_lock(&cluster->lock);
    }
    cluster->reaping = false;
    pthread_cond_broadcast(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

/* ------------------------------------------------------------------------------------------------ lists of peers */

/* Later, on a thread of the runtime: whoever brings a list may be inside a section, and a new list waits for those. */
void ldr_cluster_adopt(struct ldr_cluster *cluster, struct larder_slice list)
{
    const struct larder_runtime *runtime = cluster->options.runtime;
    struct ldr_list head;
    if (ldr_list_decode(list, &head) != LARDER_OK) {
        ldr_log(cluster->options.log, LARDER_LOG_WARN, "%s", larder_last_error());
        return;
    }
    pthread_mutex_lock(&cluster->lock);
    if (!cluster->closing && (cluster->adopted.size == 0 || head.epoch > cluster->adopted_epoch)) {
        ldr_buffer_free(&cluster->adopted);
        ldr_buffer_append(&cluster->adopted, list.data, list.size);
        cluster->adopted_epoch = head.epoch;
        if (!cluster->adopting)
            runtime->timer_start(runtime, &cluster->adopter, larder_now(runtime));
        cluster->adopting = true;
    }
    pthread_mutex_unlock(&cluster->lock);
    ldr_list_free(&head);
}

static void adopt_one(struct ldr_cluster *cluster, struct larder_slice bytes)
{
    struct ldr_list list;
    if (ldr_list_decode(bytes, &list) != LARDER_OK ||
        ldr_cluster_set_members(cluster, list.epoch, list.members, list.count) != LARDER_OK)
        ldr_log(cluster->options.log, LARDER_LOG_DEBUG, "member list of a peer not taken over: %s",
                larder_last_error());
    ldr_list_free(&list);
}

static void adopt(struct larder_timer *timer)
{
    struct ldr_cluster *cluster = (struct ldr_cluster *)((char *)timer - offsetof(struct ldr_cluster, adopter));
    pthread_mutex_lock(&cluster->lock);
    while (cluster->adopted.size > 0) {
        struct ldr_buffer list = cluster->adopted;
        cluster->adopted = (struct ldr_buffer){0};
        pthread_mutex_unlock(&cluster->lock);
        adopt_one(cluster, ldr_slice(list.data, list.size));
        ldr_buffer_free(&list);
        pthread_mutex_lock(&cluster->lock);
    }
    cluster->adopting = false;
    pthread_cond_broadcast(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

/* Before list_lock is taken for good: the timer's function takes it, too. */
static void stop_adopting(struct ldr_cluster *cluster)
{
    const struct larder_runtime *runtime = cluster->options.runtime;
    pthread_mutex_lock(&cluster->lock);
    cluster->closing = true;
    if (cluster->adopting && runtime->timer_cancel(runtime, &cluster->adopter))
        cluster->adopting = false;
    while (cluster->adopting)
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    pthread_mutex_unlock(&cluster->lock);
}

void ldr_cluster_listen(struct ldr_cluster *cluster, const struct ldr_cluster_events *events)
{
    cluster->events = events;
}

/* ------------------------------------------------------------------------------------------------ closing */

/* From here on no list is taken and no peer is reaped: cluster->peers stays as it is. */
static void begin_closing(struct ldr_cluster *cluster)
{
    const struct larder_runtime *runtime = cluster->options.runtime;
    pthread_mutex_lock(&cluster->list_lock);
    pthread_mutex_lock(&cluster->lock);
    cluster->closing = true;
    if (cluster->reaping && runtime->timer_cancel(runtime, &cluster->reaper))
        cluster->reaping = false;
    while (cluster->reaping)
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    pthread_mutex_unlock(&cluster->lock);
    ldr_view_let_go(atomic_exchange_explicit(&cluster->view, NULL, memory_order_acq_rel));
    ldr_view_let_go(atomic_exchange_explicit(&cluster->base, NULL, memory_order_acq_rel));
    ldr_standing_forget(cluster);
    pthread_mutex_unlock(&cluster->list_lock);
}

static bool all_lost(const struct ldr_cluster *cluster)
{
    for (const struct ldr_peer *peer = cluster->peers; peer != NULL; peer = peer->next)
        if (atomic_load_explicit(&peer->references, memory_order_acquire) != 0)
            return false;
    return true;
}

void ldr_cluster_close(struct ldr_cluster *cluster)
{
    if (cluster == NULL)
        return;
    stop_adopting(cluster);
    begin_closing(cluster);
    for (struct ldr_peer *peer = cluster->peers; peer != NULL; peer = peer->next)
        ldr_peer_close(peer);
    ldr_epoch_barrier();
    pthread_mutex_lock(&cluster->lock);
    while (!all_lost(cluster))
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    pthread_mutex_unlock(&cluster->lock);
    for (struct ldr_peer *peer = cluster->peers, *next; peer != NULL; peer = next) {
        next = peer->next;
        ldr_peer_free(peer);
    }
    free_cluster(cluster);
}

/* ------------------------------------------------------------------------------------------------ the member list */

static enum larder_status fail_as_older(const struct ldr_view *old, uint64_t epoch)
{
    return ldr_fail(LARDER_INVALID, "member list: epoch %" PRIu64 " is older than epoch %" PRIu64 ", which is in use",
                    epoch, old->seen.epoch);
}

/* LARDER_OK with *news false: the list is known already. */
static enum larder_status compare_epochs(const struct ldr_view *old, const struct ldr_view *view, bool *news)
{
    *news = old == NULL || view->seen.epoch > old->seen.epoch;
    if (*news || (view->seen.epoch == old->seen.epoch && view->seen.checksum == old->seen.checksum))
        return LARDER_OK;
    return view->seen.epoch == old->seen.epoch
               ? ldr_fail(LARDER_INVALID, "member list: epoch %" PRIu64 " was already given with other members",
                          view->seen.epoch)
               : fail_as_older(old, view->seen.epoch);
}

/*
 * Whether nothing has to be built to see what becomes of the list: it is older, or the very one in use, as each list comes from
 * discovery and from peers.
 */
static bool is_no_news(const struct ldr_view *old, uint64_t epoch, const struct larder_member *members, size_t count,
                       enum larder_status *status)
{
    *status = LARDER_OK;
    if (old == NULL || epoch > old->seen.epoch)
        return false;
    if (epoch < old->seen.epoch) {
        *status = fail_as_older(old, epoch);
        return true;
    }
    struct ldr_buffer list = {0};
    if (old->registered)
        ldr_list_encode(&list, epoch, members, count);
    bool same = list.size > 0 && !list.failed &&
                ldr_slice_equal(ldr_slice(list.data, list.size), ldr_slice(old->list.data, old->list.size));
    ldr_buffer_free(&list);
    return same;
}

static bool has_peer(const struct ldr_view *view, const struct ldr_view_member *member)
{
    size_t i = view == NULL ? 0 : ldr_view_find(view, member->name);
    return view != NULL && i < view->count && view->members[i].peer == member->peer;
}

static void publish(struct ldr_cluster *cluster, struct ldr_view *old, struct ldr_view *view)
{
    if (cluster->serial == 0)
        cluster->boot = cluster->options.runtime->random(cluster->options.runtime) | 1;
    view->serial = ++cluster->serial;
    view->holds = 1;
    ldr_standing_listed(cluster, old, view);
    /* Release: whoever sees the view sees its content. */
    atomic_store_explicit(&cluster->view, view, memory_order_release);
    if (cluster->events != NULL)
        cluster->events->listed(cluster->events->arg);
    ldr_standing_told(cluster, view->serial);
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].peer != NULL && !has_peer(old, &view->members[i]))
            ldr_probe_start(view->members[i].peer);
    for (size_t i = 0; old != NULL && i < old->count; i++)
        if (old->members[i].peer != NULL && !has_peer(view, &old->members[i]))
            ldr_probe_stop(old->members[i].peer);
    ldr_log(cluster->options.log, LARDER_LOG_INFO,
            "member list of epoch %" PRIu64 ": %zu members, ring checksum %016" PRIx64, view->seen.epoch, view->count,
            view->seen.checksum);
    if (!cluster->options.gateway && ldr_view_find(view, cluster->self) == view->count)
        ldr_log(cluster->options.log, LARDER_LOG_WARN,
                "member list of epoch %" PRIu64 " has no member %s: this node owns nothing", view->seen.epoch,
                cluster->self);
    for (size_t i = 0; old != NULL && i < view->count; i++)
        if (view->members[i].peer != NULL && has_peer(old, &view->members[i]))
            ldr_probe_now(view->members[i].peer);
    ldr_view_let_go(old);
    if (cluster->events != NULL)
        cluster->events->wake(cluster->events->arg);
}

static enum larder_status change(struct ldr_cluster *cluster, struct ldr_view *view, bool *published)
{
    struct ldr_view *old = ldr_cluster_view(cluster);
    bool news;
    enum larder_status status = compare_epochs(old, view, &news);
    if (status != LARDER_OK || !news)
        return status;
    if (!ldr_view_find_peers(view, cluster, old))
        return ldr_fail_memory();
    publish(cluster, old, view);
    *published = true;
    return LARDER_OK;
}

static enum larder_status take(struct ldr_cluster *cluster, uint64_t epoch, const struct larder_member *members,
                               size_t count, bool *published)
{
    struct ldr_view *view = ldr_view_new(cluster, epoch, members, count);
    if (view == NULL)
        return ldr_fail_memory();
    enum larder_status status = change(cluster, view, published);
    if (!*published)
        ldr_view_free(view);
    return status;
}

static bool is_closing(struct ldr_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    bool closing = cluster->closing;
    pthread_mutex_unlock(&cluster->lock);
    return closing;
}

enum larder_status ldr_cluster_set_members(struct ldr_cluster *cluster, uint64_t epoch,
                                           const struct larder_member *members, size_t count)
{
    enum larder_status status = ldr_view_check(members, count);
    if (status != LARDER_OK)
        return status;
    bool published = false;
    pthread_mutex_lock(&cluster->list_lock);
    if (is_closing(cluster))
        status = ldr_fail(LARDER_UNAVAILABLE, "the cluster is closing");
    else if (!is_no_news(ldr_cluster_view(cluster), epoch, members, count, &status))
        status = take(cluster, epoch, members, count, &published);
    pthread_mutex_unlock(&cluster->list_lock);
    if (published)
        ldr_epoch_barrier(); /* the old list lets go of peers that left now, not when something else is retired one day */
    return status;
}
