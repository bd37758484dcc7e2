#include "core/plugin/module.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/plugin/elf.h"
#include "core/plugin/kind.h"
#include "core/plugin/trust.h"

enum larder_status ldr_module_name(const char *path, char name[LDR_NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    size_t length = strlen(file), suffix = strlen(LDR_MODULE_SUFFIX);
    if (length <= suffix || strcmp(file + length - suffix, LDR_MODULE_SUFFIX) != 0)
        return ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted NAME" LDR_MODULE_SUFFIX, path, file);
    length -= suffix;
    if (length <= LDR_NAME_MAX) {
        memcpy(name, file, length);
        name[length] = '\0';
        if (ldr_name_valid(name))
            return LARDER_OK;
    }
    return ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted a name of " LDR_NAME_WANTED " before \"%s\"", path,
                    file, LDR_MODULE_SUFFIX);
}

static void *open_object(const char *path, const char *resolved)
{
    void *handle = dlopen(resolved, RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL)
        return handle;
    const char *reason = dlerror();
    size_t length = strlen(resolved);
    if (strncmp(reason, resolved, length) == 0 && strncmp(reason + length, ": ", 2) == 0)
        reason += length + 2; /* the line begins with the path anyway */
    ldr_fail(LARDER_INVALID, "%s: file: got \"%s\", wanted a shared object that loads", path, reason);
    return NULL;
}

/*
 * dlsym() also looks into the libraries that the file depends on: a symbol of another file is not its table. The symbol
 * says how many bytes it has, so that a wrong size in the table is not believed.
 */
static const void *find_table(const char *path, void *handle, size_t *available)
{
    struct link_map *own = NULL;
    struct link_map *found = NULL;
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;
    const void *table = dlsym(handle, LARDER_PLUGIN_SYMBOL);
    if (table == NULL || dlinfo(handle, RTLD_DI_LINKMAP, &own) != 0 ||
        dladdr1(table, &info, (void **)&found, RTLD_DL_LINKMAP) == 0 || found != own) {
        ldr_fail(LARDER_INVALID, "%s: symbol: got none, wanted " LARDER_PLUGIN_SYMBOL, path);
        return NULL;
    }
    if (dladdr1(table, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL ||
        ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT) {
        ldr_fail(LARDER_INVALID, "%s: symbol: got a function, wanted the object " LARDER_PLUGIN_SYMBOL, path);
        return NULL;
    }
    *available = (size_t)symbol->st_size;
    return table;
}

/*
 * An accepted module stays mapped for good: values that a program still holds when its node is closed are released by
 * the module's code.
 */
static void keep_mapped(const char *resolved)
{
    void *handle = dlopen(resolved, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    if (handle != NULL)
        dlclose(handle);
}

static struct ldr_module *module_new(const char *path)
{
    struct ldr_module *module = calloc(1, sizeof *module);
    if (module != NULL && (module->path = strdup(path)) == NULL) {
        free(module);
        module = NULL;
    }
    if (module == NULL)
        ldr_fail_memory();
    return module;
}

static bool load(struct ldr_module *module, const char *resolved, const char *name)
{
    size_t available;
    module->handle = open_object(module->path, resolved);
    if (module->handle == NULL)
        return false;
    const void *table = find_table(module->path, module->handle, &available);
    if (table == NULL)
        return false;
    module->table = ldr_table_copy(module->path, table, available);
    if (module->table == NULL)
        return false;
    if (strcmp(module->table->name, name) == 0) {
        keep_mapped(resolved);
        return true;
    }
    ldr_fail(LARDER_INVALID, "%s: name: got \"%s\", wanted \"%s\" as the file is called", module->path,
             module->table->name, name);
    return false;
}

struct ldr_module *ldr_module_open(const char *path)
{
    char name[LDR_NAME_MAX + 1];
    char *resolved;
    if (ldr_module_name(path, name) != LARDER_OK || ldr_trust_file(path, &resolved) != LARDER_OK)
        return NULL;
    struct ldr_module *module = NULL;
    if (ldr_elf_check(path, resolved) == LARDER_OK)
        module = module_new(path);
    if (module != NULL && !load(module, resolved, name)) {
        ldr_module_close(module);
        module = NULL;
    }
    free(resolved);
    return module;
}

struct ldr_module *ldr_module_link(const struct larder_plugin *table)
{
    struct ldr_module *module = module_new("");
    if (module == NULL)
        return NULL;
    char label[64 + LDR_NAME_MAX];
    bool named = table->size >= sizeof *table && table->name != NULL && ldr_name_valid(table->name);
    snprintf(label, sizeof label, "linked-in plugin%s%s", named ? " " : "", named ? table->name : "");
    module->table = ldr_table_copy(label, table, SIZE_MAX);
    if (module->table == NULL) {
        ldr_module_close(module);
        return NULL;
    }
    return module;
}

void ldr_module_close(struct ldr_module *module)
{
    if (module == NULL)
        return;
    free(module->table);
    if (module->handle != NULL)
        dlclose(module->handle);
    free(module->path);
    free(module);
}
