/* What is said of a module that is nowhere: where it was searched for, and which name may have been meant. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/config/units.h"
#include "core/plugin/catalog_state.h"
#include "core/plugin/kind.h"

/* Names that a search for the kind could have found; the texts are owned. */
struct names {
    const char **texts;
    size_t count;
};

static bool add_name(struct names *names, const char *text)
{
    const char **texts = reallocarray(names->texts, names->count + 1, sizeof *texts);
    if (texts == NULL)
        return false;
    names->texts = texts;
    texts[names->count] = strdup(text);
    return texts[names->count] != NULL && ++names->count > 0;
}

/* Nothing is opened for a suggestion: the files of a directory without sub-directories may be of another kind. */
static bool add_files(struct names *names, const char *folder)
{
    struct ldr_files files;
    char name[LDR_NAME_MAX + 1];
    bool ok = ldr_search_files(folder, &files) == LARDER_OK;
    for (size_t i = 0; i < files.count && ok; i++)
        if (ldr_module_name(files.entries[i]->d_name, name) == LARDER_OK)
            ok = add_name(names, name);
    ldr_search_files_free(&files);
    return ok;
}

static bool collect(const struct ldr_catalog *catalog, uint32_t kind, struct names *names)
{
    bool ok = true;
    for (size_t i = 0; i < catalog->count && ok; i++)
        if (catalog->modules[i]->table->kind == kind)
            ok = add_name(names, catalog->modules[i]->table->name);
    for (size_t i = 0; i < catalog->search.count && ok; i++) {
        const char *directory = catalog->search.directories[i];
        char *folder = ldr_search_join(directory, NULL, larder_plugin_kind_name(kind));
        ok = folder != NULL && add_files(names, folder) && add_files(names, directory);
        free(folder);
    }
    return ok;
}

static bool join_directories(const struct ldr_search *search, struct ldr_buffer *text)
{
    for (size_t i = 0; i < search->count; i++)
        ldr_buffer_printf(text, "%s%s", i == 0 ? "" : ", ", search->directories[i]);
    return !text->failed;
}

void ldr_catalog_fail_missing(const struct ldr_catalog *catalog, uint32_t kind, const char *name)
{
    struct names names = {0};
    struct ldr_buffer where = {0};
    if (!collect(catalog, kind, &names) || !join_directories(&catalog->search, &where)) {
        ldr_fail_memory();
    } else {
        const char *near = ldr_nearest(name, names.texts, (unsigned)names.count);
        ldr_fail(LARDER_INVALID, "no %s plugin \"%s\" in %s%s%s%s", larder_plugin_kind_name(kind), name, where.data,
                 near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
    }
    for (size_t i = 0; i < names.count; i++)
        free((char *)names.texts[i]);
    free(names.texts);
    ldr_buffer_free(&where);
}
