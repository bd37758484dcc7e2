/*
 * The cluster's part of requests and replies between members (the `cluster` slices of larder/plugin/request.h), and the
 * batches of copies in their values. All numbers are little-endian.
 *
 *    0  u8   version: 2
 *    1  u8   kind
 *    2  u16  flags
 *    4  u32  items of a batch
 *    8  u64  boot of the sender, in pings and answers
 *   16  u64  stamp: the writer's clock, or the receiver's as the sender heard it last
 *   24  u64  time since then, or what a write may take beyond it, in ns
 *   32  u64  number of a write; epoch of the sender's list in pings
 *   40  u64  floor: epoch; of REPLICATE and PUSH: how long the sender waits, in ns
 *   48  u64  floor: clock
 *   56       member list, if any
 *
 * What the fields are for is told in docs/cluster.md.
 */
#ifndef LDR_CLUSTER_WIRE_H
#define LDR_CLUSTER_WIRE_H

#include "core/base/bytes.h"
#include "larder/plugin/discovery.h"
#include "larder/plugin/request.h"

#define LDR_HEADER_SIZE 56

/* What LARDER_OP_EXCHANGE asks for. */
enum ldr_exchange {
    LDR_EXCHANGE_NONE = 0,
    LDR_EXCHANGE_REPLICATE = 1, /* one copy, in the fields of the request: stored, or ignored as not newer */
    LDR_EXCHANGE_OFFER = 2,     /* keys and versions -> a bit for each that is wanted */
    LDR_EXCHANGE_PUSH = 3,      /* copies -> a bit for each that was taken, or is not wanted */
    LDR_EXCHANGE_ASK = 4,       /* one key -> its copy, whatever the receiver's part in it; NOT_FOUND */
    LDR_EXCHANGE_SUMS = 5       /* where a walk goes on, -> how far it came, and the sums of ranges of what it met */
};

enum ldr_header_flags {
    LDR_HEADER_MOVED = 1u << 0,     /* nothing was done: the sender must look again who is asked, and where */
    LDR_HEADER_SEASONED = 1u << 1,  /* the sender was caught up under this incarnation */
    LDR_HEADER_DONE = 1u << 2,      /* the receiver has had every copy that the sender has for it, in this epoch */
    LDR_HEADER_NEGATIVE = 1u << 3,  /* of a copy: remembers that the origin has no such key */
    LDR_HEADER_TOMBSTONE = 1u << 4, /* of a copy: remembers a delete */
    LDR_HEADER_SEALED = 1u << 5,    /* the sender may act under its list */
    LDR_HEADER_CAUGHT_UP = 1u << 6  /* and has been given everything under it */
};

struct ldr_header {
    enum ldr_exchange kind;
    uint32_t flags; /* enum ldr_header_flags */
    uint32_t items;
    uint64_t boot, stamp, budget, id;
    uint64_t wait;               /* REPLICATE, PUSH: how long the sender waits, in ns */
    struct larder_version floor; /* other kinds */
    struct larder_slice list;    /* encoded; empty: none */
};

/* Whether an operation on one key changes it. */
static inline bool ldr_operation_writes(enum larder_operation operation)
{
    return operation == LARDER_OP_SET || operation == LARDER_OP_DELETE || operation == LARDER_OP_TOUCH;
}

/* Writes everything but the list, which follows. */
void ldr_header_encode(const struct ldr_header *header, unsigned char bytes[LDR_HEADER_SIZE]);

/* Sets flags in an encoded one; NULL is fine. */
void ldr_header_flag(void *bytes, uint32_t flags);

/* False: it makes no sense. The list points into the bytes, and is not looked at. An empty slice gives an empty header. */
bool ldr_header_decode(struct larder_slice bytes, struct ldr_header *header);

/* ------------------------------------------------------------------------------------------------ member lists */

/* Appends the list. */
void ldr_list_encode(struct ldr_buffer *buffer, uint64_t epoch, const struct larder_member *members, size_t count);

struct ldr_list {
    uint64_t epoch;
    struct larder_member *members;
    size_t count;
    void *memory; /* what the members' texts lie in */
};

/* LARDER_INVALID, LARDER_NO_MEMORY; told in larder_last_error(). */
enum larder_status ldr_list_decode(struct larder_slice bytes, struct ldr_list *list);
void ldr_list_free(struct ldr_list *list);

/* ------------------------------------------------------------------------------------------------ batches */

/* A copy of an entry on its way. In an offer only key and version count. */
struct ldr_wire_copy {
    struct larder_slice key, value;
    struct larder_version version;
    int64_t ttl_ms; /* what remains; LARDER_TTL_NONE */
    bool negative, tombstone;
};

void ldr_offer_encode(struct ldr_buffer *buffer, const struct ldr_wire_copy *copy);
void ldr_copy_encode(struct ldr_buffer *buffer, const struct ldr_wire_copy *copy);

/* The next one; false: the batch is at its end, or makes no sense, which shows in `rest` not being empty. */
bool ldr_offer_decode(struct larder_slice *rest, struct ldr_wire_copy *copy);
bool ldr_copy_decode(struct larder_slice *rest, struct ldr_wire_copy *copy);

/* ------------------------------------------------------------------------------------------------ sums of ranges */

#define LDR_RANGES_MAX 4096
#define LDR_SUMS_END   UINT32_MAX

/* A part of a walk through a group: in the request where it begins, without sums; in the answer where it ended, with them. */
struct ldr_wire_sums {
    uint32_t at[3];            /* the walker's; LDR_SUMS_END in the first: all was met */
    uint32_t ranges;           /* a power of two, at most LDR_RANGES_MAX; 0 in a request, whose header says how many */
    const unsigned char *sums; /* u64 each; see ldr_sum_of_range() */
};

void ldr_sums_encode(struct ldr_buffer *buffer, const uint32_t at[3], const uint64_t *sums, uint32_t ranges);
bool ldr_sums_decode(struct larder_slice bytes, uint32_t ranges, struct ldr_wire_sums *sums);
uint64_t ldr_sum_of_range(const struct ldr_wire_sums *sums, uint32_t range);

/* What an entry adds to the sum of its range, which the low bits of its key's digest name. */
static inline uint64_t ldr_sum_digest(uint64_t digest, struct larder_version version)
{
    return ldr_mix(digest ^ ldr_mix(version.epoch ^ ldr_mix(version.clock)));
}

static inline bool ldr_version_newer(struct larder_version a, struct larder_version b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.clock > b.clock;
}

static inline bool ldr_version_equal(struct larder_version a, struct larder_version b)
{
    return a.epoch == b.epoch && a.clock == b.clock;
}

#endif
