/*
 * static: the members stand in the configuration file, the same list at every node, and do not change while it runs.
 *
 *     discovery: {plugin: static, members: [{name: a, http: "10.0.0.1:8001"}, {name: b, http: "10.0.0.2:8001", weight: 2}]}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "larder/plugin/discovery.h"

/* Rows of a member, in the order of member_fields. */
enum { MEMBER_NAME, MEMBER_WEIGHT, MEMBER_ZONE, MEMBER_ADDRESSES };

static const struct larder_param member_fields[] = {
    {.name = "name",
     .type = LARDER_PARAM_STRING,
     .minimum = 1,
     .maximum = LARDER_MEMBER_NAME_MAX,
     .required = true,
     .help = "name of the member: letters, digits, '.', '_' and '-'"},
    {.name = "weight",
     .type = LARDER_PARAM_INT,
     .default_text = "1",
     .minimum = 1,
     .maximum = LARDER_WEIGHT_MAX,
     .help = "its share of the keys, relative to the others"},
    {.name = "zone",
     .type = LARDER_PARAM_STRING,
     .minimum = 1,
     .maximum = LARDER_MEMBER_NAME_MAX,
     .help = "where it stands: copies of a key lie in different zones, as far as there are so many"},
    {.name = "*", .type = LARDER_PARAM_MAP, .help = "its address on each transport, by the transport's name"},
    {.name = NULL},
};

static const struct larder_param static_params[] = {
    {.name = "members",
     .type = LARDER_PARAM_RECORDS,
     .minimum = 1,
     .maximum = 10000,
     .fields = member_fields,
     .required = true,
     .help = "all members of the cluster, this one among them"},
    {.name = NULL},
};

struct static_discovery {
    const struct larder_discovery_host *host;
    size_t count;
    struct larder_member *members; /* they and what they point at are owned */
};

static void static_close(void *state)
{
    struct static_discovery *list = state;
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        const struct larder_member *member = &list->members[i];
        for (size_t j = 0; j < member->address_count; j++) {
            free((char *)member->addresses[j].transport);
            free((char *)member->addresses[j].address);
        }
        free((struct larder_address *)member->addresses);
        free((char *)member->name);
        free((char *)member->zone);
    }
    free(list->members);
    free(list);
}

/* False when memory is short; what was copied so far is the member's, so that static_close() frees it. */
static bool copy_member(struct larder_member *member, const struct larder_param_value *fields)
{
    const struct larder_param_value *given = &fields[MEMBER_ADDRESSES];
    member->name = strdup(fields[MEMBER_NAME].string);
    member->weight = (uint32_t)fields[MEMBER_WEIGHT].integer; /* 1 to 100, as the table says */
    if (fields[MEMBER_ZONE].string != NULL && (member->zone = strdup(fields[MEMBER_ZONE].string)) == NULL)
        return false;
    if (member->name == NULL || given->count == 0)
        return member->name != NULL;
    struct larder_address *addresses = calloc(given->count, sizeof *addresses);
    if (addresses == NULL)
        return false;
    member->addresses = addresses;
    member->address_count = given->count;
    for (size_t i = 0; i < given->count; i++) {
        addresses[i].transport = strdup(given->items[i].name);
        addresses[i].address = strdup(given->items[i].string);
        if (addresses[i].transport == NULL || addresses[i].address == NULL)
            return false;
    }
    return true;
}

static struct static_discovery *copy_members(const struct larder_param_value *members)
{
    struct static_discovery *list = calloc(1, sizeof *list);
    if (list == NULL)
        return NULL;
    list->members = calloc(members->count, sizeof *list->members);
    if (list->members == NULL)
        goto list;
    list->count = members->count;
    for (size_t i = 0; i < members->count; i++)
        if (!copy_member(&list->members[i], members->items[i].items))
            goto list;
    return list;
list:
    static_close(list);
    return NULL;
}

static int compare_names(const void *left, const void *right)
{
    const struct larder_member *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static enum larder_status check_names(const struct static_discovery *list)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const struct larder_host *host = &list->host->base;
    const struct larder_member **sorted = calloc(list->count, sizeof *sorted);
    if (sorted == NULL)
        return host->fail(host, LARDER_NO_MEMORY, "out of memory");
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->members[i].name;
        sorted[i] = &list->members[i];
        if (status == LARDER_OK && name[strspn(name, allowed)] != '\0')
            status = host->fail(host, LARDER_INVALID,
                                "cluster.discovery.members[%zu].name: got \"%s\", wanted 1 to %d of [A-Za-z0-9._-]", i,
                                name, LARDER_MEMBER_NAME_MAX);
    }
    qsort(sorted, list->count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < list->count && status == LARDER_OK; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = host->fail(host, LARDER_INVALID,
                                "cluster.discovery.members: got two members \"%s\", wanted each name once",
                                sorted[i]->name);
    free(sorted);
    return status;
}

/* "a, b, c", to be freed; NULL when memory is short. */
static char *join_names(const struct static_discovery *list)
{
    char *names = NULL;
    size_t size;
    FILE *stream = open_memstream(&names, &size);
    if (stream == NULL)
        return NULL;
    for (size_t i = 0; i < list->count; i++)
        fprintf(stream, "%s%s", i == 0 ? "" : ", ", list->members[i].name);
    bool whole = ferror(stream) == 0;
    if (fclose(stream) == 0 && whole)
        return names;
    free(names);
    return NULL;
}

/* A node that is missing in its own list would own no keys, and the others would never ask it: a typing error. */
static enum larder_status check_self(const struct static_discovery *list)
{
    const struct larder_host *host = &list->host->base;
    if (list->host->self == NULL)
        return LARDER_OK; /* a gateway only looks on */
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->members[i].name, list->host->self->name) == 0)
            return LARDER_OK;
    char *names = join_names(list);
    if (names == NULL)
        return host->fail(host, LARDER_NO_MEMORY, "out of memory");
    enum larder_status status = host->fail(host, LARDER_INVALID,
                                           "node.name is \"%s\", which is no member of cluster.discovery.members: %s",
                                           list->host->self->name, names);
    free(names);
    return status;
}

static void *static_open(const struct larder_discovery_host *host, const struct larder_param_value *params)
{
    struct static_discovery *list = copy_members(&params[0]);
    if (list == NULL) {
        host->base.fail(&host->base, LARDER_NO_MEMORY, "out of memory");
        return NULL;
    }
    list->host = host;
    if (check_names(list) != LARDER_OK || check_self(list) != LARDER_OK) {
        static_close(list);
        return NULL;
    }
    return list;
}

static enum larder_status static_start(void *state)
{
    const struct static_discovery *list = state;
    return list->host->members(list->host, 1, list->members, list->count);
}

LARDER_DISCOVERY("static", "the members that stand in the configuration", static_params, .open = static_open,
                 .start = static_start, .close = static_close);
