/* Requests of callers that wait for the answer. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/embed.h"

/*
 * A caller that waits on its own stack for `count` answers. Those that are given on its own thread, before it waits, need
 * no lock: most are.
 */
struct ldr_waiting {
    pthread_t thread;
    size_t count;
    size_t here; /* answers given on that thread */
    pthread_mutex_t lock;
    pthread_cond_t change;
    size_t elsewhere; /* answers given on others; under the lock */
};

#define WAITING(calls)                                                                                                 \
    {                                                                                                                  \
        .thread = pthread_self(), .count = (calls), .lock = PTHREAD_MUTEX_INITIALIZER,                                 \
        .change = PTHREAD_COND_INITIALIZER                                                                             \
    }

static void one_less(struct ldr_waiting *waiting)
{
    if (pthread_equal(waiting->thread, pthread_self())) {
        waiting->here++;
        return;
    }
    pthread_mutex_lock(&waiting->lock);
    /* Signalled under the lock: the waiter's stack is gone as soon as it can take it. */
    waiting->elsewhere++;
    pthread_cond_signal(&waiting->change);
    pthread_mutex_unlock(&waiting->lock);
}

static void wait_for_all(struct ldr_waiting *waiting)
{
    if (waiting->here == waiting->count)
        return; /* nobody else knows of it */
    pthread_mutex_lock(&waiting->lock);
    while (waiting->here + waiting->elsewhere != waiting->count)
        pthread_cond_wait(&waiting->change, &waiting->lock);
    pthread_mutex_unlock(&waiting->lock);
    pthread_cond_destroy(&waiting->change);
    pthread_mutex_destroy(&waiting->lock);
}

static void call_done(void *arg, struct larder_reply *reply)
{
    struct ldr_call *call = arg;
    call->reply = *reply;
    if (reply->message.size != 0)
        snprintf(call->message, sizeof call->message, "%.*s", (int)reply->message.size,
                 (const char *)reply->message.data);
    one_less(call->waiting);
}

bool ldr_call_deadline(struct larder_node *node, uint64_t timeout_ms, uint64_t *deadline)
{
    if (!ldr_node_enter(node))
        return false;
    *deadline = larder_deadline_in(node->runtime, timeout_ms != 0 ? timeout_ms : node->context.request_timeout_ms);
    ldr_node_exit();
    return true;
}

struct larder_request ldr_call_request(const struct larder_group *group, enum larder_operation operation,
                                       const void *key, size_t key_size)
{
    return (struct larder_request){
        .operation = operation,
        .group = {group->name, group->name_size},
        .key = {key, key_size},
    };
}

enum larder_status ldr_call_outcome(const struct ldr_call *call)
{
    enum larder_status status = call->reply.status;
    if (status != LARDER_OK)
        ldr_fail(status, "%s", call->message[0] != '\0' ? call->message : larder_status_text(status));
    return status;
}

enum larder_status ldr_call_run_many(struct larder_group *group, struct ldr_call *calls, size_t count,
                                     uint64_t timeout_ms)
{
    uint64_t deadline;
    if (!ldr_call_deadline(group->node, timeout_ms, &deadline))
        return larder_last_status();
    struct ldr_waiting waiting = WAITING(count);
    for (size_t i = 0; i < count; i++) {
        calls[i].request.deadline = deadline;
        calls[i].waiting = &waiting;
        ldr_node_execute(group->node, &calls[i].request, call_done, &calls[i]);
    }
    wait_for_all(&waiting);
    return LARDER_OK;
}

enum larder_status ldr_call_run(struct larder_group *group, struct ldr_call *call, uint64_t timeout_ms)
{
    enum larder_status status = ldr_call_run_many(group, call, 1, timeout_ms);
    return status != LARDER_OK ? status : ldr_call_outcome(call);
}
