/* Whether a put can be done, and whether it is to be done. */
#include <inttypes.h>

#include "core/base/fail.h"
#include "core/store/put.h"

enum larder_status ldr_put_check(const struct ldr_store *store, const struct ldr_put *put)
{
    uint64_t most = store->max_value < LDR_VALUE_MAX ? store->max_value : LDR_VALUE_MAX;
    if (put->key.size == 0)
        return ldr_fail(LARDER_INVALID, "key: got 0 bytes, wanted 1 to %d", LARDER_KEY_MAX);
    if (put->key.size > LARDER_KEY_MAX)
        return ldr_fail(LARDER_TOO_LARGE, "key: got %zu bytes, wanted at most %d", put->key.size, LARDER_KEY_MAX);
    if (put->value.size > most)
        return ldr_fail(LARDER_TOO_LARGE, "value: got %zu bytes, wanted at most %" PRIu64, put->value.size, most);
    if ((put->flags & LDR_PUT_NEGATIVE) != 0 && put->value.size > 0)
        return ldr_fail(LARDER_INVALID, "value of a negative entry: got %zu bytes, wanted none", put->value.size);
    return LARDER_OK;
}

static bool conditions_hold(const struct ldr_put *put, const struct ldr_entry *present)
{
    if ((put->flags & LDR_PUT_IF_ABSENT) != 0 && present != NULL)
        return false;
    if ((put->flags & LDR_PUT_IF_PRESENT) != 0 && present == NULL)
        return false;
    return (put->flags & LDR_PUT_IF_VERSION) == 0 ||
           (present != NULL && ldr_version_same(ldr_entry_version(present), put->expected));
}

/* Whether what is there, or was, is as new as the newcomer, and the put is one that then has no effect. */
static bool is_outdated(const struct ldr_shard *shard, const struct ldr_newcomer *newcomer,
                        const struct ldr_entry *there)
{
    const struct ldr_put *put = newcomer->put;
    if (there != NULL)
        return (put->flags & LDR_PUT_NEWER) != 0 && !ldr_version_after(put->version, ldr_entry_version(there));
    return (put->flags & LDR_PUT_COPY) != 0 && !newcomer->prepared && !ldr_version_after(put->version, shard->floor);
}

bool ldr_put_wanted(const struct ldr_shard *shard, struct ldr_newcomer *newcomer, const struct ldr_entry *there,
                    const struct ldr_entry *present, enum larder_status *status)
{
    bool gone = there == NULL && newcomer->guard.went; /* for this very put: it was there when that was asked */
    if (newcomer->over != NULL && newcomer->over != there && !gone)
        return false; /* somebody has written the key since */
    if (!gone && !conditions_hold(newcomer->put, present)) {
        *status = LARDER_PRECONDITION;
        return false;
    }
    if (!is_outdated(shard, newcomer, there))
        return true;
    newcomer->created = false;
    return false;
}
