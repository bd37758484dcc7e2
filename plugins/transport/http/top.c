/* The parameters of /v1/top. */
#include "route.h"
#include "target.h"

#include <stdio.h>

#define COUNT_DIGITS 9

/* An encoded name is at most three times as long. */
#define GROUP_ENCODED_MAX (3 * LARDER_GROUP_MAX)

_Static_assert(LARDER_GROUP_MAX + 32 <= HTTP_EXCHANGE_SMALL, "a name and a small document have room");

static void read_group(struct http_exchange *exchange, struct larder_slice value)
{
    char name[GROUP_ENCODED_MAX];
    size_t size = 0;
    if (value.size > sizeof name || !http_percent_decode(value, name, &size) || size == 0 || size > LARDER_GROUP_MAX) {
        http_exchange_refuse(exchange, 400, "group: wanted a group's name of 1 to %d bytes", LARDER_GROUP_MAX);
        return;
    }
    memcpy(exchange->small, name, size);
    exchange->base.request.group = (struct larder_slice){exchange->small, size};
}

/* The node knows how many are too many. */
static void read_count(struct http_exchange *exchange, struct larder_slice value)
{
    const char *digits = value.data;
    unsigned long count = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (digits[i] < '0' || digits[i] > '9' || value.size > COUNT_DIGITS) {
            http_exchange_refuse(exchange, 400, "count: wanted a number");
            return;
        }
        count = count * 10 + (unsigned long)(digits[i] - '0');
    }
    char *document = exchange->small + LARDER_GROUP_MAX;
    int size = snprintf(document, 32, "{\"count\":%lu}", count);
    exchange->base.request.value = (struct larder_slice){document, (size_t)size};
}

void http_read_top(struct http_exchange *exchange, struct larder_slice query)
{
    struct larder_slice name, value;
    while (http_query_next(&query, &name, &value)) {
        if (http_slice_is(name, "group"))
            read_group(exchange, value);
        else if (http_slice_is(name, "count"))
            read_count(exchange, value);
        else if (http_slice_is(name, "cluster") && (http_slice_is(value, "true") || http_slice_is(value, "false")))
            exchange->base.request.flags |= http_slice_is(value, "true") ? LARDER_REQUEST_CLUSTER : 0;
        else
            http_exchange_refuse(exchange, 400, "unknown parameter \"%.*s\", wanted group, count, or cluster=true",
                                 (int)(name.size > 64 ? 64 : name.size), (const char *)name.data);
    }
}
