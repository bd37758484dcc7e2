#include "sim_policy.h"

#include <stdlib.h>
#include <string.h>

#include "plugin_search.h"

#define OPTIMUM      "belady"
#define SETTINGS_MAX 32

/* Where the parameters begin, behind the name: at its ':', or at its end. */
static const char *name_end(const char *text)
{
    const char *ending = strstr(text, ".so:");
    return ending != NULL ? ending + 3 : plugin_names_file(text) ? text + strlen(text) : strchrnul(text, ':');
}

static enum exit_code open_module(struct sim_policy *policy, const char *name, const struct larder_config *config)
{
    struct larder_plugin_info info;
    if (plugin_names_file(name))
        policy->file = larder_plugin_file_open(name, &info);
    else
        policy->file = larder_plugin_find(config, LARDER_PLUGIN_EVICTION, name, &info);
    if (policy->file == NULL)
        return say(EXIT_NO, "sim: --policy: %s", info.refusal);
    if (info.head->kind != LARDER_PLUGIN_EVICTION)
        return say(EXIT_NO, "sim: --policy: %s: got a module of the kind %s, wanted eviction", name,
                   larder_plugin_kind_name((enum larder_plugin_kind)info.head->kind));
    policy->module = (const struct larder_eviction *)(const void *)info.head;
    return EXIT_DONE;
}

/* `settings` is "in=30:out=40", and is cut into pieces. */
static enum exit_code read_params(struct sim_policy *policy, char *settings)
{
    const char *items[SETTINGS_MAX];
    size_t count = 0;
    char *rest = settings;
    while (rest != NULL && count < SETTINGS_MAX)
        items[count++] = strsep(&rest, ":");
    if (rest != NULL)
        return say(EXIT_USAGE, "sim: --policy: %s: got more than %d parameters", policy->text, SETTINGS_MAX);
    policy->params = larder_params_read(&policy->module->head, items, count);
    return policy->params != NULL ? EXIT_DONE : say(EXIT_USAGE, "sim: --policy: %s", larder_last_error());
}

static enum exit_code open_policy(struct sim_policy *policy, const struct larder_config *config)
{
    char *name = strdup(policy->text);
    if (name == NULL)
        return say_no_memory();
    char *end = name + (name_end(policy->text) - policy->text), *settings = *end == ':' ? end + 1 : NULL;
    *end = '\0';
    enum exit_code code = EXIT_DONE;
    if (strcmp(name, OPTIMUM) == 0 && settings != NULL)
        code = say(EXIT_USAGE, "sim: --policy: " OPTIMUM ": takes no parameters, got '%s'", settings);
    else if (strcmp(name, OPTIMUM) != 0)
        code = open_module(policy, name, config);
    if (code == EXIT_DONE && policy->module != NULL)
        code = read_params(policy, settings);
    free(name);
    return code;
}

static enum exit_code open_list(struct sim_policies *policies, const char *list, const struct larder_config *config)
{
    enum exit_code code = EXIT_DONE;
    for (bool more = true; more && code == EXIT_DONE;) {
        size_t size = strcspn(list, ",");
        struct sim_policy *items = reallocarray(policies->items, policies->count + 1, sizeof *items);
        if (items == NULL)
            return say_no_memory();
        policies->items = items;
        struct sim_policy *policy = &items[policies->count++];
        *policy = (struct sim_policy){.text = strndup(list, size)};
        if (size == 0)
            code = say(EXIT_USAGE, "sim: --policy: got an empty name, wanted NAME or FILE.so");
        else
            code = policy->text != NULL ? open_policy(policy, config) : say_no_memory();
        more = list[size] == ',';
        list += size + more;
    }
    return code;
}

enum exit_code sim_policies_open(struct sim_policies *policies, const struct options *options)
{
    struct larder_config *config = plugin_config(options);
    if (config == NULL)
        return EXIT_NO;
    enum exit_code code = EXIT_DONE;
    for (size_t i = 0; i < options->policies.count && code == EXIT_DONE; i++)
        code = open_list(policies, options->policies.items[i], config);
    larder_config_free(config);
    return code;
}

void sim_policies_close(struct sim_policies *policies)
{
    for (size_t i = 0; i < policies->count; i++) {
        larder_params_free(policies->items[i].params);
        larder_plugin_file_close(policies->items[i].file);
        free(policies->items[i].text);
    }
    free(policies->items);
}
