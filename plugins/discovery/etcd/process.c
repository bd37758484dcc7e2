#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first line of a small file. False: it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

/* Field 22 of /proc/self/stat: the fields are counted behind the name, which may have anything in it. */
static int64_t start_time(void)
{
    char line[1024];
    if (!read_line("/proc/self/stat", line, sizeof line))
        return 0;
    char *at = strrchr(line, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoll(at + 1, NULL, 10) : 0;
}

void etcd_process_self(struct etcd_process *process)
{
    *process = (struct etcd_process){.id = getpid(), .started = start_time()};
    ssize_t length = readlink("/proc/self/ns/pid", process->space, sizeof process->space - 1);
    if (length <= 0 || process->started == 0 ||
        !read_line("/proc/sys/kernel/random/boot_id", process->machine, sizeof process->machine))
        *process = (struct etcd_process){0};
}

json_t *etcd_process_encode(const struct etcd_process *process)
{
    return json_pack("{s:s, s:s, s:I, s:I}", "machine", process->machine, "namespace", process->space, "id",
                     (json_int_t)process->id, "started", (json_int_t)process->started);
}

static bool same(const json_t *process, const char *name, const char *own)
{
    const char *text = json_string_value(json_object_get(process, name));
    return text != NULL && *own != '\0' && strcmp(text, own) == 0;
}

bool etcd_process_dead(const struct etcd_process *self, const json_t *process)
{
    if (!same(process, "machine", self->machine) || !same(process, "namespace", self->space))
        return false;
    int64_t id = json_integer_value(json_object_get(process, "id"));
    int64_t started = json_integer_value(json_object_get(process, "started"));
    if (id <= 0 || id > INT32_MAX || started <= 0)
        return false;
    if (id == self->id)
        return started != self->started; /* the number is this process's now */
    return kill((pid_t)id, 0) != 0 && errno == ESRCH;
}
