#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/config/schema.h"
#include "core/store/state.h"

struct ldr_setup *ldr_setup_new(const struct ldr_setup *from)
{
    size_t count = from->params != NULL ? ldr_schema_count(from->module->head.params) : 0, size = 0, whole;
    if (count != 0 && !ldr_schema_copy_size(from->params, count, &size))
        return NULL;
    if (!ldr_add(sizeof(struct ldr_setup), size, &whole))
        return NULL;
    struct ldr_setup *setup = malloc(whole);
    if (setup == NULL)
        return NULL;
    *setup = *from;
    setup->params = NULL;
    if (count != 0) {
        struct larder_param_value *copy = (struct larder_param_value *)(void *)(setup + 1);
        ldr_schema_copy_into(copy, size, from->params, count);
        setup->params = copy;
    }
    return setup;
}
