/* Lists what a catalog can find: opens every module that a search could reach, in the order of the search. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/plugin/catalog_state.h"
#include "core/plugin/kind.h"
#include "core/plugin/trust.h"

/* One line of the list. */
struct entry {
    uint32_t kind;                   /* 0: refused before its kind was known */
    char name[LDR_NAME_MAX + 1];     /* "": refused before it had one */
    const struct ldr_module *module; /* the catalog's; NULL: refused */
    char *path, *refusal;            /* when refused */
};

struct list {
    struct ldr_catalog *catalog;
    struct entry *entries;
    size_t count;
};

static struct entry *append(struct list *list, uint32_t kind, const char *name)
{
    struct entry *entries = reallocarray(list->entries, list->count + 1, sizeof *entries);
    if (entries == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    list->entries = entries;
    struct entry *entry = &entries[list->count++];
    *entry = (struct entry){.kind = kind};
    strcpy(entry->name, name); /* a valid name, or "" */
    return entry;
}

/* Notes that `path` was refused, for the reason in larder_last_error(). Only a lack of memory is the list's own failure. */
static enum larder_status append_refused(struct list *list, uint32_t kind, const char *name, const char *path)
{
    if (larder_last_status() == LARDER_NO_MEMORY)
        return LARDER_NO_MEMORY;
    char *refusal = strdup(larder_last_error()), *copy = strdup(path);
    struct entry *entry = refusal != NULL && copy != NULL ? append(list, kind, name) : NULL;
    if (entry == NULL) {
        free(refusal);
        free(copy);
        return ldr_fail_memory();
    }
    entry->path = copy;
    entry->refusal = refusal;
    return LARDER_OK;
}

static enum larder_status append_module(struct list *list, const struct ldr_module *module)
{
    struct entry *entry = append(list, module->table->kind, module->table->name);
    if (entry == NULL)
        return LARDER_NO_MEMORY;
    entry->module = module;
    return LARDER_OK;
}

/* A search for this kind and name stops at an entry that is there already, opened or refused. */
static bool hidden(const struct list *list, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        if (entry->name[0] != '\0' && strcmp(entry->name, name) == 0 && (entry->kind == kind || entry->kind == 0))
            return true;
    }
    return false;
}

/* One file; `kind` 0: directly in a directory, where the table tells the kind. Takes what the catalog has open already. */
static enum larder_status list_file(struct list *list, const char *path, uint32_t kind)
{
    char name[LDR_NAME_MAX + 1];
    if (ldr_module_name(path, name) != LARDER_OK)
        return append_refused(list, kind, "", path);
    if (kind != 0 && hidden(list, kind, name))
        return LARDER_OK;
    struct ldr_module *module = kind != 0 ? ldr_catalog_open_file(path, kind) : ldr_module_open(path);
    if (module == NULL)
        return append_refused(list, kind, name, path);
    if (hidden(list, module->table->kind, name)) {
        ldr_module_close(module);
        return LARDER_OK;
    }
    struct ldr_module *known = ldr_catalog_known(list->catalog, module->table->kind, name);
    if (known != NULL)
        ldr_module_close(module); /* found by an earlier search; its table stays where it is */
    else if (ldr_catalog_keep(list->catalog, module) != LARDER_OK)
        return LARDER_NO_MEMORY;
    return append_module(list, known != NULL ? known : module);
}

static enum larder_status list_files(struct list *list, const char *folder, uint32_t kind)
{
    struct ldr_files files;
    enum larder_status status = ldr_search_files(folder, &files);
    for (size_t i = 0; i < files.count && status == LARDER_OK; i++) {
        char *path = ldr_search_join(folder, NULL, files.entries[i]->d_name);
        status = path != NULL ? list_file(list, path, kind) : LARDER_NO_MEMORY;
        free(path);
    }
    ldr_search_files_free(&files);
    return status;
}

static enum larder_status list_folder(struct list *list, const char *directory, uint32_t kind)
{
    bool there = false;
    char *folder = ldr_search_join(directory, NULL, larder_plugin_kind_name(kind));
    if (folder == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = ldr_trust_directory(folder, &there);
    if (status != LARDER_OK)
        status = append_refused(list, kind, "", folder);
    else if (there)
        status = list_files(list, folder, kind);
    free(folder);
    return status;
}

static enum larder_status list_directory(struct list *list, const char *directory)
{
    bool there = false;
    if (ldr_trust_directory(directory, &there) != LARDER_OK)
        return append_refused(list, 0, "", directory);
    enum larder_status status = LARDER_OK;
    for (uint32_t kind = LDR_KIND_FIRST; there && kind <= LDR_KIND_LAST && status == LARDER_OK; kind++)
        status = list_folder(list, directory, kind);
    if (there && status == LARDER_OK)
        status = list_files(list, directory, 0);
    return status;
}

static enum larder_status list_all(struct list *list)
{
    struct ldr_catalog *catalog = list->catalog;
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < catalog->count && status == LARDER_OK; i++)
        if (catalog->modules[i]->handle == NULL) /* linked in: searched before all files */
            status = append_module(list, catalog->modules[i]);
    for (size_t i = 0; i < catalog->search.count && status == LARDER_OK; i++)
        status = list_directory(list, catalog->search.directories[i]);
    return status;
}

/* By kind and name; refused ones last, by path. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if ((a->module == NULL) != (b->module == NULL))
        return a->module == NULL ? 1 : -1;
    if (a->module == NULL)
        return strcmp(a->path, b->path);
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->name, b->name);
}

enum larder_status ldr_catalog_each(struct ldr_catalog *catalog,
                                    void (*each)(void *arg, const struct larder_plugin_info *info), void *arg)
{
    struct list list = {.catalog = catalog};
    pthread_mutex_lock(&catalog->lock);
    enum larder_status status = list_all(&list);
    pthread_mutex_unlock(&catalog->lock);
    if (list.count > 0)
        qsort(list.entries, list.count, sizeof *list.entries, compare);
    for (size_t i = 0; i < list.count; i++) {
        const struct entry *entry = &list.entries[i];
        struct larder_plugin_info info = {.path = entry->path, .refusal = entry->refusal};
        if (entry->module != NULL) {
            info.head = entry->module->table;
            info.path = entry->module->path;
        }
        if (status == LARDER_OK)
            each(arg, &info);
        free(entry->path);
        free(entry->refusal);
    }
    free(list.entries);
    return status;
}
