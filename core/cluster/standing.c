/* Whether this node may act under its list, and has been given everything under it: what follows from what the others say. */
#include <stdlib.h>
#include <string.h>

#include "core/cluster/standing_state.h"

/* Whether everybody of the last list that this node acted under is back, and has not been started anew. */
static bool all_returned(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    const struct ldr_last_list *last = cluster->last;
    for (size_t i = 0; last != NULL && i < last->count; i++) {
        const struct ldr_view_member *member = ldr_view_named(view, last->members[i].name);
        if (member == NULL || (member->peer != NULL && member->peer->standing.boot != last->members[i].boot))
            return false;
    }
    return last != NULL;
}

/* Whether others may have acted without this node since it last was on a list, or it was away for too long. */
static bool is_outdated(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    uint64_t now = larder_now(cluster->options.runtime), until = ldr_standing_read(&cluster->held_until);
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].peer != NULL && view->members[i].peer->standing.vouched > cluster->listed_last)
            return true;
    return now > until && now - until > ldr_ns(cluster->options.tombstone_ttl_ms);
}

/*
 * Whether the list goes on from the last one that was acted under: some member was caught up all the time. Without one, only
 * who made the first list of all may act, or all of the last list together, or anybody after a long while.
 */
static bool is_tied(const struct ldr_cluster *cluster, const struct ldr_view *view, bool seasoned)
{
    return seasoned || cluster->seasoned || cluster->founder || (cluster->came_back && all_returned(cluster, view));
}

static bool is_orphaned(const struct ldr_cluster *cluster)
{
    return larder_now(cluster->options.runtime) - cluster->listed_at >= ldr_ns(cluster->options.orphan_wait_ms);
}

/* Keeps whom the list has, now that it is acted under. */
static void keep_list(struct ldr_cluster *cluster, const struct ldr_view *view)
{
    struct ldr_last_list *last = calloc(1, sizeof *last + view->count * sizeof last->members[0]);
    if (last == NULL)
        return; /* the older one only makes this node wait longer once */
    last->count = view->count;
    for (size_t i = 0; i < view->count; i++) {
        memcpy(last->members[i].name, view->members[i].name, sizeof last->members[i].name);
        last->members[i].boot = view->members[i].peer != NULL ? view->members[i].peer->standing.boot : cluster->boot;
    }
    free(cluster->last);
    cluster->last = last;
}

bool ldr_standing_evaluate(struct ldr_cluster *cluster, const struct ldr_view *view)
{
    bool sealed = true, done = true, seasoned = false, news = false;
    uint64_t asked = view->count > 1 ? LARDER_NEVER : 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct ldr_peer *peer = view->members[i].peer;
        if (peer == NULL)
            continue;
        const struct ldr_standing *standing = &peer->standing;
        bool there = standing->epoch == view->seen.epoch && standing->boot != 0;
        sealed &= there;
        done &= standing->done && standing->done_serial == view->serial;
        seasoned |= there && standing->seasoned;
        asked = !there ? 0 : standing->asked < asked ? standing->asked : asked;
    }
    sealed &= ldr_standing_read(&cluster->told) == view->serial && view->self < view->count;
    bool tied = is_tied(cluster, view, seasoned);
    /* What is here may be older than what others had since: it has to go first. */
    cluster->outdated = cluster->came_back && is_outdated(cluster, view);
    if (cluster->options.strict && ldr_standing_read(&cluster->sealed) != view->serial && sealed &&
        !cluster->outdated && (tied || is_orphaned(cluster))) {
        ldr_standing_write(&cluster->sealed, view->serial);
        cluster->changed_at = larder_now(cluster->options.runtime);
        cluster->active_last = view->seen.epoch;
        /* Nobody acted before the first list: whoever made it lacks nothing, and the others wait for one who says so. */
        cluster->seasoned |= cluster->founder;
        cluster->founder = cluster->came_back = false;
        keep_list(cluster, view);
        news = true;
    }
    ldr_standing_write(&cluster->evidence_until, asked == 0 ? 0 : asked + ldr_ns(cluster->options.fence_peer_ms));
    bool acts = !cluster->options.strict || ldr_standing_read(&cluster->sealed) == view->serial;
    if (acts && done && view->self < view->count && ldr_standing_read(&cluster->caught_up) != view->serial) {
        ldr_standing_write(&cluster->caught_up, view->serial);
        cluster->seasoned = true;
        news = true;
    }
    return news;
}

void ldr_standing_tell(struct ldr_cluster *cluster)
{
    const struct ldr_cluster_events *events = cluster->events;
    if (events != NULL)
        events->wake(events->arg);
}

/* ------------------------------------------------------------------------------------------------ what discovery and time bring */

void ldr_cluster_lease(struct ldr_cluster *cluster, uint64_t until)
{
    uint64_t now = larder_now(cluster->options.runtime);
    ldr_standing_write(&cluster->lease_until, until);
    if (until != 0 || now < ldr_standing_read(&cluster->held_until))
        ldr_standing_write(&cluster->held_until, until != 0 ? until : now);
}

void ldr_cluster_founded(struct ldr_cluster *cluster)
{
    pthread_mutex_lock(&cluster->standing_lock);
    cluster->founder = true;
    pthread_mutex_unlock(&cluster->standing_lock);
}

/* Has what is outdated go, if that is all that is missing. One at a time, and never once this node acts. */
static void clear(struct ldr_cluster *cluster)
{
    pthread_mutex_lock(&cluster->clear_lock);
    pthread_mutex_lock(&cluster->standing_lock);
    bool outdated = cluster->outdated && cluster->events != NULL;
    pthread_mutex_unlock(&cluster->standing_lock);
    if (outdated) {
        cluster->events->outdated(cluster->events->arg);
        pthread_mutex_lock(&cluster->standing_lock);
        cluster->outdated = cluster->came_back = false; /* it is as a newcomer now */
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    pthread_mutex_unlock(&cluster->clear_lock);
}

/* A list that nobody else is on, or that waits for orphan_wait, has no ping to bring it further. */
static void look_again(struct ldr_cluster *cluster)
{
    bool news = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL) {
        pthread_mutex_lock(&cluster->standing_lock);
        news = ldr_standing_evaluate(cluster, view);
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    if (news)
        ldr_standing_tell(cluster);
}

void ldr_cluster_tick(struct ldr_cluster *cluster)
{
    if (!cluster->options.strict)
        return;
    look_again(cluster);
    clear(cluster);
    look_again(cluster);
}

/* ------------------------------------------------------------------------------------------------ the questions */

bool ldr_cluster_strict(const struct ldr_cluster *cluster)
{
    return cluster->options.strict;
}

bool ldr_cluster_acts(struct ldr_cluster *cluster, uint64_t serial)
{
    if (!cluster->options.strict)
        return true;
    if (ldr_standing_read(&cluster->sealed) != serial)
        look_again(cluster);
    if (ldr_standing_read(&cluster->sealed) != serial)
        return false;
    uint64_t now = larder_now(cluster->options.runtime);
    return now < ldr_standing_read(&cluster->lease_until) || now < ldr_standing_read(&cluster->evidence_until);
}

bool ldr_cluster_may_pass(struct ldr_cluster *cluster, uint64_t serial)
{
    return !cluster->options.strict || ldr_standing_read(&cluster->sealed) == serial;
}

bool ldr_cluster_is_sealed_by_all(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool member = view != NULL && view->self < view->count;
    bool sealed = view != NULL && (!member || ldr_standing_read(&cluster->sealed) == view->serial);
    pthread_mutex_lock(&cluster->standing_lock);
    for (size_t i = 0; sealed && i < view->count; i++) {
        const struct ldr_peer *peer = view->members[i].peer;
        sealed = peer == NULL || peer->standing.sealed == view->seen.epoch;
    }
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return sealed;
}

bool ldr_cluster_is_changing(struct ldr_cluster *cluster)
{
    uint64_t limit = ldr_ns(cluster->options.peer_timeout_ms), serial = ldr_cluster_serial(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    uint64_t now = larder_now(
        cluster->options.runtime); /* not before the times it is compared with, which come under the lock */
    bool sealed = ldr_standing_read(&cluster->sealed) == serial;
    bool changing = now - (sealed ? cluster->changed_at : cluster->listed_at) < 2 * limit;
    pthread_mutex_unlock(&cluster->standing_lock);
    return changing;
}

bool ldr_cluster_caught_up(struct ldr_cluster *cluster, uint64_t serial)
{
    if (ldr_standing_read(&cluster->caught_up) != serial && (cluster->options.gateway || serial == 0))
        return true;
    if (ldr_standing_read(&cluster->caught_up) != serial)
        look_again(cluster);
    return ldr_standing_read(&cluster->caught_up) == serial;
}

uint64_t ldr_cluster_version_epoch(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    uint64_t epoch = view != NULL && view->registered ? view->seen.epoch : 0;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return epoch;
}
