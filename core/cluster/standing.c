#include "core/cluster/standing.h"

#include <stdlib.h>
#include <string.h>

#include "core/cluster/peer.h"

#define EAGER_MS 100 /* between two pings while something is still open */

static uint64_t read(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void write(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------------ a new list */

static const struct ldr_view_member *find(const struct ldr_view *view, const char *name)
{
    size_t i = ldr_view_find(view, name);
    return i < view->count ? &view->members[i] : NULL;
}

bool ldr_peer_is_passed(const struct ldr_peer *peer, const struct ldr_view *view)
{
    const struct ldr_standing *standing = &peer->standing;
    return standing->boot != 0 && standing->passed_serial == view->serial && standing->passed_boot == standing->boot &&
           !standing->behind && !standing->again;
}

/* With the lock held. */
static bool all_passed(const struct ldr_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].peer != NULL && view->members[i].on_ring != SIZE_MAX &&
            !ldr_peer_is_passed(view->members[i].peer, view))
            return false;
    return true;
}

/* Whether everybody of the last list that this node acted under is back, and has not been started anew. */
static bool all_returned(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    const struct ldr_last_list *last = cluster->last;
    for (size_t i = 0; last != NULL && i < last->count; i++) {
        const struct ldr_view_member *member = find(view, last->members[i].name);
        if (member == NULL || (member->peer != NULL && member->peer->standing.boot != last->members[i].boot))
            return false;
    }
    return last != NULL;
}

/* Whether others may have acted without this node since it last was on a list, or it was away for too long. */
static bool is_outdated(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    uint64_t now = larder_now(cluster->options.runtime), until = read(&cluster->held_until);
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].peer != NULL && view->members[i].peer->standing.vouched > cluster->listed_last)
            return true;
    return now > until && now - until > ldr_ns(cluster->options.tombstone_ttl_ms);
}

/* Remembers, for those that are new on the list, which list before may have been acted under without them. */
static void note_newcomers(const struct ldr_cluster *cluster, const struct ldr_view *old, const struct ldr_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct ldr_view_member *before = old == NULL ? NULL : find(old, view->members[i].name);
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
    bool caught_up = old != NULL && read(&cluster->caught_up) == old->serial, clean = caught_up && all_passed(old);
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
    struct ldr_view *base = atomic_load_explicit(&cluster->base, memory_order_relaxed);
    if (clean)
        old->holds++;
    atomic_store_explicit(&cluster->base, clean ? old : NULL, memory_order_release);
    ldr_view_let_go(base);
}

/* ------------------------------------------------------------------------------------------------ copies that outlived newer ones */

static bool holds(const struct ldr_view *view, const size_t *found, size_t count, size_t member)
{
    for (size_t i = 0; i < count; i++)
        if (found[i] == member)
            return true;
    return view->count == 0;
}

/* Whether what a member had under the past list came here before it left: it was done with this node, then or later. */
static bool has_given(struct ldr_cluster *cluster, const struct ldr_view *past, const struct ldr_view_member *then)
{
    pthread_mutex_lock(&cluster->standing_lock);
    bool given = then->peer != NULL && then->peer->standing.gave_as == then->incarnation &&
                 then->peer->standing.gave_epoch >= past->seen.epoch;
    pthread_mutex_unlock(&cluster->standing_lock);
    return given;
}

/* Whether no member that held the key under the past list is on this one, nor has given this node what it had. */
static bool all_vanished(struct ldr_cluster *cluster, const struct ldr_view *past, const size_t *found, size_t count,
                         const struct ldr_view *view)
{
    for (size_t i = 0; i < count; i++) {
        const struct ldr_view_member *then = &past->members[found[i]], *now = find(view, then->name);
        if ((now != NULL && now->incarnation == then->incarnation) || has_given(cluster, past, then))
            return false;
    }
    return true;
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
            all_vanished(cluster, past, found, count, view))
            return true;
    }
    return false;
}

bool ldr_cluster_has_past(const struct ldr_cluster *cluster)
{
    return cluster->past_count > 0;
}

void ldr_standing_told(struct ldr_cluster *cluster, uint64_t serial)
{
    atomic_store_explicit(&cluster->told, serial, memory_order_release);
}

/* ------------------------------------------------------------------------------------------------ what follows */

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

/* Looks at the standings of all others. With the lock held. True: somebody wants to know. */
static bool evaluate(struct ldr_cluster *cluster, const struct ldr_view *view)
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
    sealed &= read(&cluster->told) == view->serial && view->self < view->count;
    bool tied = is_tied(cluster, view, seasoned);
    /* What is here may be older than what others had since: it has to go first. */
    cluster->outdated = cluster->came_back && is_outdated(cluster, view);
    if (cluster->options.strict && read(&cluster->sealed) != view->serial && sealed && !cluster->outdated &&
        (tied || is_orphaned(cluster))) {
        write(&cluster->sealed, view->serial);
        cluster->changed_at = larder_now(cluster->options.runtime);
        cluster->active_last = view->seen.epoch;
        /* Nobody acted before the first list: whoever made it lacks nothing, and the others wait for one who says so. */
        cluster->seasoned |= cluster->founder;
        cluster->founder = cluster->came_back = false;
        keep_list(cluster, view);
        news = true;
    }
    write(&cluster->evidence_until, asked == 0 ? 0 : asked + ldr_ns(cluster->options.fence_peer_ms));
    bool acts = !cluster->options.strict || read(&cluster->sealed) == view->serial;
    if (acts && done && view->self < view->count && read(&cluster->caught_up) != view->serial) {
        write(&cluster->caught_up, view->serial);
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

/* ------------------------------------------------------------------------------------------------ talking */

void ldr_standing_header(struct ldr_cluster *cluster, struct ldr_peer *peer, const uint64_t *epoch,
                         struct ldr_header *header)
{
    const struct ldr_view *view = ldr_cluster_view(cluster);
    uint64_t theirs = epoch != NULL ? *epoch : 0;
    header->stamp = larder_now(cluster->options.runtime);
    if (view == NULL || atomic_load_explicit(&cluster->told, memory_order_acquire) != view->serial)
        return; /* without a boot: it stands for nothing */
    header->boot = cluster->boot;
    header->id = view->seen.epoch; /* the ring beside it may be a later one already */
    pthread_mutex_lock(&cluster->standing_lock);
    if (epoch == NULL && peer != NULL)
        theirs = peer->standing.epoch;
    if (peer != NULL)
        header->budget = peer->standing.before;
    if (cluster->seasoned)
        header->flags |= LDR_HEADER_SEASONED;
    if (read(&cluster->sealed) == view->serial)
        header->flags |= LDR_HEADER_SEALED;
    if (read(&cluster->caught_up) == view->serial)
        header->flags |= LDR_HEADER_CAUGHT_UP;
    if (peer != NULL && ldr_peer_is_passed(peer, view))
        header->flags |= LDR_HEADER_DONE;
    pthread_mutex_unlock(&cluster->standing_lock);
    if (view->registered && theirs < view->seen.epoch)
        header->list = ldr_slice(view->list.data, view->list.size);
}

/* Whether what was said under their view counts for ours. Epochs of lists that are not registered are each node's own. */
static bool same_list(const struct ldr_view *view, const struct larder_ring_view *ring, const struct ldr_header *header)
{
    return view->registered ? header->id == view->seen.epoch : ring->checksum == view->seen.checksum;
}

/* What was long on its way tells of a clock that is behind, and requests would be refused as late: what came before it counts on. */
static void keep_stamp(struct ldr_standing *standing, uint64_t stamp, uint64_t longest)
{
    uint64_t age = standing->heard - standing->stamped;
    if (standing->stamp != 0 && age <= longest && stamp < standing->stamp + age)
        return;
    standing->stamp = stamp;
    standing->stamped = standing->heard;
}

static void note_given(struct ldr_standing *standing, const struct ldr_view *view, const char *name)
{
    const struct ldr_view_member *member = find(view, name);
    standing->gave_epoch = view->seen.epoch;
    standing->gave_as = member != NULL ? member->incarnation : 0;
}

static bool hear(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct ldr_view *view,
                 const struct larder_ring_view *ring, const struct ldr_header *header, uint64_t asked)
{
    struct ldr_standing *standing = &peer->standing;
    bool news = standing->boot != header->boot;
    if (news) /* its process began anew, and has nothing */
        standing->behind = true;
    standing->boot = header->boot;
    standing->seasoned = (header->flags & LDR_HEADER_SEASONED) != 0;
    standing->heard = larder_now(cluster->options.runtime);
    if (news)
        standing->sealed = standing->caught_up = standing->stamp = 0;
    if (asked != 0)
        standing->answered = standing->heard;
    keep_stamp(standing, header->stamp, ldr_ns(cluster->options.peer_timeout_ms));
    if ((header->flags & LDR_HEADER_SEALED) != 0)
        standing->sealed = header->id;
    if ((header->flags & LDR_HEADER_CAUGHT_UP) != 0)
        standing->caught_up = header->id;
    if (asked != 0 && (header->id > standing->epoch || asked >= standing->asked)) {
        standing->epoch = header->id;
        standing->asked = asked;
    }
    if (same_list(view, ring, header)) {
        standing->vouched = header->budget;
        if ((header->flags & (LDR_HEADER_SEASONED | LDR_HEADER_SEALED)) != 0 && view->self < view->count)
            cluster->active_last = view->seen.epoch;
        bool done = (header->flags & LDR_HEADER_DONE) != 0;
        news |= done && !(standing->done && standing->done_serial == view->serial);
        if (done) {
            standing->done = true;
            standing->done_serial = view->serial;
            note_given(standing, view, peer->name);
        }
    }
    return news | evaluate(cluster, view);
}

void ldr_standing_heard(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_ring_view *ring,
                        const struct ldr_header *header, uint64_t asked)
{
    bool news = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool known = view != NULL && ldr_view_find(view, peer->name) < view->count && header->boot != 0;
    if (known) {
        pthread_mutex_lock(&cluster->standing_lock);
        news = hear(cluster, peer, view, ring, header, asked);
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    bool later = header->list.size > 0 && (view == NULL || view->registered) &&
                 (view == NULL || header->id > view->seen.epoch);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    if (later)
        ldr_cluster_adopt(cluster, header->list);
    if (news)
        ldr_standing_tell(cluster);
}

/*
 * Whether it may be there at all: it was heard of, or is on a list of those that hold leases and has not failed to answer yet. With
 * the lock held.
 */
static bool may_owe(const struct ldr_peer *peer, const struct ldr_view *view)
{
    return peer->standing.boot != 0 || (view->registered && ldr_peer_is_up(peer));
}

uint64_t ldr_standing_interval_ms(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    uint64_t usual = cluster->options.probe_ms, eager = usual < EAGER_MS ? usual : EAGER_MS;
    if (cluster->options.strict && eager > cluster->options.fence_peer_ms / 3)
        eager = cluster->options.fence_peer_ms / 3 + 1;
    uint64_t now = larder_now(cluster->options.runtime);
    bool open = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL && view->self < view->count) {
        if (cluster->options.strict)
            open = read(&cluster->sealed) != view->serial || read(&cluster->lease_until) <= now + ldr_ns(usual);
        pthread_mutex_lock(&cluster->standing_lock);
        const struct ldr_standing *standing = &peer->standing;
        if (may_owe(peer, view) && ldr_peer_is_up(peer))
            open |= !ldr_peer_is_passed(peer, view) || !(standing->done && standing->done_serial == view->serial);
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return open ? eager : usual;
}

/* ------------------------------------------------------------------------------------------------ the doors */

void ldr_cluster_lease(struct ldr_cluster *cluster, uint64_t until)
{
    uint64_t now = larder_now(cluster->options.runtime);
    write(&cluster->lease_until, until);
    if (until != 0 || now < read(&cluster->held_until))
        write(&cluster->held_until, until != 0 ? until : now);
}

void ldr_cluster_founded(struct ldr_cluster *cluster)
{
    pthread_mutex_lock(&cluster->standing_lock);
    cluster->founder = true;
    pthread_mutex_unlock(&cluster->standing_lock);
}

bool ldr_cluster_strict(const struct ldr_cluster *cluster)
{
    return cluster->options.strict;
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
        news = evaluate(cluster, view);
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

bool ldr_cluster_acts(struct ldr_cluster *cluster, uint64_t serial)
{
    if (!cluster->options.strict)
        return true;
    if (read(&cluster->sealed) != serial)
        look_again(cluster);
    if (read(&cluster->sealed) != serial)
        return false;
    uint64_t now = larder_now(cluster->options.runtime);
    return now < read(&cluster->lease_until) || now < read(&cluster->evidence_until);
}

bool ldr_cluster_peer_acts(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t epoch, uint64_t since,
                           bool stand_in)
{
    pthread_mutex_lock(&cluster->standing_lock);
    bool acts = (stand_in ? peer->standing.caught_up : peer->standing.sealed) == epoch && peer->standing.heard >= since;
    pthread_mutex_unlock(&cluster->standing_lock);
    return acts;
}

/* The longest pause between two pings, and as much again as the answer to one may be expected to take. */
uint64_t ldr_cluster_patience_ms(const struct ldr_cluster *cluster)
{
    return cluster->options.probe_ms * 5 / 4 + cluster->options.peer_timeout_ms / 2;
}

bool ldr_peer_is_there(struct ldr_peer *peer)
{
    struct ldr_cluster *cluster = peer->cluster;
    pthread_mutex_lock(&cluster->standing_lock);
    uint64_t at = peer->standing.answered; /* not before the time it is compared with, which comes under the lock */
    bool there = larder_now(cluster->options.runtime) - at <= ldr_ns(ldr_cluster_patience_ms(cluster));
    pthread_mutex_unlock(&cluster->standing_lock);
    return at != 0 && there;
}

bool ldr_cluster_is_changing(struct ldr_cluster *cluster)
{
    uint64_t limit = ldr_ns(cluster->options.peer_timeout_ms), serial = ldr_cluster_serial(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    uint64_t now = larder_now(
        cluster->options.runtime); /* not before the times it is compared with, which come under the lock */
    bool sealed = read(&cluster->sealed) == serial;
    bool changing = now - (sealed ? cluster->changed_at : cluster->listed_at) < 2 * limit;
    pthread_mutex_unlock(&cluster->standing_lock);
    return changing;
}

bool ldr_cluster_caught_up(struct ldr_cluster *cluster, uint64_t serial)
{
    if (read(&cluster->caught_up) != serial && (cluster->options.gateway || serial == 0))
        return true;
    if (read(&cluster->caught_up) != serial)
        look_again(cluster);
    return read(&cluster->caught_up) == serial;
}

bool ldr_cluster_is_owed(struct ldr_cluster *cluster)
{
    bool owed = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL && !ldr_cluster_caught_up(cluster, view->serial)) {
        owed = cluster->options.strict;
        pthread_mutex_lock(&cluster->standing_lock);
        for (size_t i = 0; i < view->count && !owed; i++) {
            const struct ldr_peer *peer = view->members[i].peer;
            owed = peer != NULL && may_owe(peer, view) &&
                   !(peer->standing.done && peer->standing.done_serial == view->serial);
        }
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return owed;
}

bool ldr_cluster_done_by(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t serial)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    bool done = peer->standing.done && peer->standing.done_serial == serial;
    done |= !cluster->options.strict && (view == NULL || !may_owe(peer, view));
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return done;
}

bool ldr_cluster_wants_pass(struct ldr_cluster *cluster, struct ldr_peer *peer, uint64_t serial, uint64_t *boot,
                            bool *full)
{
    pthread_mutex_lock(&cluster->standing_lock);
    struct ldr_standing *standing = &peer->standing;
    *boot = standing->boot;
    *full = standing->behind || standing->passed_boot != standing->boot;
    bool wanted = standing->boot != 0 && ldr_peer_is_up(peer) &&
                  (*full || standing->again || standing->passed_serial != serial);
    if (wanted) { /* whatever fails or comes from now on makes them so again */
        standing->behind = standing->again = false;
        standing->passed_serial = 0;
    }
    pthread_mutex_unlock(&cluster->standing_lock);
    return wanted;
}

void ldr_cluster_passed(struct ldr_cluster *cluster, struct ldr_peer *peer, uint64_t serial, uint64_t boot)
{
    pthread_mutex_lock(&cluster->standing_lock);
    peer->standing.passed_serial = serial;
    peer->standing.passed_boot = boot;
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_probe_now(peer);
}

static bool set_behind(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    pthread_mutex_lock(&cluster->standing_lock);
    bool news = !peer->standing.behind;
    peer->standing.behind = true;
    pthread_mutex_unlock(&cluster->standing_lock);
    return news;
}

void ldr_cluster_behind(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    if (set_behind(cluster, peer))
        ldr_standing_tell(cluster);
}

void ldr_cluster_behind_quietly(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    set_behind(cluster, peer);
}

void ldr_cluster_pass_again(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    for (size_t i = 0; view != NULL && i < view->count; i++)
        if (view->members[i].peer != NULL)
            view->members[i].peer->standing.again = true;
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

bool ldr_cluster_is_complete(struct ldr_cluster *cluster, uint64_t serial)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    bool complete = view != NULL && view->serial == serial && all_passed(view);
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return complete;
}

bool ldr_cluster_may_pass(struct ldr_cluster *cluster, uint64_t serial)
{
    return !cluster->options.strict || read(&cluster->sealed) == serial;
}

uint64_t ldr_cluster_version_epoch(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    uint64_t epoch = view != NULL && view->registered ? view->seen.epoch : 0;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return epoch;
}

bool ldr_cluster_stamp(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t *stamp, uint64_t *age)
{
    pthread_mutex_lock(&cluster->standing_lock);
    *stamp = peer->standing.stamp;
    *age = larder_now(cluster->options.runtime) - peer->standing.stamped;
    pthread_mutex_unlock(&cluster->standing_lock);
    return *stamp != 0;
}

void ldr_cluster_heard(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_reply *reply)
{
    struct ldr_header header;
    if (!ldr_header_decode(reply->cluster, &header))
        return;
    ldr_standing_heard(cluster, peer, &reply->ring, &header, 0);
    pthread_mutex_lock(&cluster->standing_lock);
    peer->standing.answered = peer->standing.heard = larder_now(cluster->options.runtime);
    pthread_mutex_unlock(&cluster->standing_lock);
}

/* Strict: somebody who stays can tie the next list to this one, or nobody stays at all. With the lock held. */
static bool can_spare_this(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    bool stays = false, seasoned = false;
    for (size_t i = 0; i < view->count; i++) {
        const struct ldr_peer *peer = view->members[i].peer;
        if (peer == NULL || view->members[i].leaving)
            continue;
        stays = true;
        seasoned |= peer->standing.seasoned && peer->standing.epoch == view->seen.epoch;
    }
    return seasoned || !stays || !cluster->options.strict;
}

bool ldr_cluster_may_go(struct ldr_cluster *cluster)
{
    /* Whoever asks this node has pinged it in that time, and got the list with the answer. */
    uint64_t known_ms = cluster->options.probe_ms + cluster->options.probe_ms / 2 + cluster->options.peer_timeout_ms;
    bool may = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    if (view != NULL && cluster->leaves_since != 0)
        may = can_spare_this(cluster, view) &&
              larder_now(cluster->options.runtime) - cluster->leaves_since >= ldr_ns(known_ms);
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return may;
}

bool ldr_cluster_is_last(struct ldr_cluster *cluster)
{
    bool stays = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count; i++)
        stays |= view->members[i].peer != NULL && !view->members[i].leaving;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return !stays;
}

bool ldr_cluster_is_leaving(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool leaving = view != NULL && view->self < view->count && view->members[view->self].leaving;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return leaving;
}
