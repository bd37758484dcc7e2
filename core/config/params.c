/* The parameters of one module from settings, for programs that open modules themselves. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/config/schema.h"
#include "larder/plugins.h"

struct larder_params {
    struct ldr_arena *arena;
    const struct larder_param_value *values;
};

static bool check(struct larder_params *params, const struct ldr_tree *map, const struct larder_plugin *head)
{
    struct ldr_errors errors = {0};
    params->values = ldr_schema_check(map, head->params, NULL, params->arena, &errors);
    if (params->values == NULL)
        ldr_fail_memory();
    else if (errors.count > 0)
        ldr_fail(LARDER_INVALID, "%s", errors.first);
    return params->values != NULL && errors.count == 0;
}

/* Where there is no name, ldr_tree_set() would want a path, as for whole configurations. */
static bool set(struct ldr_tree *map, const char *setting, const struct larder_plugin *head)
{
    size_t name = strcspn(setting, "=");
    if (name > 0 && setting[name] == '=')
        return ldr_tree_set(map, setting, head->name) == LARDER_OK;
    ldr_fail(LARDER_INVALID, "%s: got \"%.64s\", wanted name=value", head->name, setting);
    return false;
}

struct larder_params *larder_params_read(const struct larder_plugin *head, const char *const *settings, size_t count)
{
    struct larder_params *params = calloc(1, sizeof *params);
    struct ldr_tree *map = ldr_tree_new(LDR_TREE_MAP, NULL, NULL);
    bool good = params != NULL && map != NULL && (params->arena = ldr_arena_open()) != NULL;
    if (good)
        ldr_tree_set_file(map, head->name);
    else
        ldr_fail_memory();
    for (size_t i = 0; good && i < count; i++)
        good = set(map, settings[i], head);
    good = good && check(params, map, head);
    ldr_tree_free(map);
    if (good)
        return params;
    larder_params_free(params);
    return NULL;
}

const struct larder_param_value *larder_params_values(const struct larder_params *params)
{
    return params->values;
}

void larder_params_free(struct larder_params *params)
{
    if (params == NULL)
        return;
    ldr_arena_close(params->arena);
    free(params);
}
