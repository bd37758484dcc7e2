#include "core/group/registry.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"

/* Sorted by name; never changed once published. */
struct directory {
    struct ldr_retired retired;
    size_t count;
    struct ldr_group *groups[];
};

struct ldr_registry {
    _Atomic(struct directory *) directory;
    uint64_t added; /* groups so far; the writer's */
};

static struct directory *new_directory(size_t count)
{
    size_t bytes;
    if (!ldr_multiply(count, sizeof(struct ldr_group *), &bytes) || !ldr_add(bytes, sizeof(struct directory), &bytes))
        return NULL;
    struct directory *directory = calloc(1, bytes);
    if (directory != NULL)
        directory->count = count;
    return directory;
}

struct ldr_registry *ldr_registry_open(void)
{
    struct ldr_registry *registry = malloc(sizeof *registry);
    struct directory *directory = new_directory(0);
    if (registry == NULL || directory == NULL) {
        free(registry);
        free(directory);
        ldr_fail_memory();
        return NULL;
    }
    atomic_init(&registry->directory, directory);
    registry->added = 0;
    return registry;
}

void ldr_registry_close(struct ldr_registry *registry)
{
    if (registry == NULL)
        return;
    struct directory *directory = atomic_load(&registry->directory);
    for (size_t i = 0; i < directory->count; i++)
        ldr_group_release(directory->groups[i]);
    free(directory);
    free(registry);
}

static int compare(struct larder_slice name, const struct ldr_group *group)
{
    size_t size = strlen(group->name);
    int order = memcmp(name.data, group->name, name.size < size ? name.size : size);
    return order != 0 ? order : (name.size > size) - (name.size < size);
}

/* The place of the name, or the one where it would stand. */
static size_t place_of(const struct directory *directory, struct larder_slice name, bool *found)
{
    size_t low = 0, high = directory->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, directory->groups[middle]);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct ldr_group *ldr_registry_find(struct ldr_registry *registry, struct larder_slice name)
{
    /* Acquire: pairs with the release of publish(), so that the directory and its groups are seen whole. */
    const struct directory *directory = atomic_load_explicit(&registry->directory, memory_order_acquire);
    bool found;
    size_t place = place_of(directory, name, &found);
    return found ? directory->groups[place] : NULL;
}

/* Relaxed: whatever pair of index and number is read, the number is one that a group of this name had, and no other has. */
struct ldr_group *ldr_registry_find_again(struct ldr_registry *registry, struct larder_slice name,
                                          struct ldr_group_place *place)
{
    const struct directory *directory = atomic_load_explicit(&registry->directory, memory_order_acquire);
    size_t index = atomic_load_explicit(&place->index, memory_order_relaxed);
    if (index < directory->count &&
        directory->groups[index]->id == atomic_load_explicit(&place->id, memory_order_relaxed))
        return directory->groups[index];
    bool found;
    index = place_of(directory, name, &found);
    if (!found)
        return NULL;
    atomic_store_explicit(&place->index, index, memory_order_relaxed);
    atomic_store_explicit(&place->id, directory->groups[index]->id, memory_order_relaxed);
    return directory->groups[index];
}

void ldr_registry_each(struct ldr_registry *registry, void (*each)(void *arg, struct ldr_group *group), void *arg)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct directory *directory = atomic_load_explicit(&registry->directory, memory_order_acquire);
    for (size_t i = 0; i < directory->count; i++)
        each(arg, directory->groups[i]);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

static void free_directory(struct ldr_retired *retired)
{
    free((char *)retired - offsetof(struct directory, retired));
}

static void publish(struct ldr_registry *registry, struct directory *directory)
{
    struct directory *old = atomic_exchange_explicit(&registry->directory, directory, memory_order_acq_rel);
    ldr_epoch_retire(&old->retired, free_directory);
}

enum larder_status ldr_registry_add(struct ldr_registry *registry, struct ldr_group *group)
{
    const struct directory *old = atomic_load(&registry->directory);
    bool found;
    size_t place = place_of(old, ldr_slice_text(group->name), &found);
    if (found)
        return ldr_fail(LARDER_EXISTS, "group %s exists already", group->name);
    struct directory *directory = new_directory(old->count + 1);
    if (directory == NULL)
        return ldr_fail_memory();
    group->id = ++registry->added;
    for (size_t i = 0; i < directory->count; i++)
        directory->groups[i] = i < place ? old->groups[i] : i == place ? group : old->groups[i - 1];
    publish(registry, directory);
    return LARDER_OK;
}

static void release_group(struct ldr_retired *retired)
{
    ldr_group_release((struct ldr_group *)((char *)retired - offsetof(struct ldr_group, retired)));
}

enum larder_status ldr_registry_remove(struct ldr_registry *registry, struct ldr_group *group)
{
    const struct directory *old = atomic_load(&registry->directory);
    bool found;
    size_t place = place_of(old, ldr_slice_text(group->name), &found);
    if (!found || old->groups[place] != group)
        return ldr_fail(LARDER_NO_GROUP, "no group %s", group->name);
    struct directory *directory = new_directory(old->count - 1);
    if (directory == NULL)
        return ldr_fail_memory();
    for (size_t i = 0; i < directory->count; i++)
        directory->groups[i] = old->groups[i < place ? i : i + 1];
    publish(registry, directory);
    ldr_epoch_retire(&group->retired, release_group);
    return LARDER_OK;
}
