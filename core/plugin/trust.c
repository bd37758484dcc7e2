#include "core/plugin/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"

/* `path` is what the user wrote, `resolved` what it leads to; the message shows the second only when it differs. */
static enum larder_status check(const char *path, const char *resolved, const struct stat *found, bool sticky_passes)
{
    bool linked = strcmp(path, resolved) != 0;
    const char *arrow = linked ? " -> " : "", *target = linked ? resolved : "";
    if ((found->st_mode & S_IWOTH) != 0 && !(sticky_passes && (found->st_mode & S_ISVTX) != 0))
        return ldr_fail(LARDER_INVALID, "%s%s%s: mode: got %04o, wanted not writable by others", path, arrow, target,
                        (unsigned)found->st_mode & 07777u);
    if (found->st_uid != 0 && found->st_uid != geteuid())
        return ldr_fail(LARDER_INVALID, "%s%s%s: owner: got uid %u, wanted root or uid %u", path, arrow, target,
                        (unsigned)found->st_uid, (unsigned)geteuid());
    return LARDER_OK;
}

static enum larder_status resolve(const char *path, const char *wanted, char **resolved, struct stat *found)
{
    *resolved = realpath(path, NULL);
    if (*resolved != NULL && stat(*resolved, found) == 0)
        return LARDER_OK;
    int error = errno;
    free(*resolved);
    *resolved = NULL;
    if (error == ENOMEM)
        return ldr_fail_memory();
    return ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted %s", path, strerror(error), wanted);
}

enum larder_status ldr_trust_directory(const char *path, bool *there)
{
    struct stat found;
    char *resolved;
    *there = lstat(path, &found) == 0 || (errno != ENOENT && errno != ENOTDIR);
    if (!*there)
        return LARDER_OK;
    enum larder_status status = resolve(path, "a directory", &resolved, &found);
    if (status != LARDER_OK)
        return status;
    if (!S_ISDIR(found.st_mode))
        status = ldr_fail(LARDER_INVALID, "%s: type: got a file, wanted a directory", path);
    else
        status = check(path, resolved, &found, false);
    free(resolved);
    return status;
}

/* In a sticky directory others may add files, but not replace or rename this one. */
static enum larder_status check_holder(const char *resolved)
{
    struct stat found;
    char *holder = strdup(resolved);
    if (holder == NULL)
        return ldr_fail_memory();
    char *slash = strrchr(holder, '/');
    slash[slash == holder ? 1 : 0] = '\0';
    enum larder_status status;
    if (stat(holder, &found) != 0)
        status = ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted a directory", holder, strerror(errno));
    else
        status = check(holder, holder, &found, true);
    free(holder);
    return status;
}

enum larder_status ldr_trust_file(const char *path, char **resolved)
{
    struct stat found;
    enum larder_status status = resolve(path, "a module", resolved, &found);
    if (status != LARDER_OK)
        return status;
    if (!S_ISREG(found.st_mode))
        status = ldr_fail(LARDER_INVALID, "%s: type: got no regular file, wanted a module", path);
    else
        status = check(path, *resolved, &found, false);
    if (status == LARDER_OK)
        status = check_holder(*resolved);
    if (status != LARDER_OK) {
        free(*resolved);
        *resolved = NULL;
    }
    return status;
}
