#include "core/group/handoff.h"

#include <stdlib.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/group/handoff_batch.h"

#define SCANNED_AT_ONCE 2048 /* entries looked at before others get their turn */
#define PAUSE_MS        50   /* before a pass begins: what comes together is done together */
#define RETRY_MS        500  /* after one in which something failed */
#define WAIT_MS         50   /* that one who waits does without being told */

struct ldr_handoff *ldr_handoff_open(struct ldr_context *context, struct ldr_registry *registry, uint64_t bandwidth)
{
    struct ldr_handoff *handoff = calloc(1, sizeof *handoff);
    if (handoff == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    handoff->context = context;
    handoff->registry = registry;
    handoff->bandwidth = bandwidth;
    handoff->timer.fire = ldr_handoff_step;
    pthread_mutex_init(&handoff->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&handoff->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return handoff;
}

/* With the lock held. */
static void start_timer(struct ldr_handoff *handoff, uint64_t delay)
{
    const struct larder_runtime *runtime = handoff->context->runtime;
    uint64_t at = larder_now(runtime) + delay;
    if (handoff->stopped || (handoff->waiting && handoff->at <= at))
        return;
    handoff->waiting = true;
    handoff->at = at;
    runtime->timer_start(runtime, &handoff->timer, at);
}

void ldr_handoff_wake(struct ldr_handoff *handoff)
{
    pthread_mutex_lock(&handoff->lock);
    handoff->woken = true;
    if (!handoff->passing && !handoff->stepping) /* else it is looked at when the pass, or the step, is over */
        start_timer(handoff, PAUSE_MS * LARDER_NS_PER_MS);
    pthread_cond_broadcast(&handoff->changed);
    pthread_mutex_unlock(&handoff->lock);
}

void ldr_handoff_again(struct ldr_handoff *handoff)
{
    ldr_cluster_pass_again(handoff->context->cluster);
    ldr_handoff_wake(handoff);
}

/* ------------------------------------------------------------------------------------------------ a pass */

static void collect(void *arg, struct ldr_group *group)
{
    struct ldr_handoff *handoff = arg;
    if (group->store == NULL || handoff->group_count == LDR_HANDOFF_GROUPS)
        return;
    struct ldr_store_stats stats;
    ldr_store_stats(group->store, &stats);
    handoff->total += stats.entries;
    handoff->groups[handoff->group_count++] = ldr_group_reference(group);
}

static void release_targets(struct ldr_handoff *handoff)
{
    ldr_handoff_forget_sums(handoff);
    for (size_t i = 0; i < handoff->target_count; i++)
        ldr_peer_release(handoff->targets[i].peer);
    free(handoff->targets);
    handoff->targets = NULL;
    handoff->target_count = 0;
}

/* The batch, if there was one, is over. Whoever stops the hand-off leaves what it holds of a batch under way to this. */
void ldr_handoff_go_on(struct ldr_handoff *handoff, uint64_t delay)
{
    pthread_mutex_lock(&handoff->lock);
    bool stopped = handoff->stopped;
    handoff->in_flight = false;
    start_timer(handoff, delay);
    pthread_mutex_unlock(&handoff->lock);
    if (stopped)
        release_targets(handoff);
}

static void release_groups(struct ldr_handoff *handoff)
{
    for (size_t i = 0; i < handoff->group_count; i++)
        ldr_group_release(handoff->groups[i]);
    handoff->group_count = handoff->group = 0;
    handoff->phase = LDR_HANDOFF_NEW;
    handoff->walk = (struct ldr_store_walk){0};
}

/* Those that may not have all that is here for them, and can be reached. False: there are none. */
static bool find_targets(struct ldr_handoff *handoff)
{
    struct ldr_cluster *cluster = handoff->context->cluster;
    size_t count = ldr_cluster_others(cluster, NULL, 0, &handoff->serial) + 8; /* a list may come in between */
    struct ldr_peer **peers = calloc(count, sizeof *peers);
    handoff->targets = calloc(count, sizeof *handoff->targets);
    size_t others = peers == NULL || handoff->targets == NULL
                        ? 0
                        : ldr_cluster_others(cluster, peers, count, &handoff->serial);
    for (size_t i = 0; i < (others < count ? others : count); i++) {
        struct ldr_handoff_target *target = &handoff->targets[handoff->target_count];
        target->peer = peers[i];
        if (ldr_cluster_wants_pass(cluster, peers[i], handoff->serial, &target->boot, &target->full))
            handoff->target_count++;
        else
            ldr_peer_release(peers[i]);
    }
    free(peers);
    return handoff->target_count > 0;
}

static bool begin(struct ldr_handoff *handoff)
{
    struct ldr_cluster *cluster = handoff->context->cluster;
    if (!find_targets(handoff) || !ldr_cluster_may_pass(cluster, handoff->serial)) {
        for (size_t i = 0; i < handoff->target_count; i++)
            if (handoff->targets[i].full)
                ldr_cluster_behind_quietly(cluster, handoff->targets[i].peer);
        release_targets(handoff);
        return false;
    }
    handoff->total = handoff->scanned = 0;
    handoff->again = false;
    ldr_registry_each(handoff->registry, collect, handoff);
    return true;
}

/* What failed is tried again; the others have everything. */
static void end(struct ldr_handoff *handoff)
{
    struct ldr_cluster *cluster = handoff->context->cluster;
    bool current = ldr_cluster_serial(cluster) == handoff->serial, failed = !current || handoff->again;
    for (size_t i = 0; i < handoff->target_count; i++) {
        const struct ldr_handoff_target *target = &handoff->targets[i];
        if (current && !target->failed)
            ldr_cluster_passed(cluster, target->peer, handoff->serial, target->boot);
        else if (target->full)
            ldr_cluster_behind_quietly(cluster, target->peer);
    }
    release_targets(handoff);
    release_groups(handoff);
    pthread_mutex_lock(&handoff->lock);
    handoff->passing = false;
    handoff->woken |= failed;
    pthread_cond_broadcast(&handoff->changed);
    if (handoff->woken)
        start_timer(handoff, (failed && current ? RETRY_MS : PAUSE_MS) * LARDER_NS_PER_MS);
    pthread_mutex_unlock(&handoff->lock);
}

/* The next entries of a group that somebody else holds; false: there is no group left. */
static bool fill_batch(struct ldr_handoff *handoff)
{
    size_t scanned = 0;
    while (handoff->group < handoff->group_count && handoff->phase == LDR_HANDOFF_OFFERING &&
           scanned < SCANNED_AT_ONCE) {
        size_t taken = ldr_handoff_fill(handoff, handoff->groups[handoff->group]);
        scanned += taken;
        atomic_fetch_add_explicit(&handoff->scanned, taken, memory_order_relaxed);
        if (handoff->item_count > LDR_HANDOFF_ITEMS - LDR_HANDOFF_CHUNK ||
            (handoff->walked && handoff->item_count > 0) || handoff->filled > handoff->bandwidth / 8)
            break;
        if (handoff->walked)
            ldr_handoff_next_group(handoff);
    }
    return handoff->group < handoff->group_count;
}

void ldr_handoff_next_group(struct ldr_handoff *handoff)
{
    handoff->group++;
    handoff->phase = LDR_HANDOFF_NEW;
    handoff->walk = (struct ldr_store_walk){0};
}

/* Looks at some entries, and sends what comes of it. */
static void go_on(struct ldr_handoff *handoff)
{
    bool current = ldr_cluster_serial(handoff->context->cluster) == handoff->serial;
    if (current && ldr_handoff_compare(handoff))
        return;
    if (!current || !fill_batch(handoff))
        end(handoff);
    else if (handoff->item_count > 0)
        ldr_handoff_send(handoff);
    else
        ldr_handoff_go_on(handoff, 0);
}

void ldr_handoff_step(struct larder_timer *timer)
{
    struct ldr_handoff *handoff = (struct ldr_handoff *)((char *)timer - offsetof(struct ldr_handoff, timer));
    pthread_mutex_lock(&handoff->lock);
    handoff->waiting = false;
    bool stopped = handoff->stopped, passing = handoff->passing;
    handoff->stepping = !stopped;
    handoff->woken &= passing;
    if (stopped)
        pthread_cond_broadcast(&handoff->changed);
    pthread_mutex_unlock(&handoff->lock);
    if (stopped)
        return;
    if (!passing && begin(handoff)) {
        pthread_mutex_lock(&handoff->lock);
        passing = handoff->passing = true;
        pthread_mutex_unlock(&handoff->lock);
    }
    if (passing)
        go_on(handoff);
    pthread_mutex_lock(&handoff->lock);
    handoff->stepping = false;
    if (handoff->woken && !handoff->passing)
        start_timer(handoff, PAUSE_MS * LARDER_NS_PER_MS);
    pthread_cond_broadcast(&handoff->changed);
    pthread_mutex_unlock(&handoff->lock);
}

/* ------------------------------------------------------------------------------------------------ its end */

void ldr_handoff_stop(struct ldr_handoff *handoff)
{
    if (handoff == NULL)
        return;
    const struct larder_runtime *runtime = handoff->context->runtime;
    pthread_mutex_lock(&handoff->lock);
    handoff->stopped = true;
    if (handoff->waiting && runtime->timer_cancel(runtime, &handoff->timer))
        handoff->waiting = false;
    while (handoff->stepping || handoff->waiting)
        pthread_cond_wait(&handoff->changed, &handoff->lock);
    bool in_flight = handoff->in_flight;
    pthread_mutex_unlock(&handoff->lock);
    if (!in_flight) /* the cluster waits for its peers to be let go */
        release_targets(handoff);
}

void ldr_handoff_close(struct ldr_handoff *handoff)
{
    if (handoff == NULL)
        return;
    ldr_handoff_drop_batch(handoff);
    release_targets(handoff);
    release_groups(handoff);
    pthread_cond_destroy(&handoff->changed);
    pthread_mutex_destroy(&handoff->lock);
    free(handoff);
}

/* ------------------------------------------------------------------------------------------------ telling of it */

static void add_entries(void *arg, struct ldr_group *group)
{
    struct ldr_store_stats stats = {0};
    if (group->store != NULL)
        ldr_store_stats(group->store, &stats);
    *(uint64_t *)arg += stats.entries;
}

void ldr_handoff_read(struct ldr_handoff *handoff, struct ldr_handoff_progress *progress)
{
    *progress = (struct ldr_handoff_progress){
        .sent = ldr_count_read(&handoff->sent),
        .spared = ldr_count_read(&handoff->spared),
        .dropped = ldr_count_read(&handoff->dropped),
        .failures = ldr_count_read(&handoff->failures),
        .received = ldr_count_read(&handoff->context->handoff_received),
    };
    pthread_mutex_lock(&handoff->lock);
    progress->active = handoff->passing;
    pthread_mutex_unlock(&handoff->lock);
    uint64_t scanned = ldr_count_read(&handoff->scanned), total = ldr_count_read(&handoff->total);
    progress->total = progress->active ? total : 0;
    progress->left = progress->active && scanned < total ? total - scanned : 0;
    ldr_registry_each(handoff->registry, add_entries, &progress->stored);
}

bool ldr_handoff_finished(struct ldr_handoff *handoff)
{
    struct ldr_cluster *cluster = handoff->context->cluster;
    return ldr_cluster_is_complete(cluster, ldr_cluster_serial(cluster));
}

void ldr_handoff_wait(struct ldr_handoff *handoff, uint64_t deadline)
{
    /* At most a moment: that a list has come is told by nobody but the list. */
    uint64_t now = larder_now(handoff->context->runtime), until = now + WAIT_MS * LARDER_NS_PER_MS;
    until = until < deadline ? until : deadline;
    const struct timespec time = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
    pthread_mutex_lock(&handoff->lock);
    pthread_cond_timedwait(&handoff->changed, &handoff->lock, &time);
    pthread_mutex_unlock(&handoff->lock);
}
