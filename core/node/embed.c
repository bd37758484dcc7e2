/* The embedding API's groups and keys: a door like the others, whose wire is a function call. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/embed.h"

struct larder_value {
    struct larder_reply reply;
};

/* ------------------------------------------------------------------------------------------------ waiting */

/* A caller that waits on its own stack for `left` answers. */
struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t change;
    size_t left;
};

#define WAITING(count)                                                                                                 \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count                                                     \
    }

static void one_less(struct waiting *waiting)
{
    pthread_mutex_lock(&waiting->lock);
    /* Signalled under the lock: the waiter's stack is gone as soon as it can take it. */
    if (--waiting->left == 0)
        pthread_cond_signal(&waiting->change);
    pthread_mutex_unlock(&waiting->lock);
}

static void wait_for_all(struct waiting *waiting)
{
    pthread_mutex_lock(&waiting->lock);
    while (waiting->left != 0)
        pthread_cond_wait(&waiting->change, &waiting->lock);
    pthread_mutex_unlock(&waiting->lock);
    pthread_cond_destroy(&waiting->change);
    pthread_mutex_destroy(&waiting->lock);
}

/* One request of a waiting caller, and its answer. */
struct call {
    struct larder_request request;
    struct larder_reply reply;
    struct waiting *waiting;
    char message[256]; /* the reply's message, which does not outlive the completion */
};

static void call_done(void *arg, struct larder_reply *reply)
{
    struct call *call = arg;
    call->reply = *reply;
    snprintf(call->message, sizeof call->message, "%.*s", (int)reply->message.size, (const char *)reply->message.data);
    one_less(call->waiting);
}

/* The deadline of a call; false, with the reason set, when the node is closed. */
static bool deadline_of(struct larder_node *node, uint64_t timeout_ms, uint64_t *deadline)
{
    if (!ldr_node_enter(node))
        return false;
    *deadline = larder_deadline_in(node->runtime, timeout_ms != 0 ? timeout_ms : node->context.request_timeout_ms);
    ldr_node_exit();
    return true;
}

static struct larder_request request_of(const struct larder_group *group, enum larder_operation operation,
                                        const void *key, size_t key_size)
{
    return (struct larder_request){
        .operation = operation,
        .group = {group->name, group->name_size},
        .key = {key, key_size},
    };
}

/* Makes a failure the thread's last error. */
static enum larder_status outcome(const struct call *call)
{
    enum larder_status status = call->reply.status;
    if (status != LARDER_OK)
        ldr_fail(status, "%s", call->message[0] != '\0' ? call->message : larder_status_text(status));
    return status;
}

static enum larder_status run(struct larder_group *group, struct call *call, uint64_t timeout_ms)
{
    if (!deadline_of(group->node, timeout_ms, &call->request.deadline))
        return larder_last_status();
    struct waiting waiting = WAITING(1);
    call->waiting = &waiting;
    ldr_node_execute(group->node, &call->request, call_done, call);
    wait_for_all(&waiting);
    return outcome(call);
}

/* ------------------------------------------------------------------------------------------------ values */

static struct larder_value *new_value(const struct larder_reply *reply)
{
    struct larder_value *value = malloc(sizeof *value);
    if (value != NULL)
        value->reply = *reply;
    return value;
}

const void *larder_value_data(const struct larder_value *value)
{
    return value->reply.value.data;
}

size_t larder_value_size(const struct larder_value *value)
{
    return value->reply.value.size;
}

int64_t larder_value_ttl_ms(const struct larder_value *value)
{
    return value->reply.ttl_ms;
}

void larder_value_release(struct larder_value *value)
{
    if (value == NULL)
        return;
    larder_reply_release(&value->reply);
    free(value);
}

/* ------------------------------------------------------------------------------------------------ one key */

enum larder_status larder_get(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms,
                              struct larder_value **value)
{
    struct call call = {.request = request_of(group, LARDER_OP_GET, key, key_size)};
    *value = NULL;
    enum larder_status status = run(group, &call, timeout_ms);
    if (status != LARDER_OK)
        return status;
    *value = new_value(&call.reply);
    if (*value != NULL)
        return LARDER_OK;
    larder_reply_release(&call.reply);
    return ldr_fail_memory();
}

enum larder_status larder_get_copy(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms,
                                   void *buffer, size_t capacity, size_t *size)
{
    struct call call = {.request = request_of(group, LARDER_OP_GET, key, key_size)};
    *size = 0;
    enum larder_status status = run(group, &call, timeout_ms);
    if (status != LARDER_OK)
        return status;
    *size = call.reply.value.size;
    if (*size > capacity)
        status = ldr_fail(LARDER_TOO_LARGE, "the value has %zu bytes, the buffer %zu", *size, capacity);
    else if (*size != 0)
        memcpy(buffer, call.reply.value.data, *size);
    larder_reply_release(&call.reply);
    return status;
}

enum larder_status larder_set(struct larder_group *group, const void *key, size_t key_size, const void *value,
                              size_t value_size, int64_t ttl_ms, uint64_t timeout_ms)
{
    struct call call = {.request = request_of(group, LARDER_OP_SET, key, key_size)};
    call.request.value = ldr_slice(value, value_size);
    call.request.ttl_ms = ttl_ms;
    return run(group, &call, timeout_ms);
}

enum larder_status larder_delete(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms)
{
    struct call call = {.request = request_of(group, LARDER_OP_DELETE, key, key_size)};
    return run(group, &call, timeout_ms);
}

enum larder_status larder_touch(struct larder_group *group, const void *key, size_t key_size, int64_t ttl_ms,
                                uint64_t timeout_ms)
{
    struct call call = {.request = request_of(group, LARDER_OP_TOUCH, key, key_size)};
    call.request.ttl_ms = ttl_ms;
    return run(group, &call, timeout_ms);
}

/* ------------------------------------------------------------------------------------------------ many keys */

/* Runs `count` requests at once and waits for all of them. Releases nothing. */
static enum larder_status run_many(struct larder_group *group, struct call *calls, size_t count, uint64_t timeout_ms)
{
    uint64_t deadline;
    if (!deadline_of(group->node, timeout_ms, &deadline))
        return larder_last_status();
    struct waiting waiting = WAITING(count);
    for (size_t i = 0; i < count; i++) {
        calls[i].request.deadline = deadline;
        calls[i].waiting = &waiting;
        ldr_node_execute(group->node, &calls[i].request, call_done, &calls[i]);
    }
    wait_for_all(&waiting);
    return LARDER_OK;
}

enum larder_status larder_get_many(struct larder_group *group, struct larder_item *items, size_t count,
                                   uint64_t timeout_ms)
{
    struct call *calls = count != 0 ? calloc(count, sizeof *calls) : NULL;
    enum larder_status first = LARDER_OK;
    for (size_t i = 0; calls != NULL && i < count; i++)
        calls[i].request = request_of(group, LARDER_OP_GET, items[i].key, items[i].key_size);
    enum larder_status ran = calls != NULL ? run_many(group, calls, count, timeout_ms) : LARDER_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        items[i].value = NULL;
        items[i].status = ran;
        if (ran != LARDER_OK)
            continue;
        if (calls[i].reply.status == LARDER_OK && (items[i].value = new_value(&calls[i].reply)) == NULL) {
            larder_reply_release(&calls[i].reply);
            calls[i].reply.status = LARDER_NO_MEMORY;
        }
        items[i].status = calls[i].reply.status;
        if (first == LARDER_OK && items[i].status != LARDER_OK && items[i].status != LARDER_NOT_FOUND)
            first = outcome(&calls[i]);
    }
    free(calls);
    if (count == 0)
        return LARDER_OK;
    return ran == LARDER_NO_MEMORY ? ldr_fail_memory() : ran != LARDER_OK ? ran : first;
}

enum larder_status larder_set_many(struct larder_group *group, struct larder_write *writes, size_t count,
                                   uint64_t timeout_ms)
{
    struct call *calls = count != 0 ? calloc(count, sizeof *calls) : NULL;
    enum larder_status first = LARDER_OK;
    for (size_t i = 0; calls != NULL && i < count; i++) {
        calls[i].request = request_of(group, LARDER_OP_SET, writes[i].key, writes[i].key_size);
        calls[i].request.value = ldr_slice(writes[i].value, writes[i].value_size);
        calls[i].request.ttl_ms = writes[i].ttl_ms;
    }
    enum larder_status ran = calls != NULL ? run_many(group, calls, count, timeout_ms) : LARDER_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        writes[i].status = ran == LARDER_OK ? calls[i].reply.status : ran;
        if (ran == LARDER_OK && first == LARDER_OK && writes[i].status != LARDER_OK)
            first = outcome(&calls[i]);
    }
    free(calls);
    if (count == 0)
        return LARDER_OK;
    return ran == LARDER_NO_MEMORY ? ldr_fail_memory() : ran != LARDER_OK ? ran : first;
}

/* ------------------------------------------------------------------------------------------------ without waiting */

struct async {
    struct larder_request request;
    void (*done)(void *arg, enum larder_status status, struct larder_value *value);
    void *arg;
    char bytes[]; /* the group's name, then the key */
};

static void async_done(void *arg, struct larder_reply *reply)
{
    struct async async = *(struct async *)arg;
    free(arg);
    struct larder_value *value = NULL;
    enum larder_status status = reply->status;
    if (status == LARDER_OK && (value = new_value(reply)) == NULL) {
        larder_reply_release(reply);
        status = LARDER_NO_MEMORY;
    }
    struct larder_slice message = reply->message; /* of a failure: nothing was released that it may lie in */
    if (message.size == 0)
        message = ldr_slice_text(larder_status_text(status));
    if (status != LARDER_OK)
        ldr_fail(status, "%.*s", (int)message.size, (const char *)message.data);
    async.done(async.arg, status, value);
}

void larder_get_async(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms,
                      void (*done)(void *arg, enum larder_status status, struct larder_value *value), void *arg)
{
    size_t bytes = 0;
    struct async *async = NULL;
    if (ldr_add(sizeof *async, group->name_size, &bytes) && ldr_add(bytes, key_size, &bytes))
        async = malloc(bytes);
    uint64_t deadline;
    if (async == NULL || !deadline_of(group->node, timeout_ms, &deadline)) {
        enum larder_status status = async == NULL ? ldr_fail_memory() : larder_last_status();
        free(async);
        done(arg, status, NULL);
        return;
    }
    memcpy(async->bytes, group->name, group->name_size);
    if (key_size != 0)
        memcpy(async->bytes + group->name_size, key, key_size);
    async->request = request_of(group, LARDER_OP_GET, async->bytes + group->name_size, key_size);
    async->request.group.data = async->bytes;
    async->request.deadline = deadline;
    async->done = done;
    async->arg = arg;
    ldr_node_execute(group->node, &async->request, async_done, async);
}
