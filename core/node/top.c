/* The keys that a node is asked for most, as a document. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/hot.h"
#include "core/node/json.h"
#include "core/node/top.h"

/* The keys of this node on their way into a document. */
struct listing {
    struct larder_node *node;
    struct larder_slice wanted; /* group; empty: all */
    uint64_t group;             /* the number of that one */
    struct ldr_hot_item *items; /* in the order of their groups */
    size_t count;
    json_t *keys; /* an array; NULL: out of memory */
};

/* Of a longer key than is kept, the end may lie within a character. */
static struct larder_slice shown_key(const struct ldr_hot_item *item)
{
    size_t size = item->kept;
    for (unsigned cut = 0; cut < 4 && item->kept < item->key_size; cut++) {
        json_t *text = json_stringn((const char *)item->key, item->kept - cut);
        json_decref(text);
        if (text != NULL)
            return ldr_slice(item->key, item->kept - cut);
    }
    return ldr_slice(item->key, size);
}

static json_t *key_to_json(const struct larder_node *node, const char *group, const struct ldr_hot_item *item)
{
    char owner[LARDER_MEMBER_NAME_MAX + 1] = "", digest[17];
    struct larder_slice key = ldr_slice(item->key, item->kept);
    if (node->context.cluster != NULL && item->kept == item->key_size)
        ldr_cluster_owner(node->context.cluster, ldr_slice_text(group), key, owner);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)item->digest);
    json_t *json = json_pack("{s:s, s:I, s:f, s:s, s:s}", "group", group, "key_size", (json_int_t)item->key_size,
                             "rate", item->rate, "owner", owner, "digest", digest);
    return ldr_json_set_bytes(json, "key", shown_key(item));
}

static void find_wanted(void *arg, struct ldr_group *group)
{
    struct listing *listing = arg;
    if (ldr_slice_equal(ldr_slice_text(group->name), listing->wanted))
        listing->group = group->id;
}

static int by_group(const void *a, const void *b)
{
    uint64_t first = ((const struct ldr_hot_item *)a)->group, second = ((const struct ldr_hot_item *)b)->group;
    return (first > second) - (first < second);
}

/* Groups are known by their numbers; those that are gone are left out. */
static void add_keys_of(void *arg, struct ldr_group *group)
{
    struct listing *listing = arg;
    size_t low = 0, high = listing->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (listing->items[middle].group < group->id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < listing->count && listing->items[low].group == group->id; low++)
        listing->keys = ldr_json_append(listing->keys, key_to_json(listing->node, group->name, &listing->items[low]));
}

json_t *ldr_top_keys(struct larder_node *node, struct larder_slice group, size_t count)
{
    struct listing listing = {.node = node, .wanted = group, .keys = json_array()};
    if (group.size != 0)
        ldr_registry_each(node->registry, find_wanted, &listing);
    if (group.size != 0 && listing.group == 0) {
        json_decref(listing.keys);
        ldr_fail(LARDER_NO_GROUP, "no group %.*s", (int)group.size, (const char *)group.data);
        return NULL;
    }
    if (node->context.hot == NULL)
        return listing.keys;
    listing.items = calloc(count, sizeof *listing.items);
    if (listing.items != NULL) {
        listing.count = ldr_hot_read(node->context.hot, listing.group, listing.items, count);
        qsort(listing.items, listing.count, sizeof *listing.items, by_group);
        ldr_registry_each(node->registry, add_keys_of, &listing);
    }
    if (listing.items == NULL || listing.keys == NULL) {
        json_decref(listing.keys);
        listing.keys = NULL;
        ldr_fail_memory();
    }
    free(listing.items);
    return listing.keys;
}
