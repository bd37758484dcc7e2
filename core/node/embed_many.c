/* The embedding API's batches: gets look into the store first, as those of one key do. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/embed.h"

/* ------------------------------------------------------------------------------------------------ gets */

/* The status of an item that no look has answered. */
#define UNANSWERED LARDER_STATUS_COUNT

/* Looks for a part of a batch. */
static void look_part(struct ldr_group *group, struct larder_item *items, size_t count)
{
    struct larder_slice keys[LDR_LOOK_MANY];
    struct ldr_entry *entries[LDR_LOOK_MANY];
    enum ldr_look looks[LDR_LOOK_MANY];
    uint64_t now = ldr_group_look_time(group, count);
    for (size_t i = 0; i < count; i++)
        keys[i] = ldr_slice(items[i].key, items[i].key_size);
    ldr_group_look_many(group, keys, count, now, looks, entries);
    for (size_t i = 0; i < count; i++) {
        if (looks[i] == LDR_LOOK_VALUE)
            items[i].value = ldr_value_of_entry(group, entries[i], now);
        if (looks[i] != LDR_LOOK_FURTHER)
            items[i].status = looks[i] == LDR_LOOK_NOT_FOUND ? LARDER_NOT_FOUND
                              : items[i].value != NULL       ? LARDER_OK
                                                             : LARDER_NO_MEMORY;
    }
}

/* Looks for all items, and returns how many are left unanswered. */
static size_t look_many(struct larder_group *handle, struct larder_item *items, size_t count)
{
    size_t left = 0;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        items[i].status = UNANSWERED;
        items[i].value = NULL;
        good = good && ldr_key_size_good(items[i].key_size);
    }
    for (size_t done = 0, part; good && done < count; done += part) {
        part = count - done < LDR_LOOK_MANY ? count - done : LDR_LOOK_MANY;
        struct ldr_group *group = ldr_handle_enter(handle);
        if (group == NULL)
            break;
        look_part(group, items + done, part);
        ldr_node_exit();
    }
    for (size_t i = 0; i < count; i++)
        left += items[i].status == UNANSWERED;
    return left;
}

/* The first failure of a batch is the thread's last error. `calls` are those of the items that no look answered. */
static enum larder_status first_failure(const struct larder_item *items, size_t count, const struct ldr_call *calls)
{
    for (size_t i = 0; i < count; i++) {
        enum larder_status status = items[i].status;
        if (status == LARDER_NO_MEMORY)
            return ldr_fail_memory();
        if (status != LARDER_OK && status != LARDER_NOT_FOUND) {
            while (calls->reply.status != status)
                calls++;
            return ldr_call_outcome(calls);
        }
    }
    return LARDER_OK;
}

/* Asks further for the items that are left. */
static enum larder_status request_many(struct larder_group *group, struct larder_item *items, size_t count, size_t left,
                                       uint64_t timeout_ms)
{
    struct ldr_call *calls = calloc(left, sizeof *calls), *next = calls;
    enum larder_status ran = LARDER_NO_MEMORY;
    for (size_t i = 0; i < count && calls != NULL; i++)
        if (items[i].status == UNANSWERED)
            next++->request = ldr_call_request(group, LARDER_OP_GET, items[i].key, items[i].key_size);
    if (calls != NULL)
        ran = ldr_call_run_many(group, calls, left, timeout_ms);
    next = calls;
    for (size_t i = 0; i < count; i++) {
        if (items[i].status != UNANSWERED)
            continue;
        items[i].status = ran;
        if (ran != LARDER_OK)
            continue;
        items[i].status = next->reply.status;
        if (items[i].status == LARDER_OK && (items[i].value = ldr_value_new(&next->reply)) == NULL)
            items[i].status = LARDER_NO_MEMORY;
        next++;
    }
    enum larder_status status = ran != LARDER_OK && ran != LARDER_NO_MEMORY ? ran : first_failure(items, count, calls);
    free(calls);
    return status;
}

enum larder_status larder_get_many(struct larder_group *group, struct larder_item *items, size_t count,
                                   uint64_t timeout_ms)
{
    size_t left = look_many(group, items, count);
    return left != 0 ? request_many(group, items, count, left, timeout_ms) : first_failure(items, count, NULL);
}

/* ------------------------------------------------------------------------------------------------ sets */

enum larder_status larder_set_many(struct larder_group *group, struct larder_write *writes, size_t count,
                                   uint64_t timeout_ms)
{
    struct ldr_call *calls = count != 0 ? calloc(count, sizeof *calls) : NULL;
    enum larder_status first = LARDER_OK;
    for (size_t i = 0; calls != NULL && i < count; i++) {
        calls[i].request = ldr_call_request(group, LARDER_OP_SET, writes[i].key, writes[i].key_size);
        calls[i].request.value = ldr_slice(writes[i].value, writes[i].value_size);
        calls[i].request.ttl_ms = writes[i].ttl_ms;
    }
    enum larder_status ran = calls != NULL ? ldr_call_run_many(group, calls, count, timeout_ms) : LARDER_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        writes[i].status = ran == LARDER_OK ? calls[i].reply.status : ran;
        if (ran == LARDER_OK && first == LARDER_OK && writes[i].status != LARDER_OK)
            first = ldr_call_outcome(&calls[i]);
    }
    free(calls);
    if (count == 0)
        return LARDER_OK;
    return ran == LARDER_NO_MEMORY ? ldr_fail_memory() : ran != LARDER_OK ? ran : first;
}
