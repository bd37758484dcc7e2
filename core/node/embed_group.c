/* The embedding API's groups. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/embed.h"

static struct larder_group *new_handle(struct larder_node *node, const char *name)
{
    size_t size = strlen(name);
    struct larder_group *group = malloc(sizeof *group + size + 1);
    if (group == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    group->node = ldr_node_reference(node);
    group->place = (struct ldr_group_place){0};
    group->name_size = size;
    memcpy(group->name, name, size + 1);
    return group;
}

/* The options as the document that every other way of making a group brings. */
static void write_options(struct ldr_buffer *text, const struct larder_group_options *options)
{
    ldr_buffer_printf(text, "{");
    if (options->max_bytes != 0)
        ldr_buffer_printf(text, "max_bytes: %llu, ", (unsigned long long)options->max_bytes);
    if (options->max_value != 0)
        ldr_buffer_printf(text, "max_value: %llu, ", (unsigned long long)options->max_value);
    if (options->ttl_ms != 0)
        ldr_buffer_printf(text, "ttl: %lldms, ", (long long)options->ttl_ms);
    if (options->negative_ttl_ms != 0)
        ldr_buffer_printf(text, "negative_ttl: %lldms, ", (long long)options->negative_ttl_ms);
    if (options->load_timeout_ms != 0)
        ldr_buffer_printf(text, "load_timeout: %llums, ", (unsigned long long)options->load_timeout_ms);
    if (options->stale_while_revalidate_ms != 0)
        ldr_buffer_printf(text, "stale_while_revalidate: %lldms, ", (long long)options->stale_while_revalidate_ms);
    if (options->stale_if_error_ms != 0)
        ldr_buffer_printf(text, "stale_if_error: %lldms, ", (long long)options->stale_if_error_ms);
    if (options->refresh_ahead != 0)
        ldr_buffer_printf(text, "refresh_ahead: %.3f, ", options->refresh_ahead < 0 ? 0 : options->refresh_ahead);
    if (options->max_loads != 0)
        ldr_buffer_printf(text, "max_loads: %llu, ", (unsigned long long)options->max_loads);
    if (options->exact_hits != 0)
        ldr_buffer_printf(text, "exact_hits: true, ");
    if (options->max_entries != 0)
        ldr_buffer_printf(text, "max_entries: %llu, ", (unsigned long long)options->max_entries);
    if (options->eviction != NULL)
        ldr_buffer_printf(text, "eviction: %s", options->eviction);
    ldr_buffer_printf(text, "}");
}

static enum larder_status make(struct larder_node *node, const char *name, const struct larder_group_options *options)
{
    const struct larder_slice nothing = ldr_slice_text("{}");
    struct ldr_buffer text = {0};
    write_options(&text, options);
    struct larder_slice document = ldr_slice(text.data, text.size);
    enum larder_status status = text.failed
                                    ? ldr_fail_memory()
                                    : ldr_node_open_group(node, name, document, !ldr_slice_equal(document, nothing),
                                                          options->load, options->load_arg);
    ldr_buffer_free(&text);
    return status;
}

static enum larder_status open_handle(struct larder_node *node, const char *name,
                                      const struct larder_group_options *options)
{
    if (!ldr_group_name_good(ldr_slice_text(name)))
        return ldr_fail(LARDER_INVALID, "group name: got \"%.64s\", wanted 1 to %d of A-Z a-z 0-9 . _ -", name,
                        LARDER_GROUP_MAX);
    if (node->transit != NULL)
        return options == NULL ? LARDER_OK : ldr_fail(LARDER_UNSUPPORTED, "a gateway has no groups of its own");
    if (options != NULL)
        return make(node, name, options);
    struct ldr_group *there = ldr_node_find_group(node, ldr_slice_text(name));
    ldr_group_release(there);
    return there != NULL ? LARDER_OK : LARDER_NO_GROUP;
}

struct larder_group *larder_group_open(struct larder_node *node, const char *name,
                                       const struct larder_group_options *options)
{
    if (!ldr_node_enter(node))
        return NULL;
    /* The handle first: a group that was made for a handle that cannot be would be in the way of the next try. */
    struct larder_group *group = new_handle(node, name);
    if (group != NULL && open_handle(node, name, options) != LARDER_OK) {
        larder_group_close(group);
        group = NULL;
    }
    ldr_node_exit();
    return group;
}

void larder_group_close(struct larder_group *group)
{
    if (group == NULL)
        return;
    ldr_node_release(group->node);
    free(group);
}

enum larder_status larder_group_drop(struct larder_node *node, const char *name)
{
    if (!ldr_node_enter(node))
        return LARDER_UNAVAILABLE;
    enum larder_status status = ldr_node_drop_group(node, ldr_slice_text(name));
    ldr_node_exit();
    return status;
}

/* The handle's group with a reference, inside a section that release_group() ends. NULL: the reason is set. */
static struct ldr_group *take_group(struct larder_group *handle)
{
    if (!ldr_node_enter(handle->node))
        return NULL;
    struct ldr_group *group = ldr_node_find_group(handle->node, ldr_slice(handle->name, handle->name_size));
    if (group == NULL)
        ldr_node_exit();
    return group;
}

static void release_group(struct ldr_group *group)
{
    ldr_group_release(group);
    ldr_node_exit();
}

enum larder_status larder_group_clear(struct larder_group *handle)
{
    struct ldr_group *group = take_group(handle);
    if (group == NULL)
        return larder_last_status();
    ldr_group_clear(group);
    release_group(group);
    return LARDER_OK;
}

enum larder_status larder_group_stats(struct larder_group *handle, struct larder_statistics *stats)
{
    struct ldr_group *group = take_group(handle);
    if (group == NULL)
        return larder_last_status();
    ldr_group_read_stats(group, stats);
    release_group(group);
    return LARDER_OK;
}

/* Changes one setting of a group that is there. */
static enum larder_status change(struct larder_group *handle, const char *setting)
{
    struct ldr_group *group = take_group(handle);
    bool created;
    if (group == NULL)
        return larder_last_status();
    enum larder_status status = ldr_node_put_group(handle->node, ldr_slice(handle->name, handle->name_size),
                                                   ldr_slice_text(setting), &created);
    release_group(group);
    return status;
}

enum larder_status larder_group_set_eviction(struct larder_group *handle, const char *eviction)
{
    struct ldr_buffer text = {0};
    ldr_buffer_printf(&text, "{eviction: %s}", eviction);
    enum larder_status status = text.failed ? ldr_fail_memory() : change(handle, text.data);
    ldr_buffer_free(&text);
    return status;
}

enum larder_status larder_group_set_max_bytes(struct larder_group *handle, uint64_t max_bytes)
{
    char text[64];
    snprintf(text, sizeof text, "{max_bytes: %llu}", (unsigned long long)max_bytes);
    return change(handle, text);
}

enum larder_status larder_group_set_max_entries(struct larder_group *handle, uint64_t max_entries)
{
    char text[64];
    snprintf(text, sizeof text, "{max_entries: %llu}", (unsigned long long)max_entries);
    return change(handle, text);
}
