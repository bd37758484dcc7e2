/* Creates, changes and drops the groups of a node. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/group/near.h"
#include "core/node/node.h"

static const struct larder_eviction *eviction_of(const struct ldr_group_settings *settings)
{
    return (const struct larder_eviction *)(const void *)settings->eviction.table;
}

struct ldr_group *ldr_node_find_group(struct larder_node *node, struct larder_slice name)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    struct ldr_group *group = ldr_registry_find(node->registry, name);
    if (group != NULL)
        ldr_group_reference(group);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    if (group == NULL)
        ldr_fail(LARDER_NO_GROUP, "no group %.*s", (int)name.size, (const char *)name.data);
    return group;
}

struct ldr_group_record *ldr_node_record(struct larder_node *node, struct larder_slice name)
{
    struct ldr_group_record *record = node->records;
    while (record != NULL && !ldr_slice_equal(ldr_slice_text(record->settings.name), name))
        record = record->next;
    return record;
}

static void free_record(struct ldr_group_record *record)
{
    ldr_group_release(record->group);
    ldr_arena_close(record->arena);
    free(record);
}

/* ------------------------------------------------------------------------------------------------ settings that last */

static bool own_choice(struct ldr_arena *arena, struct ldr_plugin_choice *choice)
{
    if (choice->table == NULL)
        return true;
    choice->params = ldr_schema_copy(arena, choice->params, ldr_schema_count(choice->table->params));
    return choice->params != NULL;
}

/* A copy of the settings with all they point at, in an arena of its own. NULL when out of memory. */
static struct ldr_arena *own_settings(const struct ldr_group_settings *settings, struct ldr_group_settings *copy)
{
    struct ldr_arena *arena = ldr_arena_open();
    *copy = *settings;
    if (arena != NULL && (copy->name = ldr_arena_text(arena, settings->name)) != NULL &&
        own_choice(arena, &copy->eviction) && own_choice(arena, &copy->loader))
        return arena;
    ldr_arena_close(arena);
    ldr_fail_memory();
    return NULL;
}

static bool same_choice(const struct ldr_plugin_choice *a, const struct ldr_plugin_choice *b)
{
    return a->table == b->table &&
           (a->table == NULL || ldr_schema_equal(a->params, b->params, ldr_schema_count(a->table->params)));
}

/* Gets of peers wait for loads: theirs of this group take as long as those here. */
static void expect_loads(const struct ldr_group *group)
{
    if (group->context->cluster != NULL && ldr_group_loads(group))
        ldr_cluster_expect_loads(group->context->cluster, group->load_timeout_ms);
}

/* ------------------------------------------------------------------------------------------------ creating */

static uint64_t permille(double factor)
{
    return (uint64_t)(factor * 1000 + 0.5);
}

static struct ldr_group_options options_of(const struct ldr_group_settings *settings)
{
    return (struct ldr_group_options){
        .name = ldr_slice_text(settings->name),
        .max_bytes = settings->max_bytes,
        .max_entries = settings->max_entries,
        .max_value = settings->max_value,
        .ttl_ms = settings->ttl_ms,
        .negative_ttl_ms = settings->negative_ttl_ms,
        .load_timeout_ms = settings->load_timeout_ms,
        .stale_while_revalidate_ms = settings->stale_while_revalidate_ms,
        .stale_if_error_ms = settings->stale_if_error_ms,
        .refresh_permille = permille(settings->refresh_ahead),
        .max_loads = settings->max_loads,
        .near_bytes = settings->near_bytes,
        .near_ttl_ms = settings->near_ttl_ms,
        .exact_hits = settings->exact_hits,
        .eviction = eviction_of(settings),
        .eviction_params = settings->eviction.params,
        .loader = (const void *)settings->loader.table,
        .loader_params = settings->loader.params,
    };
}

enum larder_status ldr_node_create_group(struct larder_node *node, const struct ldr_group_settings *settings,
                                         bool configured)
{
    struct ldr_group_record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return ldr_fail_memory();
    record->arena = own_settings(settings, &record->settings);
    const struct ldr_group_options options = options_of(settings);
    record->group = record->arena != NULL ? ldr_group_open(&node->context, &options) : NULL;
    record->configured = configured;
    enum larder_status status = record->group != NULL ? LARDER_OK : larder_last_status();
    if (status == LARDER_OK && (status = ldr_registry_add(node->registry, record->group)) != LARDER_OK)
        ldr_group_shut(record->group);
    if (status != LARDER_OK) {
        free_record(record);
        return status;
    }
    ldr_group_reference(record->group); /* the registry has the first one */
    record->next = node->records;
    node->records = record;
    expect_loads(record->group);
    return LARDER_OK;
}

/* ------------------------------------------------------------------------------------------------ changing */

/* What can fail comes first: on failure nothing was changed. Near copies are soon made again: they are not carried over. */
static enum larder_status change_stores(struct ldr_group_record *record, const struct ldr_group_settings *settings)
{
    struct ldr_group *group = record->group;
    const struct ldr_group_settings *old = &record->settings;
    bool same = same_choice(&settings->eviction, &old->eviction);
    bool renew = !same || settings->near_bytes != old->near_bytes;
    struct ldr_near *near = NULL;
    const struct ldr_group_options options = options_of(settings);
    enum larder_status status = renew ? ldr_near_open(group->context, &options, &near) : LARDER_OK;
    if (status == LARDER_OK &&
        (!same || settings->max_bytes != old->max_bytes || settings->max_entries != old->max_entries))
        status = ldr_store_set(group->store, same ? NULL : eviction_of(settings), settings->eviction.params,
                               settings->max_bytes, settings->max_entries);
    if (status == LARDER_OK && renew)
        ldr_near_replace(group, near);
    else
        ldr_near_close(near);
    return status;
}

static enum larder_status change(struct ldr_group_record *record, const struct ldr_group_settings *settings)
{
    struct ldr_group *group = record->group;
    const struct ldr_group_settings *old = &record->settings;
    if (!same_choice(&settings->loader, &old->loader))
        return ldr_fail(LARDER_UNSUPPORTED,
                        "group %s: its loader cannot be changed while it runs; drop the group first", group->name);
    enum larder_status status = change_stores(record, settings);
    if (status != LARDER_OK)
        return status;
    if (settings->exact_hits != old->exact_hits)
        ldr_store_set_exact_hits(group->store, settings->exact_hits);
    group->max_value = settings->max_value;
    group->ttl_ms = settings->ttl_ms;
    group->negative_ttl_ms = settings->negative_ttl_ms;
    group->load_timeout_ms = settings->load_timeout_ms;
    group->near_ttl_ms = settings->near_ttl_ms;
    group->stale_while_revalidate_ms = settings->stale_while_revalidate_ms;
    group->stale_if_error_ms = settings->stale_if_error_ms;
    group->refresh_permille = permille(settings->refresh_ahead);
    group->max_loads = settings->max_loads;
    expect_loads(group);
    return LARDER_OK;
}

enum larder_status ldr_node_change_group(struct ldr_group_record *record, const struct ldr_group_settings *settings)
{
    struct ldr_group_settings owned;
    struct ldr_arena *arena = own_settings(settings, &owned);
    if (arena == NULL)
        return larder_last_status();
    enum larder_status status = change(record, &owned);
    if (status == LARDER_OK) {
        struct ldr_arena *old = record->arena;
        record->arena = arena;
        record->settings = owned;
        arena = old;
    }
    ldr_arena_close(arena);
    return status;
}

static enum larder_status put(struct larder_node *node, const char *name, struct larder_slice document, bool *created)
{
    struct ldr_group_record *record = ldr_node_record(node, ldr_slice_text(name));
    struct ldr_arena *arena = ldr_arena_open();
    struct ldr_errors errors = {0};
    struct ldr_group_settings settings;
    enum larder_status status;
    if (arena == NULL ||
        !ldr_settings_group(document.data, document.size, name, record != NULL ? &record->settings : NULL,
                            node->catalog, arena, &errors, &settings))
        status = errors.count != 0 ? ldr_fail(LARDER_INVALID, "%s", errors.first) : ldr_fail_memory();
    else if (record == NULL)
        status = ldr_node_create_group(node, &settings, false);
    else
        status = ldr_node_change_group(record, &settings);
    *created = record == NULL;
    ldr_arena_close(arena);
    return status;
}

enum larder_status ldr_node_put_group(struct larder_node *node, struct larder_slice name, struct larder_slice document,
                                      bool *created)
{
    char text[LARDER_GROUP_MAX + 1];
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    pthread_mutex_lock(&node->admin);
    enum larder_status status = put(node, text, document, created);
    pthread_mutex_unlock(&node->admin);
    return status;
}

/* Gives the callback to a group that has no loader. */
static enum larder_status attach(struct ldr_group *group, larder_load_fn load, void *load_arg)
{
    if (ldr_group_loads(group))
        return ldr_fail(LARDER_EXISTS, "group %s has a loader already", group->name);
    group->load_arg = load_arg;
    /* Release: whoever sees the function sees its argument. */
    atomic_store_explicit(&group->load, load, memory_order_release);
    expect_loads(group);
    return LARDER_OK;
}

enum larder_status ldr_node_open_group(struct larder_node *node, const char *name, struct larder_slice document,
                                       bool fresh, larder_load_fn load, void *load_arg)
{
    struct larder_slice key = ldr_slice_text(name);
    bool created;
    enum larder_status status = LARDER_OK;
    pthread_mutex_lock(&node->admin);
    if (ldr_node_record(node, key) == NULL)
        status = put(node, name, document, &created);
    else if (fresh)
        status = ldr_fail(LARDER_EXISTS, "group %s exists already", name);
    if (status == LARDER_OK && load != NULL)
        status = attach(ldr_node_record(node, key)->group, load, load_arg);
    pthread_mutex_unlock(&node->admin);
    return status;
}

/* ------------------------------------------------------------------------------------------------ dropping */

static enum larder_status unlink_record(struct larder_node *node, struct larder_slice name,
                                        struct ldr_group_record **record)
{
    struct ldr_group_record **at = &node->records;
    *record = ldr_node_record(node, name);
    if (*record == NULL)
        return ldr_fail(LARDER_NO_GROUP, "no group %.*s", (int)name.size, (const char *)name.data);
    enum larder_status status = ldr_registry_remove(node->registry, (*record)->group);
    if (status != LARDER_OK)
        return status;
    while (*at != *record)
        at = &(*at)->next;
    *at = (*record)->next;
    return LARDER_OK;
}

enum larder_status ldr_node_drop_group(struct larder_node *node, struct larder_slice name)
{
    struct ldr_group_record *record;
    pthread_mutex_lock(&node->admin);
    enum larder_status status = unlink_record(node, name, &record);
    pthread_mutex_unlock(&node->admin);
    if (status == LARDER_OK) {
        /* Without the lock: the loader's last answers may come from threads that want it. */
        ldr_group_shut(record->group);
        free_record(record);
    }
    return status;
}

void ldr_node_shut_groups(struct larder_node *node)
{
    for (struct ldr_group_record *record = node->records, *next; record != NULL; record = next) {
        next = record->next;
        ldr_group_shut(record->group);
        free_record(record);
    }
    node->records = NULL;
}
