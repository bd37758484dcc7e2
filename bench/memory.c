#include "bench/memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* The number behind "NAME:" in a file of lines such as "Rss:   1234 kB". */
static uint64_t read_kib(const char *path, const char *name)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %" SCNu64, &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

uint64_t memory_resident(void)
{
    malloc_trim(0);
    return read_kib("/proc/self/smaps_rollup", "Rss");
}

uint64_t memory_peak(void)
{
    return read_kib("/proc/self/status", "VmHWM");
}

void memory_reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (file == NULL)
        return;
    fputs("5", file);
    fclose(file);
}

uint64_t memory_available(void)
{
    return read_kib("/proc/meminfo", "MemAvailable");
}
