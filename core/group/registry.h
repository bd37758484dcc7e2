/* The groups of a node by name. Readers take no lock; see epoch.h. */
#ifndef LDR_GROUP_REGISTRY_H
#define LDR_GROUP_REGISTRY_H

#include "core/group/group.h"

struct ldr_registry;

struct ldr_registry *ldr_registry_open(void);           /* NULL when out of memory */
void ldr_registry_close(struct ldr_registry *registry); /* releases all groups; no reader may be left; NULL is fine */

/* Inside an epoch section only: the group is valid until its end, unless a reference is taken. NULL: no such group. */
struct ldr_group *ldr_registry_find(struct ldr_registry *registry, struct larder_slice name);

/* Where a group was found last, and which one it was; zeroed: nowhere yet. For looking up one name, by any threads. */
struct ldr_group_place {
    _Atomic size_t index;
    _Atomic uint64_t id;
};

/* The same, without comparing names as long as the group stands where it stood. */
struct ldr_group *ldr_registry_find_again(struct ldr_registry *registry, struct larder_slice name,
                                          struct ldr_group_place *place);

/* Calls `each` for every group in the order of names, inside an epoch section of its own. */
void ldr_registry_each(struct ldr_registry *registry, void (*each)(void *arg, struct ldr_group *group), void *arg);

/* Takes the caller's reference. LARDER_EXISTS, LARDER_NO_MEMORY: it does not. One writer at a time. */
enum larder_status ldr_registry_add(struct ldr_registry *registry, struct ldr_group *group);

/*
 * Unlinks the group; the registry's reference goes when no reader can see it any more. LARDER_NO_GROUP, LARDER_NO_MEMORY.
 * One writer at a time.
 */
enum larder_status ldr_registry_remove(struct ldr_registry *registry, struct ldr_group *group);

#endif
