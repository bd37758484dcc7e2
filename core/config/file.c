#include "core/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"

static enum larder_status fail_io(const char *path, int error)
{
    char buffer[128];
    return ldr_fail(LARDER_IO, "%s: cannot be read: %s", path, strerror_r(error, buffer, sizeof buffer));
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/* Looks at the file that was opened, not at its name: nobody can put another one there in between. */
static enum larder_status check(int fd, const char *path)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return fail_io(path, errno);
    if (!S_ISREG(found.st_mode))
        return ldr_fail(LARDER_INVALID, "%s: got %s, wanted a regular file", path, kind_of(found.st_mode));
    if ((found.st_mode & S_IWOTH) != 0)
        return ldr_fail(LARDER_INVALID, "%s: got mode %04o, wanted a file that others may not write (chmod o-w)", path,
                        (unsigned)found.st_mode & 07777);
    if (found.st_size > (off_t)LDR_FILE_MAX)
        return ldr_fail(LARDER_INVALID, "%s: got %lld bytes, wanted at most 16MiB", path, (long long)found.st_size);
    return LARDER_OK;
}

/* The file may change while it is read: what counts is what arrives, up to the limit. */
static enum larder_status read_all(int fd, const char *path, char **text, size_t *length)
{
    size_t capacity = 4096, used = 0;
    char *bytes = malloc(capacity);
    if (bytes == NULL)
        return ldr_fail_memory();
    enum larder_status status;
    for (;;) {
        ssize_t got = read(fd, bytes + used, capacity - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = fail_io(path, errno);
            goto bytes;
        }
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > LDR_FILE_MAX) {
            status = ldr_fail(LARDER_INVALID, "%s: got more than 16MiB, wanted at most 16MiB", path);
            goto bytes;
        }
        if (used < capacity)
            continue;
        char *larger = realloc(bytes, 2 * capacity);
        if (larger == NULL) {
            status = ldr_fail_memory();
            goto bytes;
        }
        bytes = larger;
        capacity *= 2;
    }
    *text = bytes;
    *length = used;
    return LARDER_OK;
bytes:
    free(bytes);
    return status;
}

enum larder_status ldr_file_read(const char *path, char **text, size_t *length)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return fail_io(path, errno);
    enum larder_status status = check(fd, path);
    if (status == LARDER_OK)
        status = read_all(fd, path, text, length);
    close(fd);
    return status;
}
