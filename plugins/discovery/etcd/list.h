/* The members as etcd has them at one revision. */
#ifndef DISCOVERY_ETCD_LIST_H
#define DISCOVERY_ETCD_LIST_H

#include "codec.h"
#include "larder/plugin/discovery.h"

/* A key under PREFIX/members/. What is no registration is kept, too, as etcd counts it. */
struct etcd_entry {
    char *name; /* the rest of the key; owned */
    size_t size;
    uint64_t created, modified;
    json_t *document;            /* the value; NULL: it is no registration */
    struct larder_member member; /* points into all of these; its addresses are owned */
};

/* Zeroed but for the first two: not known. */
struct etcd_list {
    const struct larder_host *host; /* for the log */
    const char *prefix;             /* "PREFIX/members/" */
    bool known;
    bool changed;               /* the host has not been told */
    struct etcd_entry *entries; /* by name */
    size_t count, capacity;
    uint64_t revision; /* of etcd: the entries are as they were then; a watch goes on from the next one */
    /*
     * The revision at which the members last changed. Lists of one epoch have the same members at every node, as long as
     * etcd's history is one: see `generation`.
     */
    uint64_t epoch;
    /* How often etcd's history went back (its data were lost, or restored): what comes later is greater all the same. */
    uint64_t generation;
};

void etcd_list_free(struct etcd_list *list); /* leaves it not known; zeroed is fine */

/*
 * Takes over what etcd has at `revision`, as "kvs" of a range; NULL: nothing. `exact`: the members changed at this very revision. False: it
 * makes no sense, or memory is short; the list is as it was.
 */
bool etcd_list_take(struct etcd_list *list, const json_t *kvs, uint64_t revision, uint64_t generation, bool exact);

/* Applies the events of one answer to a watch. False: as above, but some were applied. */
bool etcd_list_apply(struct etcd_list *list, const json_t *events);

/* Nothing has changed up to this revision. */
void etcd_list_skip(struct etcd_list *list, uint64_t revision);

/* Whether etcd, with `count` keys of which the one with the greatest revision has `modified`, has what the list says. */
bool etcd_list_agrees(const struct etcd_list *list, uint64_t count, uint64_t modified);

/* NULL: none of that name. */
const struct etcd_entry *etcd_list_find(const struct etcd_list *list, const char *name);

/* What host->members() wants, to be freed; it points into the list. NULL with *count > 0: out of memory. */
struct larder_member *etcd_list_members(const struct etcd_list *list, size_t *count);

/* The epoch as the host is told it. */
uint64_t etcd_list_epoch(const struct etcd_list *list);

#endif
