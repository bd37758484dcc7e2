/* A policy that opens only when it gets its parameters as a host gives them; what it does then is first in, first out. */
#include <stdlib.h>
#include <string.h>

#include "larder/plugin/eviction.h"

struct policy {
    struct larder_list list;
    struct larder_link links[];
};

enum { FLAG, ROOM, WAIT, PART, WORD, COUNT, NAMES };

static const struct larder_param params[] = {
    [FLAG] = {.name = "flag", .type = LARDER_PARAM_BOOL, .default_text = "true", .help = "true or false"},
    [ROOM] = {.name = "room", .type = LARDER_PARAM_SIZE, .default_text = "16MiB", .help = "bytes"},
    [WAIT] = {.name = "wait", .type = LARDER_PARAM_DURATION, .default_text = "2m", .help = "time"},
    [PART] = {.name = "part", .type = LARDER_PARAM_FLOAT, .default_text = "0.5", .help = "any number"},
    [WORD] =
        {.name = "word", .type = LARDER_PARAM_STRING, .default_text = "a: b", .choices = "a: b|'|\"|7", .help = "one"},
    [COUNT] =
        {.name = "count", .type = LARDER_PARAM_INT, .minimum = 2.5, .maximum = 9.5, .required = true, .help = "must"},
    [NAMES] = {.name = "names", .type = LARDER_PARAM_STRINGS, .required = true, .help = "must be given, too"},
    {.name = NULL},
};

static bool is_number(const struct larder_param_value *value, int64_t wanted)
{
    return value->integer == wanted && value->number == (double)wanted;
}

static bool is_whole(const struct larder_param_value *value)
{
    return value->number == (double)value->integer;
}

/* Those that were given may be anything in their range. */
static bool are_right(const struct larder_param_value *values)
{
    const struct larder_param_value *count = &values[COUNT], *flag = &values[FLAG];
    return (flag->given ? is_number(flag, 0) || is_number(flag, 1) : is_number(flag, 1)) &&
           (values[ROOM].given ? is_whole(&values[ROOM]) : is_number(&values[ROOM], INT64_C(16) << 20)) &&
           (values[WAIT].given ? is_whole(&values[WAIT]) : is_number(&values[WAIT], 120000)) &&
           (values[PART].given || values[PART].number == 0.5) && values[WORD].string != NULL &&
           (values[WORD].given || strcmp(values[WORD].string, "a: b") == 0) && count->given && is_whole(count) &&
           count->integer >= 3 && count->integer <= 9 && values[NAMES].given &&
           strcmp(values[NAMES].name, "names") == 0;
}

static void *open_policy(const struct larder_eviction_env *env)
{
    if (!are_right(env->params))
        return NULL;
    return calloc(1, sizeof(struct policy) + env->max_slots * sizeof(struct larder_link));
}

static void close_policy(void *state)
{
    free(state);
}

static uint32_t evict(void *state)
{
    struct policy *policy = state;
    return larder_list_pop(&policy->list, policy->links);
}

static void insert(void *state, uint32_t slot, const struct larder_object *object)
{
    struct policy *policy = state;
    (void)object;
    larder_list_push(&policy->list, policy->links, slot);
}

static void remove_slot(void *state, uint32_t slot)
{
    struct policy *policy = state;
    larder_list_remove(&policy->list, policy->links, slot);
}

LARDER_EVICTION("values", "looks at its parameters", params, .hit_max = LARDER_HITS_NONE,
                .slot_bytes = sizeof(struct larder_link), .open = open_policy, .close = close_policy, .evict = evict,
                .insert = insert, .remove = remove_slot);
