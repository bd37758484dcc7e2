#include "core/plugin/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"

#define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)
#define NATIVE_DATA  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

static bool read_at(int fd, uint64_t offset, void *buffer, size_t size)
{
    return offset <= INT64_MAX && pread(fd, buffer, size, (off_t)offset) == (ssize_t)size;
}

/* The offset behind the part [offset, offset + size); UINT64_MAX when that overflows. */
static uint64_t end_of(uint64_t offset, uint64_t size)
{
    uint64_t end;
    return __builtin_add_overflow(offset, size, &end) ? UINT64_MAX : end;
}

/* How long the file must be for everything that its headers promise. */
static uint64_t promised(int fd, const ElfW(Ehdr) * header)
{
    uint64_t most = end_of(header->e_phoff, (uint64_t)header->e_phnum * sizeof(ElfW(Phdr)));
    uint64_t end = end_of(header->e_shoff, (uint64_t)header->e_shnum * header->e_shentsize);
    if (header->e_shoff != 0 && end > most)
        most = end;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(fd, header->e_phoff + i * sizeof segment, &segment, sizeof segment))
            break; /* behind the end of the file, which `most` tells already */
        end = end_of(segment.p_offset, segment.p_filesz);
        if (end > most)
            most = end;
    }
    return most;
}

static enum larder_status check(int fd, const char *path)
{
    struct stat found;
    ElfW(Ehdr) header;
    if (fstat(fd, &found) != 0)
        return ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted a module", path, strerror(errno));
    if (!read_at(fd, 0, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return ldr_fail(LARDER_INVALID, "%s: file: got no ELF file, wanted a shared object", path);
    if (header.e_ident[EI_CLASS] != NATIVE_CLASS || header.e_ident[EI_DATA] != NATIVE_DATA)
        return ldr_fail(LARDER_INVALID, "%s: file: got an ELF file of another machine, wanted one of this", path);
    if (header.e_type != ET_DYN || header.e_phentsize != sizeof(ElfW(Phdr)))
        return ldr_fail(LARDER_INVALID, "%s: file: got another kind of ELF file, wanted a shared object", path);
    uint64_t least = promised(fd, &header);
    if ((uint64_t)found.st_size < least)
        return ldr_fail(LARDER_INVALID, "%s: file: got %ju bytes, wanted at least %ju: it is cut off", path,
                        (uintmax_t)found.st_size, (uintmax_t)least);
    return LARDER_OK;
}

enum larder_status ldr_elf_check(const char *path, const char *resolved)
{
    int fd = open(resolved, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted a module", path, strerror(errno));
    enum larder_status status = check(fd, path);
    close(fd);
    return status;
}
