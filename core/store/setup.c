#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/config/schema.h"
#include "core/store/state.h"

struct ldr_setup *ldr_setup_new(const struct larder_eviction *module, const struct larder_param_value *params,
                                uint64_t max_bytes)
{
    size_t count = params != NULL ? ldr_schema_count(module->head.params) : 0, size = 0, whole;
    if (count != 0 && !ldr_schema_copy_size(params, count, &size))
        return NULL;
    if (!ldr_add(sizeof(struct ldr_setup), size, &whole))
        return NULL;
    struct ldr_setup *setup = malloc(whole);
    if (setup == NULL)
        return NULL;
    *setup = (struct ldr_setup){.module = module, .max_bytes = max_bytes};
    if (count != 0) {
        struct larder_param_value *copy = (struct larder_param_value *)(void *)(setup + 1);
        ldr_schema_copy_into(copy, size, params, count);
        setup->params = copy;
    }
    return setup;
}
