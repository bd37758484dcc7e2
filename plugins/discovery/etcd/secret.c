/* Files with secrets, and others. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

#define SECRET_MAX 4096

/* The file, open; -1 with the reason. What is looked at is the file that was opened, not its name. */
static int open_file(const char *path, bool secret, char *reason)
{
    struct stat found = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* opening a FIFO waits for nobody */
    if (file < 0 || fstat(file, &found) != 0)
        snprintf(reason, ETCD_FILE_REASON, "cannot read \"%.160s\": %s", path, strerrordesc_np(errno));
    else if (!S_ISREG(found.st_mode))
        snprintf(reason, ETCD_FILE_REASON, "\"%.160s\" is no regular file", path);
    else if (secret && (found.st_mode & (S_IROTH | S_IWOTH)) != 0)
        snprintf(reason, ETCD_FILE_REASON,
                 "\"%.160s\" has mode %04o, wanted a file that others may not read or write (chmod o-rw)", path,
                 (unsigned)found.st_mode & 07777);
    else
        return file;
    if (file >= 0)
        close(file);
    return -1;
}

bool etcd_file_check(const char *path, bool secret, char *reason)
{
    if (path == NULL)
        return true;
    int file = open_file(path, secret, reason);
    if (file >= 0)
        close(file);
    return file >= 0;
}

/* Up to SECRET_MAX + 1 bytes; -1: failed. */
static ssize_t read_some(int file, char *bytes)
{
    size_t used = 0;
    ssize_t got = 1;
    while (used <= SECRET_MAX && got != 0) {
        got = read(file, bytes + used, SECRET_MAX + 1 - used);
        if (got < 0 && errno != EINTR)
            return -1;
        used += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)used;
}

/* False with the reason. */
static bool read_line(int file, const char *path, char *secret, char *reason)
{
    if (read_some(file, secret) < 0) {
        snprintf(reason, ETCD_FILE_REASON, "cannot read \"%.160s\": %s", path, strerrordesc_np(errno));
        return false;
    }
    size_t length = strcspn(secret, "\r\n");
    if (length == 0 || length > SECRET_MAX) {
        snprintf(reason, ETCD_FILE_REASON, "the first line of \"%.160s\" has %s, wanted 1 to %d bytes", path,
                 length == 0 ? "nothing" : "more", SECRET_MAX);
        return false;
    }
    explicit_bzero(secret + length, SECRET_MAX + 2 - length);
    return true;
}

char *etcd_secret_read(const char *path, char *reason)
{
    int file = open_file(path, true, reason);
    if (file < 0)
        return NULL;
    char *secret = calloc(1, SECRET_MAX + 2);
    if (secret == NULL) {
        snprintf(reason, ETCD_FILE_REASON, "out of memory");
    } else if (!read_line(file, path, secret, reason)) {
        etcd_secret_free(secret);
        secret = NULL;
    }
    close(file);
    return secret;
}

void etcd_secret_free(char *secret)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret, SECRET_MAX + 2);
    free(secret);
}
