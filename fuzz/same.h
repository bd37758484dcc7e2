/* Whether two requests, or two replies, say the same. */
#ifndef FUZZ_SAME_H
#define FUZZ_SAME_H

#include <string.h>

#include "larder/plugin/request.h"
#include "target.h"

static inline void expect_same(struct larder_slice a, struct larder_slice b)
{
    FUZZ_EXPECT(a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0));
}

static inline void expect_same_request(const struct larder_request *a, const struct larder_request *b)
{
    FUZZ_EXPECT(a->operation == b->operation && a->flags == b->flags && a->ttl_ms == b->ttl_ms);
    FUZZ_EXPECT(a->version.epoch == b->version.epoch && a->version.clock == b->version.clock);
    FUZZ_EXPECT(a->ring.epoch == b->ring.epoch && a->ring.checksum == b->ring.checksum);
    FUZZ_EXPECT(a->ring.settings == b->ring.settings);
    expect_same(a->group, b->group);
    expect_same(a->sender, b->sender);
    expect_same(a->cluster, b->cluster);
    expect_same(a->key, b->key);
    expect_same(a->value, b->value);
}

static inline void expect_same_reply(const struct larder_reply *a, const struct larder_reply *b)
{
    FUZZ_EXPECT(a->status == b->status && a->source == b->source && a->flags == b->flags && a->ttl_ms == b->ttl_ms);
    FUZZ_EXPECT(a->version.epoch == b->version.epoch && a->version.clock == b->version.clock);
    FUZZ_EXPECT(a->ring.epoch == b->ring.epoch && a->ring.checksum == b->ring.checksum);
    FUZZ_EXPECT(a->ring.settings == b->ring.settings);
    expect_same(a->cluster, b->cluster);
    expect_same(a->value, b->value);
}

/* The parts one after the other, as they follow each other on the wire; to be freed. */
static inline struct larder_slice join(const struct larder_slice *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    char *bytes = malloc(size + 1), *at = bytes;
    FUZZ_EXPECT(bytes != NULL);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > 0)
            memcpy(at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    return (struct larder_slice){bytes, size};
}

#endif
