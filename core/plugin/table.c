#include "core/plugin/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/plugin/kind.h"
#include "core/plugin/params.h"
#include "larder/plugin/eviction.h"

bool ldr_name_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = strnlen(name, LDR_NAME_MAX + 1);
    return length >= 1 && length <= LDR_NAME_MAX && strspn(name, allowed) == length;
}

/* What is read before anything else is trusted: the part of the head that never moves. */
struct preamble {
    uint32_t kind, abi;
    uint64_t size;
};

static enum larder_status check_abi(const char *label, const struct ldr_kind *kind, uint32_t abi)
{
    if (kind->stable ? abi >= 1 && abi <= kind->abi : abi == kind->abi)
        return LARDER_OK;
    if (kind->stable && kind->abi > 1)
        return ldr_fail(LARDER_INVALID, "%s: abi: got %" PRIu32 ", wanted 1 to %" PRIu32, label, abi, kind->abi);
    return ldr_fail(LARDER_INVALID, "%s: abi: got %" PRIu32 ", wanted %" PRIu32, label, abi, kind->abi);
}

static enum larder_status check_size(const char *label, const struct ldr_kind *kind, uint64_t size, size_t available)
{
    if (size < kind->required)
        return ldr_fail(LARDER_INVALID, "%s: size: got %" PRIu64 ", wanted at least %zu", label, size, kind->required);
    if (size > LDR_TABLE_MAX)
        return ldr_fail(LARDER_INVALID, "%s: size: got %" PRIu64 ", wanted at most %d", label, size, LDR_TABLE_MAX);
    if (size > available)
        return ldr_fail(LARDER_INVALID, "%s: size: got %" PRIu64 ", wanted at most %zu, as long as its symbol is",
                        label, size, available);
    return LARDER_OK;
}

static enum larder_status check_head(const char *label, const struct larder_plugin *head)
{
    if (head->name == NULL)
        return ldr_fail(LARDER_INVALID, "%s: name: got none, wanted " LDR_NAME_WANTED, label);
    if (!ldr_name_valid(head->name))
        return ldr_fail(LARDER_INVALID, "%s: name: got \"%.*s\", wanted " LDR_NAME_WANTED, label, LDR_NAME_MAX + 1,
                        head->name);
    if (head->help == NULL || head->help[0] == '\0' || strchr(head->help, '\n') != NULL)
        return ldr_fail(LARDER_INVALID, "%s: help: got %s, wanted one line of text", label,
                        head->help == NULL || head->help[0] == '\0' ? "none" : "several lines");
    return LARDER_OK;
}

static bool has_callback(const void *table, size_t offset)
{
    void (*function)(void);
    memcpy(&function, (const char *)table + offset, sizeof function);
    return function != NULL;
}

static enum larder_status check_callbacks(const char *label, const struct ldr_kind *kind, const void *table)
{
    for (const struct ldr_callback *callback = kind->callbacks; callback->name != NULL; callback++)
        if (!has_callback(table, callback->offset))
            return ldr_fail(LARDER_INVALID, "%s: %s is missing", label, callback->name);
    return LARDER_OK;
}

static enum larder_status check_eviction(const char *label, const struct larder_eviction *table)
{
    if (table->hit_max > 15 && table->hit_max != LARDER_HITS_NONE)
        return ldr_fail(LARDER_INVALID, "%s: hit_max: got %" PRIu32 ", wanted 0 to 15 or LARDER_HITS_NONE", label,
                        table->hit_max);
    if (table->hit_max == 0 && table->hit == NULL)
        return ldr_fail(LARDER_INVALID, "%s: hit is missing: hit_max is 0", label);
    if (table->hit_max != 0 && table->hit != NULL)
        return ldr_fail(LARDER_INVALID, "%s: hit: got a function that is never called, wanted none or hit_max 0",
                        label);
    return LARDER_OK;
}

static enum larder_status check_copy(const char *label, const struct ldr_kind *kind, const struct larder_plugin *copy)
{
    enum larder_status status = check_head(label, copy);
    if (status == LARDER_OK && copy->kind == LARDER_PLUGIN_EVICTION)
        status = check_eviction(label, (const struct larder_eviction *)copy);
    if (status == LARDER_OK)
        status = check_callbacks(label, kind, copy);
    if (status == LARDER_OK)
        status = ldr_params_check(label, copy->params);
    return status;
}

struct larder_plugin *ldr_table_copy(const char *label, const void *table, size_t available)
{
    struct preamble preamble;
    if (available < sizeof preamble) {
        ldr_fail(LARDER_INVALID, "%s: size: got %zu, wanted at least %zu", label, available,
                 sizeof(struct larder_plugin));
        return NULL;
    }
    memcpy(&preamble, table, sizeof preamble);
    const struct ldr_kind *kind = ldr_kind(preamble.kind);
    if (kind == NULL) {
        ldr_fail(LARDER_INVALID, "%s: kind: got %" PRIu32 ", wanted %d to %d", label, preamble.kind, LDR_KIND_FIRST,
                 LDR_KIND_LAST);
        return NULL;
    }
    if (check_abi(label, kind, preamble.abi) != LARDER_OK ||
        check_size(label, kind, preamble.size, available) != LARDER_OK)
        return NULL;

    struct larder_plugin *copy = calloc(1, kind->size);
    if (copy == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    memcpy(copy, table, preamble.size < kind->size ? (size_t)preamble.size : kind->size);
    copy->size = kind->size; /* of this copy: what follows the module's own members is zero */
    if (check_copy(label, kind, copy) != LARDER_OK) {
        free(copy);
        return NULL;
    }
    return copy;
}
