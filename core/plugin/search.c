#include "core/plugin/search.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fail.h"
#include "core/plugin/module.h"

static enum larder_status add(struct ldr_search *search, const char *directory, size_t length)
{
    char **directories = reallocarray(search->directories, search->count + 1, sizeof *directories);
    if (directories == NULL)
        return ldr_fail_memory();
    search->directories = directories;
    directories[search->count] = strndup(directory, length);
    if (directories[search->count] == NULL)
        return ldr_fail_memory();
    search->count++;
    return LARDER_OK;
}

static enum larder_status add_environment(struct ldr_search *search)
{
    const char *path = secure_getenv("LARDER_PLUGIN_PATH");
    enum larder_status status = LARDER_OK;
    while (path != NULL && status == LARDER_OK) {
        size_t length = strcspn(path, ":");
        if (length > 0)
            status = add(search, path, length);
        path = path[length] == ':' ? path + length + 1 : NULL;
    }
    return status;
}

/* As realpath(), but what cannot be resolved for other reasons than memory is NULL and no failure. */
static enum larder_status resolve(const char *path, char **resolved)
{
    *resolved = realpath(path, NULL);
    return *resolved == NULL && errno == ENOMEM ? ldr_fail_memory() : LARDER_OK;
}

/* The directory of the shared object or program that this code is in, without links; NULL when it cannot be told. */
static enum larder_status find_own(char **directory)
{
    static const char anchor = 0;
    Dl_info info;
    struct link_map *map = NULL;
    *directory = NULL;
    if (dladdr1(&anchor, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL)
        return LARDER_OK;
    /* The program itself has no name there, and what dladdr says instead is argv[0]. */
    enum larder_status status = resolve(map->l_name[0] != '\0' ? map->l_name : "/proc/self/exe", directory);
    if (*directory != NULL)
        *strrchr(*directory, '/') = '\0';
    return status;
}

/* DIRECTORY/SUB without links when that is a directory; else *found is NULL. */
static enum larder_status find_beside(const char *directory, const char *sub, char **found)
{
    struct stat stats;
    *found = NULL;
    char *candidate = ldr_search_join(directory, NULL, sub);
    if (candidate == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    if (stat(candidate, &stats) == 0 && S_ISDIR(stats.st_mode))
        status = resolve(candidate, found);
    free(candidate);
    return status;
}

/* Beside an installed library, beside the one of a build tree, or else where this build would install. */
static enum larder_status add_default(struct ldr_search *search)
{
    char *own, *found = NULL;
    enum larder_status status = find_own(&own);
    if (own != NULL)
        status = find_beside(own, "larder/plugins", &found);
    if (own != NULL && found == NULL && status == LARDER_OK)
        status = find_beside(own, "../plugins", &found);
    const char *directory = found != NULL ? found : LARDER_PLUGIN_DIRECTORY;
    if (status == LARDER_OK)
        status = add(search, directory, strlen(directory));
    free(found);
    free(own);
    return status;
}

enum larder_status ldr_search_open(struct ldr_search *search, const char *const *paths, size_t path_count)
{
    *search = (struct ldr_search){0};
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < path_count && status == LARDER_OK; i++)
        status = add(search, paths[i], strlen(paths[i]));
    if (status == LARDER_OK)
        status = add_environment(search);
    if (status == LARDER_OK)
        status = add_default(search);
    if (status != LARDER_OK)
        ldr_search_close(search);
    return status;
}

void ldr_search_close(struct ldr_search *search)
{
    for (size_t i = 0; i < search->count; i++)
        free(search->directories[i]);
    free(search->directories);
    *search = (struct ldr_search){0};
}

char *ldr_search_join(const char *directory, const char *sub, const char *name)
{
    char *path;
    int length = sub != NULL ? asprintf(&path, "%s/%s/%s", directory, sub, name)
                             : asprintf(&path, "%s/%s", directory, name);
    if (length >= 0)
        return path;
    ldr_fail_memory();
    return NULL;
}

static int is_module(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(LDR_MODULE_SUFFIX);
    return length > suffix && strcmp(entry->d_name + length - suffix, LDR_MODULE_SUFFIX) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

enum larder_status ldr_search_files(const char *directory, struct ldr_files *files)
{
    *files = (struct ldr_files){0};
    int count = scandir(directory, &files->entries, is_module, by_name);
    if (count < 0 && errno == ENOMEM)
        return ldr_fail_memory();
    if (count < 0)
        files->entries = NULL;
    else
        files->count = (size_t)count;
    return LARDER_OK;
}

void ldr_search_files_free(struct ldr_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->entries[i]);
    free(files->entries);
    *files = (struct ldr_files){0};
}
