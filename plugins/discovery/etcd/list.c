#include "list.h"

#include <stdlib.h>
#include <string.h>

#include "member.h"

#define SHOWN          80 /* bytes of a key that are logged */
#define GENERATION_BIT 40 /* etcd's revisions lie below: at 10,000 writes a second for three years */

/* ------------------------------------------------------------------------------------------------ entries */

static void free_entry(struct etcd_entry *entry)
{
    free((struct larder_address *)entry->member.addresses);
    json_decref(entry->document);
    free(entry->name);
}

/* False: out of memory. A value that is no registration is logged. Takes the key's bytes. */
static bool read_entry(struct etcd_entry *entry, const struct etcd_list *list, struct etcd_kv *kv)
{
    char reason[ETCD_REASON];
    size_t prefix = strlen(list->prefix);
    *entry = (struct etcd_entry){.size = kv->key_size - prefix, .created = kv->created, .modified = kv->modified};
    entry->name = kv->key;
    kv->key = NULL;
    memmove(entry->name, entry->name + prefix, entry->size + 1);
    entry->member.name = entry->name;
    if (!etcd_member_name(entry->name, entry->size))
        entry->member.name = ""; /* NULs would hide what is behind them */
    entry->document = etcd_member_decode(&entry->member, kv->value, kv->value_size, reason);
    if (entry->document != NULL)
        return true;
    entry->member = (struct larder_member){0};
    if (reason[0] == '\0') {
        free_entry(entry);
        return false;
    }
    list->host->log(list->host, LARDER_LOG_WARN, "etcd: %s%.*s is passed over, it is no registration: %s", list->prefix,
                    (int)(entry->size < SHOWN ? entry->size : SHOWN), entry->name, reason);
    return true;
}

/* Like memcmp, the shorter one first. */
static int compare(const struct etcd_entry *entry, const char *name, size_t size)
{
    int order = memcmp(entry->name, name, entry->size < size ? entry->size : size);
    return order != 0 ? order : (entry->size > size) - (entry->size < size);
}

/* Where the entry of that name stands, or would. */
static size_t place_of(const struct etcd_list *list, const char *name, size_t size, bool *there)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&list->entries[middle], name, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < list->count && compare(&list->entries[low], name, size) == 0;
    return low;
}

static bool grow(struct etcd_list *list)
{
    if (list->count < list->capacity)
        return true;
    size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
    struct etcd_entry *entries = realloc(list->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    list->entries = entries;
    list->capacity = capacity;
    return true;
}

/* Takes the entry. False: out of memory, and the entry is gone. *members: who is a member has changed. */
static bool put(struct etcd_list *list, struct etcd_entry *entry, bool *members)
{
    bool there;
    size_t at = place_of(list, entry->name, entry->size, &there);
    *members = entry->document != NULL || (there && list->entries[at].document != NULL);
    if (there) {
        free_entry(&list->entries[at]);
    } else if (grow(list)) {
        memmove(&list->entries[at + 1], &list->entries[at], (list->count - at) * sizeof *entry);
        list->count++;
    } else {
        free_entry(entry);
        return false;
    }
    list->entries[at] = *entry;
    return true;
}

/* *members as above; so does a member that was not on the list: it came and went while nobody looked. */
static void delete (struct etcd_list *list, const char *name, size_t size, bool *members)
{
    bool there;
    size_t at = place_of(list, name, size, &there);
    *members = !there || list->entries[at].document != NULL;
    if (!there)
        return;
    free_entry(&list->entries[at]);
    list->count--;
    memmove(&list->entries[at], &list->entries[at + 1], (list->count - at) * sizeof list->entries[0]);
}

void etcd_list_free(struct etcd_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_entry(&list->entries[i]);
    free(list->entries);
    *list = (struct etcd_list){.host = list->host, .prefix = list->prefix};
}

/* ------------------------------------------------------------------------------------------------ whole lists */

static bool has_prefix(const struct etcd_list *list, const struct etcd_kv *kv)
{
    size_t prefix = strlen(list->prefix);
    return kv->key_size >= prefix && memcmp(kv->key, list->prefix, prefix) == 0;
}

static bool read_put(struct etcd_list *list, struct etcd_kv *kv, bool *members)
{
    struct etcd_entry entry;
    return read_entry(&entry, list, kv) && put(list, &entry, members);
}

static bool read_all(struct etcd_list *list, const json_t *kvs)
{
    size_t i;
    const json_t *object;
    json_array_foreach(kvs, i, object)
    {
        struct etcd_kv kv;
        bool members;
        if (!etcd_kv_read(&kv, object))
            return false;
        bool read = has_prefix(list, &kv) && read_put(list, &kv, &members);
        etcd_kv_free(&kv);
        if (!read)
            return false;
    }
    return true;
}

static bool same_entries(const struct etcd_list *a, const struct etcd_list *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (a->entries[i].modified != b->entries[i].modified ||
            compare(&a->entries[i], b->entries[i].name, b->entries[i].size) != 0)
            return false;
    return a->count == b->count;
}

/* The greatest revision of an entry; of those that are members, or of all. */
static uint64_t greatest(const struct etcd_list *list, bool members)
{
    uint64_t revision = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].modified > revision && (!members || list->entries[i].document != NULL))
            revision = list->entries[i].modified;
    return revision;
}

bool etcd_list_take(struct etcd_list *list, const json_t *kvs, uint64_t revision, uint64_t generation, bool exact)
{
    struct etcd_list fresh = {.host = list->host, .prefix = list->prefix};
    if (!read_all(&fresh, kvs)) {
        etcd_list_free(&fresh);
        return false;
    }
    fresh.known = true;
    fresh.generation = generation;
    fresh.revision = fresh.epoch = revision;
    bool same = list->known && generation == list->generation && same_entries(list, &fresh);
    fresh.changed = list->changed || !same || exact;
    if (same && !exact) {
        fresh.epoch = list->epoch;
    } else if (!list->known && !exact) {
        fresh.epoch = greatest(&fresh, true); /* unless somebody went after that */
    }
    /* Else some changes were missed. At this revision the list is what it is, although it last changed a little earlier. */
    etcd_list_free(list);
    *list = fresh;
    return true;
}

/* ------------------------------------------------------------------------------------------------ changes */

void etcd_list_skip(struct etcd_list *list, uint64_t revision)
{
    if (revision > list->revision)
        list->revision = revision;
}

/* One event; `since`: the entries are as they were at this revision. */
static bool apply(struct etcd_list *list, const json_t *event, uint64_t since)
{
    struct etcd_kv kv;
    bool members = false, applied = false;
    const char *type = json_string_value(json_object_get(event, "type"));
    if (!etcd_kv_read(&kv, json_object_get(event, "kv")))
        return false;
    uint64_t revision = kv.modified;
    if (has_prefix(list, &kv)) {
        size_t prefix = strlen(list->prefix);
        applied = true;
        if (revision <= since)
            ; /* the entries know */
        else if (type != NULL && strcmp(type, "DELETE") == 0)
            delete (list, kv.key + prefix, kv.key_size - prefix, &members);
        else
            applied = read_put(list, &kv, &members);
    }
    etcd_kv_free(&kv);
    if (members && revision > list->epoch) {
        list->epoch = revision;
        list->changed = true;
    }
    etcd_list_skip(list, revision);
    return applied;
}

bool etcd_list_apply(struct etcd_list *list, const json_t *events)
{
    uint64_t since = list->revision; /* events of one revision come in one answer */
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event)
    {
        if (!apply(list, event, since))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ questions */

bool etcd_list_agrees(const struct etcd_list *list, uint64_t count, uint64_t modified)
{
    return count == list->count && modified == greatest(list, false);
}

const struct etcd_entry *etcd_list_find(const struct etcd_list *list, const char *name)
{
    bool there;
    size_t at = place_of(list, name, strlen(name), &there);
    return there ? &list->entries[at] : NULL;
}

/* A revision as the host is told it: greater than all of earlier generations. */
static uint64_t in_generation(const struct etcd_list *list, uint64_t revision)
{
    return list->generation << GENERATION_BIT | revision;
}

struct larder_member *etcd_list_members(const struct etcd_list *list, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < list->count; i++)
        *count += list->entries[i].document != NULL;
    struct larder_member *members = *count > 0 ? calloc(*count, sizeof *members) : NULL;
    for (size_t i = 0, at = 0; i < list->count && members != NULL; i++) {
        if (list->entries[i].document == NULL)
            continue;
        members[at] = list->entries[i].member;
        members[at++].incarnation = in_generation(list, list->entries[i].created);
    }
    return members;
}

uint64_t etcd_list_epoch(const struct etcd_list *list)
{
    return in_generation(list, list->epoch);
}
