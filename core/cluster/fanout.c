/* Calls to every other member, or to some. */
#include <pthread.h>
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/cluster/peer.h"

struct fan;

struct leg {
    struct fan *fan;
    struct ldr_peer *peer; /* the call's reference, good until its completion returns */
};

struct fan {
    struct ldr_fanout *fanout;
    pthread_mutex_t lock; /* each() runs under it: one at a time */
    atomic_size_t left;   /* calls without an answer, and the starter */
    size_t count;
    struct leg legs[];
};

static void leave(struct fan *fan)
{
    /* Acquire and release: all() sees whatever each each() did. */
    if (atomic_fetch_sub_explicit(&fan->left, 1, memory_order_acq_rel) != 1)
        return;
    struct ldr_fanout *fanout = fan->fanout;
    pthread_mutex_destroy(&fan->lock);
    free(fan);
    fanout->all(fanout);
}

static void answered(void *arg, struct larder_reply *reply)
{
    struct leg *leg = arg;
    struct fan *fan = leg->fan;
    pthread_mutex_lock(&fan->lock);
    fan->fanout->each(fan->fanout, leg->peer->name, reply);
    pthread_mutex_unlock(&fan->lock);
    leave(fan);
}

/* `some` NULL: all. */
static bool is_called(const struct ldr_view_member *member, const uint64_t *some)
{
    return member->peer != NULL &&
           (some == NULL || (ldr_cluster_member_bit(ldr_slice_text(member->name)) & *some) != 0);
}

static struct fan *fan_new(struct ldr_fanout *fanout, const struct ldr_view *view, const uint64_t *some)
{
    size_t size;
    struct fan *fan = NULL;
    if (ldr_multiply(view->count, sizeof fan->legs[0], &size) && ldr_add(size, sizeof *fan, &size))
        fan = malloc(size);
    if (fan == NULL)
        return NULL;
    fan->fanout = fanout;
    fan->count = 0;
    pthread_mutex_init(&fan->lock, NULL);
    for (size_t i = 0; i < view->count; i++) {
        if (!is_called(&view->members[i], some))
            continue;
        ldr_peer_hold(view->members[i].peer);
        fan->legs[fan->count++] = (struct leg){fan, view->members[i].peer};
    }
    atomic_init(&fan->left, fan->count + 1);
    return fan;
}

static void answer_without_memory(const struct ldr_view *view, struct ldr_fanout *fanout, const uint64_t *some)
{
    for (size_t i = 0; i < view->count; i++) {
        struct larder_reply reply = {.status = LARDER_NO_MEMORY, .flags = LARDER_REPLY_NOT_SENT};
        if (is_called(&view->members[i], some))
            fanout->each(fanout, view->members[i].name, &reply);
    }
}

static void call(struct ldr_cluster *cluster, const uint64_t *some, const struct larder_request *request,
                 struct ldr_fanout *fanout)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    struct fan *fan = view == NULL ? NULL : fan_new(fanout, view, some);
    if (fan == NULL && view != NULL)
        answer_without_memory(view, fanout, some);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    if (fan == NULL) {
        fanout->all(fanout);
        return;
    }
    for (size_t i = 0; i < fan->count; i++)
        ldr_cluster_call(cluster, fan->legs[i].peer, request, answered, &fan->legs[i]);
    leave(fan);
}

void ldr_cluster_call_all(struct ldr_cluster *cluster, const struct larder_request *request, struct ldr_fanout *fanout)
{
    call(cluster, NULL, request, fanout);
}

void ldr_cluster_call_some(struct ldr_cluster *cluster, uint64_t members, const struct larder_request *request,
                           struct ldr_fanout *fanout)
{
    call(cluster, &members, request, fanout);
}

uint64_t ldr_cluster_member_bit(struct larder_slice name)
{
    return UINT64_C(1) << (ldr_hash(name, 0) & 63);
}
