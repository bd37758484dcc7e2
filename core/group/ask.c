/* Before the origin is asked for what has moved here: those that may have it. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/copies.h"

#define ASKED_MOST 64

struct question {
    struct asking *asking;
    struct ldr_peer *peer;
    struct larder_request request;
    unsigned char header[LDR_HEADER_SIZE];
};

struct asking {
    struct ldr_flight *flight;
    bool elsewhere; /* this node does not hold the key: what comes is passed on, and not kept */
    uint64_t asked; /* when all questions were sent */
    _Atomic unsigned left;
    _Atomic bool incomplete;
    pthread_mutex_t lock;
    struct larder_reply newest; /* of what is to be passed on; under the lock */
    void (*all)(struct ldr_flight *flight, bool complete);
    struct question questions[];
};

/*
 * What remains of a time to live that counts from the questions: it has become no longer on the way, nor by rounding. 0: it is
 * over.
 */
static int64_t remains(const struct asking *asking, int64_t ttl_ms)
{
    uint64_t now = larder_now(asking->flight->group->context->runtime);
    int64_t age = (int64_t)((now - asking->asked) / LARDER_NS_PER_MS) + 1;
    return ttl_ms == LARDER_TTL_NONE ? ttl_ms : ttl_ms > age ? ttl_ms - age : 0;
}

static void leave(struct asking *asking)
{
    /* acq_rel: what was stored by each answer comes before it is looked at. */
    if (atomic_fetch_sub_explicit(&asking->left, 1, memory_order_acq_rel) != 1)
        return;
    struct ldr_flight *flight = asking->flight;
    void (*all)(struct ldr_flight * flight, bool complete) = asking->all;
    bool complete = !atomic_load_explicit(&asking->incomplete, memory_order_relaxed);
    struct larder_reply newest = asking->newest;
    newest.ttl_ms = remains(asking, newest.ttl_ms); /* others may have been waited for since it came */
    pthread_mutex_destroy(&asking->lock);
    free(asking);
    if (newest.status == LARDER_OK && newest.source == LARDER_SOURCE_PEER && newest.ttl_ms != 0) {
        ldr_flight_finish(flight, &newest);
    } else {
        larder_reply_release(&newest);
        all(flight, complete);
    }
}

/* Takes the reply if it is newer than the others. Of what is remembered as deleted or not found only the version counts. */
static void keep_newest(struct question *question, struct larder_reply *reply)
{
    struct asking *asking = question->asking;
    struct ldr_header header;
    if (reply->status != LARDER_OK || !ldr_header_decode(reply->cluster, &header))
        return;
    bool value = (header.flags & (LDR_HEADER_NEGATIVE | LDR_HEADER_TOMBSTONE)) == 0;
    reply->source = value ? LARDER_SOURCE_PEER : LARDER_SOURCE_NONE;
    reply->cluster = (struct larder_slice){0};
    pthread_mutex_lock(&asking->lock);
    if (ldr_version_newer(reply->version, asking->newest.version)) {
        struct larder_reply older = asking->newest;
        asking->newest = *reply;
        *reply = older;
    }
    pthread_mutex_unlock(&asking->lock);
}

static bool take(struct question *question, const struct larder_reply *reply)
{
    struct ldr_group *group = question->asking->flight->group;
    struct ldr_header header;
    bool news;
    if (reply->cluster.size == 0 || !ldr_header_decode(reply->cluster, &header) ||
        (reply->status != LARDER_OK && reply->status != LARDER_NOT_FOUND))
        return reply->status == LARDER_NO_GROUP;
    struct ldr_wire_copy copy = {
        .key = question->request.key,
        .value = reply->value,
        .version = reply->version,
        .ttl_ms = reply->ttl_ms,
        .negative = (header.flags & LDR_HEADER_NEGATIVE) != 0,
        .tombstone = (header.flags & LDR_HEADER_TOMBSTONE) != 0,
    };
    uint64_t age = larder_now(group->context->runtime) - question->asking->asked;
    bool good = reply->status == LARDER_NOT_FOUND ||
                ldr_group_take_copy(group, question->request.group, &copy, age, &news) == LARDER_OK;
    /* After the copy, which may lie under it: the floor is of many keys. */
    ldr_store_raise_floor(group->store, question->request.key, header.floor);
    return good;
}

static void answered(void *arg, struct larder_reply *reply)
{
    struct question *question = arg;
    struct asking *asking = question->asking;
    if (asking->elsewhere)
        keep_newest(question, reply);
    else if (!take(question, reply))
        atomic_store_explicit(&asking->incomplete, true, memory_order_relaxed);
    larder_reply_release(reply);
    leave(asking);
}

static void ask(struct asking *asking, struct question *question, struct ldr_peer *peer)
{
    struct ldr_flight *flight = asking->flight;
    struct ldr_context *context = flight->group->context;
    struct ldr_header header = {.kind = LDR_EXCHANGE_ASK};
    ldr_header_encode(&header, question->header);
    question->asking = asking;
    question->request = (struct larder_request){
        .operation = LARDER_OP_EXCHANGE,
        .group = flight->name,
        .key = flight->key,
        .deadline = larder_deadline_in(context->runtime, context->peer_timeout_ms),
        .cluster = ldr_slice(question->header, sizeof question->header),
    };
    ldr_cluster_call_once(context->cluster, peer, &question->request, answered, question);
}

/*
 * Strict: everybody who has not said that he has given all. Else those that had the key before and have not given all, as far as they
 * are up; or, if this node does not hold it, those that do, and those that leave, as the others may not have been given it yet.
 */
static size_t whom(struct ldr_context *context, struct ldr_flight *flight, struct ldr_peer **peers, bool *elsewhere)
{
    struct ldr_cluster *cluster = context->cluster;
    *elsewhere = false;
    if (!ldr_cluster_strict(cluster)) {
        struct ldr_placement placement;
        ldr_cluster_place(cluster, flight->name, flight->key, &placement);
        *elsewhere = placement.self == placement.count && placement.serial != 0;
        ldr_placement_release(&placement);
        return ldr_cluster_holders(cluster, placement.digest, !*elsewhere, peers, ASKED_MOST);
    }
    uint64_t serial;
    size_t count = ldr_cluster_others(cluster, peers, ASKED_MOST, &serial), kept = 0;
    if (count > ASKED_MOST) /* nobody has so many; were it so, only some would be asked */
        count = ASKED_MOST;
    for (size_t i = 0; i < count; i++) {
        if (ldr_cluster_done_by(cluster, peers[i], serial))
            ldr_peer_release(peers[i]);
        else
            peers[kept++] = peers[i];
    }
    return kept;
}

void ldr_group_ask(struct ldr_flight *flight, void (*all)(struct ldr_flight *flight, bool complete))
{
    struct ldr_peer *peers[ASKED_MOST];
    bool elsewhere;
    size_t count = whom(flight->group->context, flight, peers, &elsewhere);
    struct asking *asking = count == 0 ? NULL : calloc(1, sizeof *asking + count * sizeof asking->questions[0]);
    if (asking == NULL) {
        for (size_t i = 0; i < count; i++)
            ldr_peer_release(peers[i]);
        all(flight, count == 0);
        return;
    }
    asking->flight = flight;
    asking->elsewhere = elsewhere;
    asking->asked = larder_now(flight->group->context->runtime);
    pthread_mutex_init(&asking->lock, NULL);
    asking->all = all;
    atomic_init(&asking->left, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++)
        ask(asking, &asking->questions[i], peers[i]);
    leave(asking);
}
