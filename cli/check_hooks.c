/*
 * Puts functions of ours into the places where a loaded module finds malloc and its kin. Its dynamic section says where
 * these are: one relocation for each use of a name that it imports, in the tables of functions (DT_JMPREL) and of data
 * (DT_RELA). The core opens modules with all names bound, so what is written there stays.
 *
 * This file is compiled so that exceptions pass through it: operator new, when it fails, has to throw.
 */
#include "check_hooks.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_board.h"
#include "check_memory.h"

#define ALIGNMENT _Alignof(max_align_t)

/* ------------------------------------------------------------------------------------------------ of the C library */

static void *hook_malloc(size_t size)
{
    return check_allocate(size, ALIGNMENT, false);
}

static void *hook_reallocarray(void *old, size_t count, size_t size)
{
    size_t whole, had;
    if (__builtin_mul_overflow(count, size, &whole))
        whole = SIZE_MAX;
    if (old != NULL && !check_allocated(old, &had))
        return realloc(old, whole);
    void *place = check_allocate(whole, ALIGNMENT, false);
    if (place != NULL && old != NULL) {
        memcpy(place, old, had < whole ? had : whole);
        check_free(old);
    }
    return place;
}

static void *hook_realloc(void *old, size_t size)
{
    return hook_reallocarray(old, 1, size);
}

static void *hook_calloc(size_t count, size_t size)
{
    size_t whole;
    return check_allocate(__builtin_mul_overflow(count, size, &whole) ? SIZE_MAX : whole, ALIGNMENT, true);
}

static void *hook_aligned_alloc(size_t alignment, size_t size)
{
    return check_allocate(size, alignment, false);
}

static int hook_posix_memalign(void **place, size_t alignment, size_t size)
{
    void *got = check_allocate(size, alignment, false);
    if (got == NULL)
        return ENOMEM;
    *place = got;
    return 0;
}

static char *hook_strndup(const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    char *copy = check_allocate(length + 1, 1, true);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

static char *hook_strdup(const char *text)
{
    return hook_strndup(text, strlen(text));
}

/* ------------------------------------------------------------------------------------------------ of C++ */

static void (*throw_bad_alloc)(void); /* of the C++ library that the module is linked with */

static void *or_throw(void *place)
{
    if (place == NULL && throw_bad_alloc != NULL)
        throw_bad_alloc();
    return place;
}

static void *hook_new(size_t size)
{
    return or_throw(check_allocate(size, ALIGNMENT, false));
}

static void *hook_new_aligned(size_t size, size_t alignment)
{
    return or_throw(check_allocate(size, alignment, false));
}

static void *hook_new_nothrow(size_t size, const void *nothrow)
{
    (void)nothrow;
    return check_allocate(size, ALIGNMENT, false);
}

/* Sizes and alignments that C++ hands on besides lie in registers that nobody reads. */
static void hook_delete(void *place, size_t size, size_t alignment)
{
    (void)size, (void)alignment;
    check_free(place);
}

/* ------------------------------------------------------------------------------------------------ relocations */

typedef void (*function)(void);

static const struct {
    const char *name;
    function hook;
} hooks[] = {
    {"malloc", (function)hook_malloc},
    {"calloc", (function)hook_calloc},
    {"realloc", (function)hook_realloc},
    {"reallocarray", (function)hook_reallocarray},
    {"aligned_alloc", (function)hook_aligned_alloc},
    {"memalign", (function)hook_aligned_alloc},
    {"posix_memalign", (function)hook_posix_memalign},
    {"strdup", (function)hook_strdup},
    {"strndup", (function)hook_strndup},
    {"free", (function)check_free},
    {"_Znwm", (function)hook_new},
    {"_Znam", (function)hook_new},
    {"_ZnwmSt11align_val_t", (function)hook_new_aligned},
    {"_ZnamSt11align_val_t", (function)hook_new_aligned},
    {"_ZnwmRKSt9nothrow_t", (function)hook_new_nothrow},
    {"_ZnamRKSt9nothrow_t", (function)hook_new_nothrow},
    {"_ZdlPv", (function)hook_delete},
    {"_ZdaPv", (function)hook_delete},
    {"_ZdlPvm", (function)hook_delete},
    {"_ZdaPvm", (function)hook_delete},
    {"_ZdlPvSt11align_val_t", (function)hook_delete},
    {"_ZdaPvSt11align_val_t", (function)hook_delete},
    {"_ZdlPvmSt11align_val_t", (function)hook_delete},
    {"_ZdaPvmSt11align_val_t", (function)hook_delete},
    {"_ZdlPvRKSt9nothrow_t", (function)hook_delete},
    {"_ZdaPvRKSt9nothrow_t", (function)hook_delete},
};

static function hook_of(const char *name)
{
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        if (strcmp(hooks[i].name, name) == 0)
            return hooks[i].hook;
    return NULL;
}

/* A module's dynamic section, as far as it is used here. */
struct dynamic {
    const char *names;
    const ElfW(Sym) * symbols;
    const ElfW(Rela) * tables[2];
    size_t sizes[2]; /* in bytes */
};

/* Most C libraries have added the module's address to what its dynamic section says, a few leave it as in the file. */
static const void *address(const struct link_map *map, ElfW(Addr) value)
{
    return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

static struct dynamic read_dynamic(const struct link_map *map)
{
    struct dynamic dynamic = {0};
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        switch (entry->d_tag) {
        case DT_STRTAB: dynamic.names = address(map, entry->d_un.d_ptr); break;
        case DT_SYMTAB: dynamic.symbols = address(map, entry->d_un.d_ptr); break;
        case DT_JMPREL: dynamic.tables[0] = address(map, entry->d_un.d_ptr); break;
        case DT_PLTRELSZ: dynamic.sizes[0] = entry->d_un.d_val; break;
        case DT_RELA: dynamic.tables[1] = address(map, entry->d_un.d_ptr); break;
        case DT_RELASZ: dynamic.sizes[1] = entry->d_un.d_val; break;
        default: break;
        }
    return dynamic;
}

/* The place may lie in pages that the loader has made read-only after it was done. */
static void write_place(ElfW(Addr) place, function hook)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = place / page * page;
    if (mprotect((void *)start, place + sizeof hook - start, PROT_READ | PROT_WRITE) == 0)
        memcpy((void *)place, &hook, sizeof hook);
}

static void put_hooks(const struct link_map *map)
{
    struct dynamic dynamic = read_dynamic(map);
    for (size_t table = 0; table < 2; table++)
        for (size_t i = 0; i < dynamic.sizes[table] / sizeof(ElfW(Rela)); i++) {
            const ElfW(Rela) *row = &dynamic.tables[table][i];
            size_t symbol = (size_t)(row->r_info >> (sizeof(ElfW(Addr)) == 8 ? 32 : 8));
            function hook = symbol != 0 ? hook_of(dynamic.names + dynamic.symbols[symbol].st_name) : NULL;
            if (hook != NULL)
                write_place(map->l_addr + row->r_offset, hook);
        }
}

/* ------------------------------------------------------------------------------------------------ imports */

/* Parts of the C library, of the compiler, and of its sanitizers. */
static bool is_usual(const char *library)
{
    static const char *const usual[] = {"libc.",    "libm.",     "ld-",      "linux-vdso", "libgcc_s.", "libpthread.",
                                        "libasan.", "libubsan.", "libtsan.", "libdl.",     "libmsan.",  "librt."};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strncmp(library, usual[i], strlen(usual[i])) == 0)
            return true;
    return false;
}

static void list_imports(const struct link_map *map, char *imports, size_t capacity)
{
    struct dynamic dynamic = read_dynamic(map);
    imports[0] = '\0';
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        const char *library = dynamic.names + entry->d_un.d_val;
        size_t used = strlen(imports);
        if (entry->d_tag == DT_NEEDED && !is_usual(library))
            snprintf(imports + used, capacity - used, "%s%s", used > 0 ? ", " : "", library);
    }
}

void check_memory_watch(void (*function_of_module)(void), char *imports, size_t capacity)
{
    Dl_info info;
    struct link_map *map;
    void *place;
    memcpy(&place, &function_of_module, sizeof place);
    if (dladdr1(place, &info, (void **)&map, RTLD_DL_LINKMAP) == 0)
        return;
    list_imports(map, imports, capacity);
    void *handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
    void *symbol = handle != NULL ? dlsym(handle, "_ZSt17__throw_bad_allocv") : NULL;
    memcpy(&throw_bad_alloc, &symbol, sizeof throw_bad_alloc);
    if (handle != NULL)
        dlclose(handle);
    put_hooks(map);
}
