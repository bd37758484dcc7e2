/* Every eviction module that is there, with its default parameters. */
#ifndef LIVE_POLICIES_H
#define LIVE_POLICIES_H

#include "store_kit.h"

#include <stdlib.h>

#include "larder/plugins.h"

struct live_policy {
    struct larder_plugin_file *file;
    const struct larder_eviction *module;
    struct larder_params *params;
};

static struct live_policy live_policies[32];
static size_t live_policy_count;

static inline const char *live_name(const struct live_policy *policy)
{
    return policy->module->head.name;
}

static inline void live_add(void *arg, const struct larder_plugin_info *info)
{
    (void)arg;
    if (info->head == NULL || info->head->kind != LARDER_PLUGIN_EVICTION)
        return;
    struct live_policy *policy = &live_policies[live_policy_count++];
    struct larder_plugin_info found;
    policy->file = larder_plugin_find(NULL, LARDER_PLUGIN_EVICTION, info->head->name, &found);
    assert_non_null(policy->file);
    policy->module = (const struct larder_eviction *)(const void *)found.head;
    policy->params = larder_params_read(found.head, NULL, 0);
    assert_non_null(policy->params);
}

static inline const struct live_policy *live_find(const char *name)
{
    for (size_t p = 0; p < live_policy_count; p++)
        if (strcmp(live_name(&live_policies[p]), name) == 0)
            return &live_policies[p];
    fail_msg("there is no policy %s", name);
    return NULL;
}

static inline int live_open(void **unused)
{
    (void)unused;
    assert_int_equal(setenv("LARDER_PLUGIN_PATH", TEST_PLUGINS, 1), 0);
    assert_int_equal(larder_plugins_each(NULL, live_add, NULL), LARDER_OK);
    assert_in_range(live_policy_count, 3, sizeof live_policies / sizeof *live_policies);
    return 0;
}

static inline int live_close(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < live_policy_count; i++) {
        larder_params_free(live_policies[i].params);
        larder_plugin_file_close(live_policies[i].file);
    }
    return 0;
}

#endif
