/* What a new list means: who is new on it, and what may be written under it that is not here, or was before it and is. */
#include <stdlib.h>

#include "core/cluster/standing_state.h"

/* Remembers, for those that are new on the list, which list before may have been acted under without them. */
static void note_newcomers(const struct ldr_cluster *cluster, const struct ldr_view *old, const struct ldr_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct ldr_view_member *before = old == NULL ? NULL : ldr_view_named(old, view->members[i].name);
        struct ldr_peer *peer = view->members[i].peer;
        if (peer == NULL || (before != NULL && before->incarnation == view->members[i].incarnation))
            continue;
        peer->standing.before = cluster->active_last;
        peer->standing.vouched = 0;
    }
}

/* Keeps the lists under which something newer than what is here may have been written: none before it came here, too. */
static void keep_past(struct ldr_cluster *cluster, struct ldr_view *old, bool clean, bool caught_up)
{
    if (caught_up || old == NULL)
        ldr_standing_forget(cluster);
    if (clean || old == NULL)
        return;
    struct ldr_view **past = realloc(cluster->past, (cluster->past_count + 1) * sizeof(struct ldr_view *));
    if (past == NULL)
        return; /* it only matters if all that hold a key vanish before it has arrived elsewhere */
    cluster->past = past;
    past[cluster->past_count++] = old;
    old->holds++;
}

/*
 * Those that left in order since a past list: who was leaving wrote nothing any more, and offered all that it had to whoever is to
 * hold it. (Of who stays the same says nothing about what it writes afterwards.)
 */
static void note_given(struct ldr_cluster *cluster, const struct ldr_view *old)
{
    for (size_t i = 0; i < old->count; i++) {
        const struct ldr_view_member *leaver = &old->members[i];
        const struct ldr_standing *standing = leaver->peer != NULL ? &leaver->peer->standing : NULL;
        if (standing == NULL || !leaver->leaving || !standing->done || standing->done_serial != old->serial)
            continue;
        for (size_t j = 0; j < cluster->past_count; j++) {
            struct ldr_view *past = cluster->past[j];
            size_t then = ldr_view_find(past, leaver->name);
            if (then < past->count && past->members[then].incarnation == leaver->incarnation)
                past->members[then].given = true;
        }
    }
}

static void note_vanished(struct ldr_cluster *cluster, const struct ldr_view *view)
{
    for (size_t i = 0; i < cluster->past_count; i++) {
        struct ldr_view *past = cluster->past[i];
        for (size_t j = 0; j < past->count; j++) {
            const struct ldr_view_member *now = ldr_view_named(view, past->members[j].name);
            if (past->members[j].vanished == 0 && (now == NULL || now->incarnation != past->members[j].incarnation))
                past->members[j].vanished = view->serial;
        }
    }
}

void ldr_standing_forget(struct ldr_cluster *cluster)
{
    for (size_t i = 0; i < cluster->past_count; i++)
        ldr_view_let_go(cluster->past[i]);
    free(cluster->past);
    cluster->past = NULL;
    cluster->past_count = 0;
}

void ldr_standing_listed(struct ldr_cluster *cluster, struct ldr_view *old, struct ldr_view *view)
{
    uint64_t mine = view->self < view->count ? view->members[view->self].incarnation : 0;
    pthread_mutex_lock(&cluster->standing_lock);
    bool caught_up = old != NULL && ldr_standing_read(&cluster->caught_up) == old->serial;
    bool clean = caught_up && ldr_view_all_passed(old);
    cluster->listed_at = cluster->changed_at = larder_now(cluster->options.runtime);
    if (view->self == view->count || !view->members[view->self].leaving)
        cluster->leaves_since = 0;
    else if (cluster->leaves_since == 0)
        cluster->leaves_since = cluster->listed_at;
    note_newcomers(cluster, old, view);
    if (old != NULL && old->self < old->count && !cluster->came_back)
        cluster->listed_last = old->seen.epoch;
    if (mine != 0 && mine != cluster->incarnation) {
        clean &= cluster->incarnation == 0;
        cluster->came_back = cluster->last != NULL;
        cluster->seasoned = false;
        cluster->incarnation = mine;
    }
    if (cluster->seasoned && mine != 0) /* whoever hears of that may act */
        cluster->active_last = view->seen.epoch;
    pthread_mutex_unlock(&cluster->standing_lock);
    if (cluster->options.strict)
        keep_past(cluster, old, clean, caught_up);
    if (old != NULL) {
        pthread_mutex_lock(&cluster->standing_lock);
        note_given(cluster, old);
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    note_vanished(cluster, view);
    struct ldr_view *base = atomic_load_explicit(&cluster->base, memory_order_relaxed);
    if (clean)
        old->holds++;
    atomic_store_explicit(&cluster->base, clean ? old : NULL, memory_order_release);
    ldr_view_let_go(base);
}

void ldr_standing_told(struct ldr_cluster *cluster, uint64_t serial)
{
    atomic_store_explicit(&cluster->told, serial, memory_order_release);
}

/* ------------------------------------------------------------------------------------------------ copies that outlived newer ones */

static bool holds(const struct ldr_view *view, const size_t *found, size_t count, size_t member)
{
    for (size_t i = 0; i < count; i++)
        if (found[i] == member)
            return true;
    return view->count == 0;
}

/*
 * Whether with this view the last one has vanished of those that held the key under the past list, and none of them has given this
 * node what it had. What came here after that is of members that know of nothing newer.
 */
static bool all_vanished(const struct ldr_view *past, const size_t *found, size_t count, const struct ldr_view *view)
{
    bool last = false;
    for (size_t i = 0; i < count; i++) {
        const struct ldr_view_member *then = &past->members[found[i]];
        if (then->given || then->vanished == 0)
            return false;
        last |= then->vanished == view->serial;
    }
    return last;
}

bool ldr_cluster_outlived(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key,
                          struct larder_version version)
{
    const struct ldr_view *view = ldr_cluster_view(cluster);
    uint64_t digest = ldr_cluster_digest(cluster, group, key);
    for (size_t i = 0; i < cluster->past_count; i++) {
        const struct ldr_view *past = cluster->past[i];
        size_t found[LDR_REPLICAS_MAX], count = ldr_view_replicas(past, digest, found, cluster->options.replicas);
        if (version.epoch < past->seen.epoch && !holds(past, found, count, past->self) &&
            all_vanished(past, found, count, view))
            return true;
    }
    return false;
}

bool ldr_cluster_has_past(const struct ldr_cluster *cluster)
{
    return cluster->past_count > 0;
}
