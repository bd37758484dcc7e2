/* The client and its peers: opening, closing, and where a call enters. */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "lane_internal.h"

struct tp_client *tp_client_open(const struct tp_client_options *options, const struct tp_client_protocol *protocol)
{
    struct tp_client *client = calloc(1, protocol->client_size);
    if (client == NULL)
        goto none;
    client->protocol = protocol;
    client->options = *options;
    client->runtime = options->host->runtime;
    client->lane_count = (unsigned)options->loop_count;
    TAILQ_INIT(&client->peers);
    if (pthread_mutex_init(&client->lock, NULL) != 0)
        goto memory;
    if (pthread_cond_init(&client->gone, NULL) != 0)
        goto lock;
    return client;
lock:
    pthread_mutex_destroy(&client->lock);
memory:
    free(client);
none:
    options->host->fail(options->host, LARDER_NO_MEMORY, "out of memory");
    return NULL;
}

/* Posts the end of the peer to its lanes; it is freed when the last of them has come to it. */
static void close_lanes(struct tp_peer *peer)
{
    unsigned count = peer->lane_count;
    for (unsigned i = 0; i < count; i++) {
        /* With the last lane's task the peer may be gone. */
        struct tp_lane *lane = peer->lanes[i];
        tp_loop_post(lane->loop, &lane->close_task);
    }
}

void tp_client_close(struct tp_client *client)
{
    if (client == NULL)
        return;
    pthread_mutex_lock(&client->lock);
    struct tp_peer *peer;
    while ((peer = TAILQ_FIRST(&client->peers)) != NULL) {
        TAILQ_REMOVE(&client->peers, peer, link);
        pthread_mutex_unlock(&client->lock);
        close_lanes(peer);
        pthread_mutex_lock(&client->lock);
    }
    while (client->peer_count > 0)
        pthread_cond_wait(&client->gone, &client->lock);
    pthread_mutex_unlock(&client->lock);
    pthread_cond_destroy(&client->gone);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

void tp_peer_hold(struct tp_peer *peer)
{
    /* Relaxed: the caller holds it already. */
    atomic_fetch_add_explicit(&peer->holders, 1, memory_order_relaxed);
}

void tp_peer_release(struct tp_peer *peer)
{
    /* Release and acquire: what every lane did happens before the memory is freed. */
    if (atomic_fetch_sub_explicit(&peer->holders, 1, memory_order_acq_rel) > 1)
        return;
    struct tp_client *client = peer->client;
    free(peer);
    pthread_mutex_lock(&client->lock);
    client->peer_count--;
    pthread_cond_signal(&client->gone);
    pthread_mutex_unlock(&client->lock);
}

static size_t aligned(size_t size)
{
    return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

/* The peer and its lanes are one piece of memory. */
static struct tp_peer *new_peer(struct tp_client *client, const struct tp_address *address)
{
    unsigned count = client->lane_count;
    size_t head = aligned(sizeof(struct tp_peer) + count * sizeof(struct tp_lane *));
    size_t each = aligned(client->protocol->lane_size);
    struct tp_peer *peer = calloc(1, head + count * each);
    if (peer == NULL)
        return NULL;
    peer->client = client;
    peer->address = *address;
    peer->lane_count = count;
    atomic_init(&peer->holders, count);
    for (unsigned i = 0; i < count; i++) {
        struct tp_lane *lane = peer->lanes[i] = (struct tp_lane *)(void *)((char *)peer + head + i * each);
        lane->peer = peer;
        lane->loop = client->options.loops[i];
        lane->number = i;
        tp_lane_open(lane);
    }
    return peer;
}

struct tp_peer *tp_peer_open(struct tp_client *client, const char *address)
{
    const struct larder_host *host = client->options.host;
    struct tp_address parsed;
    char reason[TP_REASON];
    if (!tp_address_parse(address, &parsed, reason)) {
        host->fail(host, LARDER_INVALID, "%s", reason);
        return NULL;
    }
    struct tp_peer *peer = new_peer(client, &parsed);
    if (peer == NULL) {
        host->fail(host, LARDER_NO_MEMORY, "out of memory");
        return NULL;
    }
    pthread_mutex_lock(&client->lock);
    TAILQ_INSERT_TAIL(&client->peers, peer, link);
    client->peer_count++;
    pthread_mutex_unlock(&client->lock);
    return peer;
}

void tp_peer_close(struct tp_peer *peer)
{
    if (peer == NULL)
        return;
    pthread_mutex_lock(&peer->client->lock);
    TAILQ_REMOVE(&peer->client->peers, peer, link);
    pthread_mutex_unlock(&peer->client->lock);
    close_lanes(peer);
}

/* The lane whose loop the caller is on. NULL: the caller is on none of them. */
static struct tp_lane *lane_inside(struct tp_peer *peer)
{
    for (unsigned i = 0; i < peer->lane_count; i++)
        if (tp_loop_inside(peer->lanes[i]->loop))
            return peer->lanes[i];
    return NULL;
}

/* Completes a call that never became one. */
static void refuse(larder_reply_fn done, void *arg, enum larder_status status, const char *text)
{
    struct larder_reply reply = {.status = status, .flags = LARDER_REPLY_NOT_SENT, .message = {text, strlen(text)}};
    done(arg, &reply);
}

void tp_peer_call(struct tp_peer *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    if (request->group.size > UINT8_MAX || request->sender.size > UINT8_MAX || request->key.size > LARDER_KEY_MAX) {
        refuse(done, arg, LARDER_INVALID, "the request's key or a name in it is too long for a peer");
        return;
    }
    struct tp_lane *lane = lane_inside(peer);
    struct tp_call *call = tp_call_new(peer, lane);
    if (call == NULL) {
        refuse(done, arg, LARDER_NO_MEMORY, "out of memory");
        return;
    }
    call->request = request;
    call->done = done;
    call->arg = arg;
    if (lane != NULL) {
        tp_lane_submit(lane, call);
        return;
    }
    /* Relaxed: only spreads. */
    unsigned turn = atomic_fetch_add_explicit(&peer->turn, 1, memory_order_relaxed);
    tp_lane_post(peer->lanes[turn % peer->lane_count], call);
}
