/* The client and its peers: opening, closing, and where a call enters. */
#include "client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_client *http_client_open(const struct http_client_options *options)
{
    const struct larder_host *host = options->host;
    size_t size;
    struct http_client *client = NULL;
    if (!__builtin_mul_overflow(options->loop_count, sizeof client->loops[0], &size) &&
        !__builtin_add_overflow(size, sizeof *client, &size))
        client = calloc(1, size);
    if (client == NULL)
        goto none;
    client->options = *options;
    client->runtime = host->runtime;
    memcpy(client->loops, options->loops, options->loop_count * sizeof client->loops[0]);
    client->options.loops = client->loops;
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
    host->fail(host, LARDER_NO_MEMORY, "out of memory");
    return NULL;
}

/* Posts the end of the peer to its lanes; it is freed when the last of them has come to it. */
static void close_lanes(struct http_peer *peer)
{
    unsigned count = peer->lane_count;
    for (unsigned i = 0; i < count; i++) {
        /* With the last lane's task the peer may be gone. */
        struct http_client_lane *lane = &peer->lanes[i];
        tp_loop_post(lane->loop, &lane->close_task);
    }
}

void http_client_close(struct http_client *client)
{
    if (client == NULL)
        return;
    pthread_mutex_lock(&client->lock);
    struct http_peer *peer;
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

void http_client_peer_hold(struct http_peer *peer)
{
    /* Relaxed: the caller holds it already. */
    atomic_fetch_add_explicit(&peer->holders, 1, memory_order_relaxed);
}

void http_client_peer_release(struct http_peer *peer)
{
    /* Release and acquire: what every lane did happens before the memory is freed. */
    if (atomic_fetch_sub_explicit(&peer->holders, 1, memory_order_acq_rel) > 1)
        return;
    struct http_client *client = peer->client;
    free(peer);
    pthread_mutex_lock(&client->lock);
    client->peer_count--;
    pthread_cond_signal(&client->gone);
    pthread_mutex_unlock(&client->lock);
}

/* One lane for each loop, but none without a connection. */
static struct http_peer *new_peer(struct http_client *client)
{
    const struct http_client_options *options = &client->options;
    size_t count = options->loop_count < options->peer_connections ? options->loop_count : options->peer_connections;
    struct http_peer *peer = calloc(1, sizeof *peer + count * sizeof peer->lanes[0]);
    if (peer == NULL)
        return NULL;
    peer->client = client;
    peer->lane_count = (unsigned)count;
    atomic_init(&peer->holders, peer->lane_count);
    for (unsigned i = 0; i < peer->lane_count; i++) {
        struct http_client_lane *lane = &peer->lanes[i];
        lane->peer = peer;
        lane->loop = client->loops[i];
        lane->number = i;
        lane->limit = options->peer_connections / peer->lane_count + (i < options->peer_connections % peer->lane_count);
        http_client_lane_open(lane);
    }
    return peer;
}

struct http_peer *http_peer_open(struct http_client *client, const char *address)
{
    const struct larder_host *host = client->options.host;
    struct http_client_address parsed;
    char reason[HTTP_CLIENT_TEXT];
    if (!http_client_address_parse(address, &parsed, reason)) {
        host->fail(host, LARDER_INVALID, "%s", reason);
        return NULL;
    }
    struct http_peer *peer = new_peer(client);
    if (peer == NULL) {
        host->fail(host, LARDER_NO_MEMORY, "out of memory");
        return NULL;
    }
    peer->address = parsed;
    peer->head_size = (size_t)snprintf(peer->head, sizeof peer->head,
                                       "POST " PEER_FORM_PATH " HTTP/1.1\r\nHost: %s\r\nContent-Type: " PEER_FORM_TYPE
                                       "\r\nContent-Length: ",
                                       parsed.text);
    pthread_mutex_lock(&client->lock);
    TAILQ_INSERT_TAIL(&client->peers, peer, link);
    client->peer_count++;
    pthread_mutex_unlock(&client->lock);
    return peer;
}

void http_peer_close(struct http_peer *peer)
{
    if (peer == NULL)
        return;
    pthread_mutex_lock(&peer->client->lock);
    TAILQ_REMOVE(&peer->client->peers, peer, link);
    pthread_mutex_unlock(&peer->client->lock);
    close_lanes(peer);
}

/* Completes a call that never became one. */
static void refuse(larder_reply_fn done, void *arg, enum larder_status status, const char *text)
{
    struct larder_reply reply = {.status = status, .flags = LARDER_REPLY_NOT_SENT, .message = {text, strlen(text)}};
    done(arg, &reply);
}

void http_peer_call(struct http_peer *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    if (request->group.size > UINT8_MAX || request->sender.size > UINT8_MAX || request->key.size > LARDER_KEY_MAX) {
        refuse(done, arg, LARDER_INVALID, "the request's key or a name in it is too long for a peer");
        return;
    }
    struct http_client_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        refuse(done, arg, LARDER_NO_MEMORY, "out of memory");
        return;
    }
    call->request = request;
    call->done = done;
    call->arg = arg;
    for (unsigned i = 0; i < peer->lane_count; i++) {
        if (tp_loop_inside(peer->lanes[i].loop)) {
            http_client_lane_submit(&peer->lanes[i], call);
            return;
        }
    }
    /* Relaxed: only spreads. */
    unsigned turn = atomic_fetch_add_explicit(&peer->turn, 1, memory_order_relaxed);
    http_client_lane_post(&peer->lanes[turn % peer->lane_count], call);
}
