/*
 * The embedding API's get of one key: a look into the store, on the caller's thread and without a request, which answers most
 * gets; the rest are requests like those of every door.
 */
#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/embed.h"

static enum ldr_look look_copy(struct larder_group *handle, struct ldr_copy *copy)
{
    struct ldr_group *group = ldr_key_size_good(copy->key.size) ? ldr_handle_enter(handle) : NULL;
    if (group == NULL)
        return LDR_LOOK_FURTHER;
    enum ldr_look look = ldr_group_look_copy(group, copy);
    ldr_node_exit();
    return look;
}

/* LDR_LOOK_VALUE: *value is held, or NULL when memory is short. */
static enum ldr_look look(struct larder_group *handle, struct larder_slice key, struct larder_value **value)
{
    struct ldr_entry *entry;
    struct ldr_group *group = ldr_key_size_good(key.size) ? ldr_handle_enter(handle) : NULL;
    if (group == NULL)
        return LDR_LOOK_FURTHER;
    uint64_t now = ldr_group_look_time(group, 1);
    enum ldr_look look = ldr_group_look(group, key, now, &entry);
    if (look == LDR_LOOK_VALUE)
        *value = ldr_value_of_entry(group, entry, now);
    ldr_node_exit();
    return look;
}

static enum larder_status not_found(void)
{
    return ldr_fail(LARDER_NOT_FOUND, "%s", larder_status_text(LARDER_NOT_FOUND));
}

enum larder_status larder_get(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms,
                              struct larder_value **value)
{
    *value = NULL;
    switch (look(group, ldr_slice(key, key_size), value)) {
    case LDR_LOOK_VALUE: return *value != NULL ? LARDER_OK : ldr_fail_memory();
    case LDR_LOOK_NOT_FOUND: return not_found();
    case LDR_LOOK_FURTHER: break;
    }
    struct ldr_call call = {.request = ldr_call_request(group, LARDER_OP_GET, key, key_size)};
    enum larder_status status = ldr_call_run(group, &call, timeout_ms);
    if (status != LARDER_OK)
        return status;
    *value = ldr_value_new(&call.reply);
    return *value != NULL ? LARDER_OK : ldr_fail_memory();
}

static enum larder_status too_large(size_t size, size_t capacity)
{
    return ldr_fail(LARDER_TOO_LARGE, "the value has %zu bytes, the buffer %zu", size, capacity);
}

/* The part of larder_get_copy() that asks further. */
static enum larder_status request_copy(struct larder_group *group, struct ldr_copy *copy, uint64_t timeout_ms)
{
    struct ldr_call call = {.request = ldr_call_request(group, LARDER_OP_GET, copy->key.data, copy->key.size)};
    enum larder_status status = ldr_call_run(group, &call, timeout_ms);
    if (status != LARDER_OK)
        return status;
    copy->size = call.reply.value.size;
    if (copy->size > copy->capacity)
        status = too_large(copy->size, copy->capacity);
    else if (copy->size != 0)
        memcpy(copy->buffer, call.reply.value.data, copy->size);
    larder_reply_release(&call.reply);
    return status;
}

enum larder_status larder_get_copy(struct larder_group *group, const void *key, size_t key_size, uint64_t timeout_ms,
                                   void *buffer, size_t capacity, size_t *size)
{
    char nothing[1]; /* an empty value needs no buffer, but memcpy() a place */
    struct ldr_copy copy = {
        .key = {key, key_size}, .buffer = buffer != NULL ? buffer : nothing, .capacity = buffer != NULL ? capacity : 0};
    enum larder_status status = LARDER_OK;
    switch (look_copy(group, &copy)) {
    case LDR_LOOK_VALUE:
        if (copy.found == LDR_FOUND_LARGER)
            status = too_large(copy.size, capacity);
        break;
    case LDR_LOOK_NOT_FOUND: status = not_found(); break;
    case LDR_LOOK_FURTHER: status = request_copy(group, &copy, timeout_ms); break;
    }
    *size = copy.size;
    return status;
}
