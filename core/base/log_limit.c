#include "core/base/log_limit.h"

#include <stddef.h>

#define SECOND UINT64_C(1000000000)

static struct ldr_log_place *find(struct ldr_log_limit *limit, const char *format)
{
    struct ldr_log_place *oldest = &limit->places[0];
    for (size_t i = 0; i < LDR_LOG_PLACES; i++) {
        struct ldr_log_place *place = &limit->places[i];
        if (place->format == format)
            return place;
        if (oldest->format != NULL && (place->format == NULL || place->heard_ns < oldest->heard_ns))
            oldest = place;
    }
    *oldest = (struct ldr_log_place){.format = format};
    return oldest;
}

static bool allowed(const struct ldr_log_place *place, uint64_t digest)
{
    if (place->count == LDR_LOG_BURST)
        return false;
    for (unsigned i = 0; i < place->count; i++)
        if (place->texts[i] == digest)
            return false;
    return true;
}

bool ldr_log_limit_pass(struct ldr_log_limit *limit, const char *format, uint64_t digest, uint64_t now_ns,
                        uint64_t *held)
{
    struct ldr_log_place *place = find(limit, format);
    place->heard_ns = now_ns;
    if (place->count > 0 && now_ns - place->second_ns >= SECOND)
        place->count = 0;
    if (!allowed(place, digest)) {
        place->held++;
        return false;
    }
    if (place->count == 0)
        place->second_ns = now_ns;
    place->texts[place->count++] = digest;
    *held = place->held;
    place->held = 0;
    return true;
}
