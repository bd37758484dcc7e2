/*
 * The transport of the cluster's tests: peers that answer, fail, hang, wait or refuse on command, on either runtime.
 * One lock guards everything; completions are called without it.
 */
#ifndef CLUSTER_NET_H
#define CLUSTER_NET_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "larder/plugin/transport.h"

enum { NET_ADDRESSES = 16, NET_TIMES = 64 };

enum net_mode {
    NET_ANSWER = 0, /* with `status` and the net's ring view, after `delay_ms` */
    NET_FAIL,       /* UNAVAILABLE, after `delay_ms` */
    NET_UNSENT,     /* UNAVAILABLE and NOT_SENT */
    NET_HANG,       /* DEADLINE at the deadline */
    NET_TURN_AWAY,  /* BUSY, of its door and not its own */
};

/* What is at an address. */
struct net_node {
    char address[64];
    enum net_mode mode, ping_mode;
    enum larder_status status, ping_status;
    const char *message;
    uint64_t delay_ms;
    struct larder_ring_view ring;
    unsigned calls, pings, handles_opened, handles_closed;
    uint64_t times[NET_TIMES];  /* of the first calls that were no pings */
    struct larder_request last; /* its slices must still be valid when they are looked at */
};

struct net {
    const struct larder_runtime *runtime;
    pthread_mutex_t lock;
    struct net_node nodes[NET_ADDRESSES];
    size_t count;
    struct larder_ring_view ring; /* in answers of nodes that have none of their own */
    struct net_call *pending;
};

struct net_handle {
    struct net *net;
    struct net_node *node;
};

struct net_call {
    struct larder_timer timer;
    struct net_call *next, **link;
    struct net *net;
    struct net_handle *handle;
    struct larder_reply reply;
    larder_reply_fn done;
    void *arg;
};

/* With the lock held. */
static inline struct net_node *net_find(struct net *net, const char *address)
{
    for (size_t i = 0; i < net->count; i++)
        if (strcmp(net->nodes[i].address, address) == 0)
            return &net->nodes[i];
    assert(net->count < NET_ADDRESSES && strlen(address) < sizeof net->nodes[0].address);
    struct net_node *node = &net->nodes[net->count++];
    memcpy(node->address, address, strlen(address) + 1);
    return node;
}

static inline struct net_node *net_node(struct net *net, const char *address)
{
    pthread_mutex_lock(&net->lock);
    struct net_node *node = net_find(net, address);
    pthread_mutex_unlock(&net->lock);
    return node;
}

static inline void *net_peer_open(void *state, const char *address)
{
    struct net *net = state;
    if (strcmp(address, "nonsense") == 0) {
        ldr_fail(LARDER_INVALID, "address \"nonsense\", wanted host:port");
        return NULL;
    }
    struct net_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    pthread_mutex_lock(&net->lock);
    *handle = (struct net_handle){net, net_find(net, address)};
    handle->node->handles_opened++;
    pthread_mutex_unlock(&net->lock);
    return handle;
}

static inline void net_unlink(struct net_call *call)
{
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
}

static inline void net_complete(struct net_call *call)
{
    call->done(call->arg, &call->reply);
    free(call);
}

static inline void net_fire(struct larder_timer *timer)
{
    struct net_call *call = (struct net_call *)timer;
    struct net *net = call->net;
    pthread_mutex_lock(&net->lock);
    net_unlink(call);
    pthread_mutex_unlock(&net->lock);
    net_complete(call);
}

static inline void net_peer_close(void *peer)
{
    struct net_handle *handle = peer;
    if (handle == NULL)
        return;
    struct net *net = handle->net;
    struct net_call *mine = NULL, *next;
    pthread_mutex_lock(&net->lock);
    handle->node->handles_closed++;
    for (struct net_call *call = net->pending; call != NULL; call = next) {
        next = call->next;
        if (call->handle != handle || !net->runtime->timer_cancel(net->runtime, &call->timer))
            continue;
        net_unlink(call);
        call->next = mine;
        mine = call;
    }
    pthread_mutex_unlock(&net->lock);
    for (struct net_call *call = mine; call != NULL; call = next) {
        next = call->next;
        call->reply = (struct larder_reply){.status = LARDER_UNAVAILABLE, .message = ldr_slice_text("closed")};
        net_complete(call);
    }
    free(handle);
}

/* With the lock held: what will be answered, and when. */
static inline uint64_t net_decide(struct net *net, struct net_node *node, const struct larder_request *request,
                                  struct larder_reply *reply)
{
    bool ping = request->operation == LARDER_OP_PING;
    uint64_t delay = node->delay_ms * LARDER_NS_PER_MS;
    struct larder_slice message = ldr_slice_text(node->message == NULL ? "" : node->message);
    if (ping)
        node->pings++;
    else if (node->calls++ < NET_TIMES)
        node->times[node->calls - 1] = larder_now(net->runtime);
    node->last = *request;
    switch (ping ? node->ping_mode : node->mode) {
    case NET_ANSWER:
        *reply = (struct larder_reply){.status = ping ? node->ping_status : node->status, .message = message};
        reply->ring = node->ring.settings != 0 ? node->ring : net->ring;
        if (delay > 0 && larder_now(net->runtime) + delay >= request->deadline)
            break;
        return delay;
    case NET_FAIL:
        *reply = (struct larder_reply){.status = LARDER_UNAVAILABLE, .message = ldr_slice_text("connection reset")};
        return delay;
    case NET_UNSENT:
        *reply = (struct larder_reply){.status = LARDER_UNAVAILABLE,
                                       .flags = LARDER_REPLY_NOT_SENT,
                                       .message = ldr_slice_text("connection refused")};
        return delay;
    case NET_TURN_AWAY: *reply = (struct larder_reply){.status = LARDER_BUSY}; return delay;
    case NET_HANG: break;
    }
    *reply = (struct larder_reply){.status = LARDER_DEADLINE};
    return request->deadline == LARDER_NEVER ? LARDER_NEVER : request->deadline - larder_now(net->runtime);
}

static inline void net_call_peer(void *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct net_handle *handle = peer;
    struct net *net = handle->net;
    struct net_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        struct larder_reply reply = {.status = LARDER_NO_MEMORY, .flags = LARDER_REPLY_NOT_SENT};
        done(arg, &reply);
        return;
    }
    call->timer.fire = net_fire;
    call->net = net;
    call->handle = handle;
    call->done = done;
    call->arg = arg;
    pthread_mutex_lock(&net->lock);
    uint64_t delay = net_decide(net, handle->node, request, &call->reply);
    if (delay > 0) {
        call->next = net->pending;
        if (call->next != NULL)
            call->next->link = &call->next;
        call->link = &net->pending;
        net->pending = call;
        uint64_t now = larder_now(net->runtime);
        net->runtime->timer_start(net->runtime, &call->timer, delay > LARDER_NEVER - now ? LARDER_NEVER : now + delay);
    }
    pthread_mutex_unlock(&net->lock);
    if (delay == 0)
        net_complete(call);
}

/* The cluster uses no more of a transport than this. */
static const struct larder_transport net_transport = {
    .head = {.name = "net"},
    .peer_open = net_peer_open,
    .peer_close = net_peer_close,
    .call = net_call_peer,
};

#endif
