/*
 * A catalog of modules that exist in this file only, in place of the real one: tests/unit/config_catalog.cmake lets the
 * linker call the functions below. What is looked for and found is thus the same wherever the tests run.
 */
#ifndef TEST_CONFIG_CATALOG_H
#define TEST_CONFIG_CATALOG_H

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/plugin/catalog.h"

static const struct larder_param fake_tuned_params[] = {
    {.name = "share", .type = LARDER_PARAM_FLOAT, .default_text = "0.5", .maximum = 1, .help = "a share"},
    {.name = "exact", .type = LARDER_PARAM_BOOL, .default_text = "false", .help = "a switch"},
    {.name = "ghosts", .type = LARDER_PARAM_SIZE, .help = "a size"},
    {.name = NULL},
};

static const struct larder_param fake_door_params[] = {
    {.name = "listen", .type = LARDER_PARAM_STRING, .required = true, .help = "where it listens"},
    {.name = "idle", .type = LARDER_PARAM_DURATION, .default_text = "30s", .help = "a time"},
    {.name = "mode", .type = LARDER_PARAM_STRING, .default_text = "plain", .choices = "plain|tls", .help = "a|b"},
    {.name = NULL},
};

static const struct larder_param fake_member[] = {
    {.name = "name", .type = LARDER_PARAM_STRING, .required = true, .help = "who"},
    {.name = "weight", .type = LARDER_PARAM_INT, .default_text = "1", .minimum = 1, .maximum = 100, .help = "how much"},
    {.name = "*", .type = LARDER_PARAM_MAP, .help = "addresses"},
    {.name = NULL},
};

static const struct larder_param fake_static_params[] = {
    {.name = "members", .type = LARDER_PARAM_RECORDS, .fields = fake_member, .required = true, .help = "everybody"},
    {.name = NULL},
};

static const struct larder_param fake_loader_params[] = {
    {.name = "url", .type = LARDER_PARAM_STRING, .required = true, .help = "where the origin is"},
    {.name = "headers", .type = LARDER_PARAM_MAP, .help = "what is sent along"},
    {.name = NULL},
};

static const struct larder_plugin fake_plugins[] = {
    {LARDER_PLUGIN_EVICTION, 1, 0, "lru", "the one used last goes last", NULL},
    {LARDER_PLUGIN_EVICTION, 1, 0, "tuned", "Takes parameters", fake_tuned_params},
    {LARDER_PLUGIN_HASH, 1, 0, "crc32", "A checksum", NULL},
    {LARDER_PLUGIN_HASH, 1, 0, "xxhash", "A hash", NULL},
    {LARDER_PLUGIN_TRANSPORT, 1, 0, "grpc", "Another door", fake_door_params},
    {LARDER_PLUGIN_TRANSPORT, 1, 0, "http", "A door", fake_door_params},
    {LARDER_PLUGIN_DISCOVERY, 1, 0, "static", "A fixed list", fake_static_params},
    {LARDER_PLUGIN_LOADER, 1, 0, "http", "An origin", fake_loader_params},
};

struct ldr_catalog {
    char paths[8][64];
    size_t path_count;
    const struct larder_plugin *tables[8];
    size_t table_count;
};

/* Called by the linker in place of the functions without __wrap_. */
struct ldr_catalog *__wrap_ldr_catalog_open(const struct ldr_catalog_options *options);
void __wrap_ldr_catalog_close(struct ldr_catalog *catalog);
const struct larder_plugin *__wrap_ldr_catalog_find(struct ldr_catalog *catalog, enum larder_plugin_kind kind,
                                                    const char *name);
enum larder_status __wrap_ldr_catalog_each(struct ldr_catalog *catalog,
                                           void (*each)(void *arg, const struct larder_plugin_info *info), void *arg);

struct ldr_catalog *__wrap_ldr_catalog_open(const struct ldr_catalog_options *options)
{
    struct ldr_catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    for (size_t i = 0; i < options->path_count && i < 8; i++)
        strncpy(catalog->paths[catalog->path_count++], options->paths[i], sizeof catalog->paths[0] - 1);
    for (size_t i = 0; i < options->table_count && i < 8; i++)
        catalog->tables[catalog->table_count++] = options->tables[i];
    return catalog;
}

void __wrap_ldr_catalog_close(struct ldr_catalog *catalog)
{
    free(catalog);
}

const struct larder_plugin *__wrap_ldr_catalog_find(struct ldr_catalog *catalog, enum larder_plugin_kind kind,
                                                    const char *name)
{
    (void)catalog;
    for (size_t i = 0; i < sizeof fake_plugins / sizeof *fake_plugins; i++) {
        if (fake_plugins[i].kind == (uint32_t)kind && strcmp(fake_plugins[i].name, name) == 0)
            return &fake_plugins[i];
    }
    ldr_fail(LARDER_INVALID, "no %s plugin \"%s\" in /nowhere", larder_plugin_kind_name(kind), name);
    return NULL;
}

enum larder_status __wrap_ldr_catalog_each(struct ldr_catalog *catalog,
                                           void (*each)(void *arg, const struct larder_plugin_info *info), void *arg)
{
    (void)catalog;
    for (size_t i = 0; i < sizeof fake_plugins / sizeof *fake_plugins; i++)
        each(arg, &(struct larder_plugin_info){.head = &fake_plugins[i], .path = ""});
    each(arg, &(struct larder_plugin_info){.path = "/nowhere/broken.so", .refusal = "broken"});
    return LARDER_OK;
}

#endif
