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

/* The directory of the shared object or program that this code is in, without links; NULL when it cannot be told. */
static char *own_directory(void)
{
    static const char anchor = 0;
    Dl_info info;
    struct link_map *map = NULL;
    if (dladdr1(&anchor, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL)
        return NULL;
    /* The program itself has no name there, and what dladdr says instead is argv[0]. */
    char *path = realpath(map->l_name[0] != '\0' ? map->l_name : "/proc/self/exe", NULL);
    if (path != NULL)
        *strrchr(path, '/') = '\0';
    return path;
}

static bool is_directory(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Beside an installed library, beside the one of a build tree, or else where this build would install. */
static enum larder_status add_default(struct ldr_search *search)
{
    static const char *const beside[] = {"larder/plugins", "../plugins"};
    enum larder_status status = LARDER_OK;
    char *own = own_directory();
    char *found = NULL;
    for (size_t i = 0; own != NULL && found == NULL && i < sizeof beside / sizeof *beside; i++) {
        char *candidate = ldr_search_join(own, NULL, beside[i]);
        if (candidate != NULL && is_directory(candidate))
            found = realpath(candidate, NULL);
        free(candidate);
    }
    const char *directory = found != NULL ? found : LARDER_PLUGIN_DIRECTORY;
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
