/* The embedding API's keys: a door like the others, whose wire is a function call. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/embed.h"

/* ------------------------------------------------------------------------------------------------ handles */

struct ldr_group *ldr_handle_enter(struct larder_group *handle)
{
    struct larder_node *node = handle->node;
    if (!ldr_node_enter(node))
        return NULL;
    struct ldr_group *group = ldr_registry_find_again(node->registry, ldr_slice(handle->name, handle->name_size),
                                                      &handle->place);
    if (group == NULL)
        ldr_node_exit();
    return group;
}

/* ------------------------------------------------------------------------------------------------ values */

struct larder_value {
    struct larder_slice value;
    int64_t ttl_ms;
    void (*release)(void *pin); /* NULL: nothing to release */
    void *pin;
};

struct larder_value *ldr_value_new(struct larder_reply *reply)
{
    struct larder_value *value = malloc(sizeof *value);
    if (value != NULL)
        *value = (struct larder_value){reply->value, reply->ttl_ms, reply->release, reply->pin};
    else
        larder_reply_release(reply);
    return value;
}

const void *larder_value_data(const struct larder_value *value)
{
    return value->value.data;
}

size_t larder_value_size(const struct larder_value *value)
{
    return value->value.size;
}

int64_t larder_value_ttl_ms(const struct larder_value *value)
{
    return value->ttl_ms;
}

void larder_value_release(struct larder_value *value)
{
    if (value == NULL)
        return;
    if (value->release != NULL)
        value->release(value->pin);
    free(value);
}

struct larder_value *ldr_value_of_entry(const struct ldr_group *group, struct ldr_entry *entry, uint64_t now)
{
    struct larder_reply reply = ldr_group_entry_reply(group, entry, LARDER_SOURCE_LOCAL, now);
    return ldr_value_new(&reply);
}

/* ------------------------------------------------------------------------------------------------ writes */

enum larder_status larder_set(struct larder_group *group, const void *key, size_t key_size, const void *value,
                              size_t value_size, int64_t ttl_ms, uint64_t timeout_ms)
{
    struct ldr_call call = {.request = ldr_call_request(group, LARDER_OP_SET, key, key_size)};
    call.request.value = ldr_slice(value, value_size);
    call.request.ttl_ms = ttl_ms;
    return ldr_call_run(group, &call, timeout_ms);
}

enum larder_status larder_delete(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms)
{
    struct ldr_call call = {.request = ldr_call_request(group, LARDER_OP_DELETE, key, key_size)};
    return ldr_call_run(group, &call, timeout_ms);
}

enum larder_status larder_touch(struct larder_group *group, const void *key, size_t key_size, int64_t ttl_ms,
                                uint64_t timeout_ms)
{
    struct ldr_call call = {.request = ldr_call_request(group, LARDER_OP_TOUCH, key, key_size)};
    call.request.ttl_ms = ttl_ms;
    return ldr_call_run(group, &call, timeout_ms);
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
    if (status == LARDER_OK && (value = ldr_value_new(reply)) == NULL)
        status = LARDER_NO_MEMORY;
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
    if (async == NULL || !ldr_call_deadline(group->node, timeout_ms, &deadline)) {
        enum larder_status status = async == NULL ? ldr_fail_memory() : larder_last_status();
        free(async);
        done(arg, status, NULL);
        return;
    }
    memcpy(async->bytes, group->name, group->name_size);
    if (key_size != 0)
        memcpy(async->bytes + group->name_size, key, key_size);
    async->request = ldr_call_request(group, LARDER_OP_GET, async->bytes + group->name_size, key_size);
    async->request.group.data = async->bytes;
    async->request.deadline = deadline;
    async->done = done;
    async->arg = arg;
    ldr_node_execute(group->node, &async->request, async_done, async);
}
