/* FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo, 1991), and the mistakes one may make in a hash: FAULT says which. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "larder/plugin/hash.h"

enum fault {
    FAULT_NONE,
    FAULT_COUNTS_CALLS,
    FAULT_READS_WHEN_EMPTY,
    FAULT_READS_BEHIND,
    FAULT_SKIPS_A_BYTE,
    FAULT_SHARES_A_SCRATCH,
    FAULT_ALLOCATES,
};

#define IS(fault) (FAULT == FAULT_##fault)

static volatile uint64_t calls, shared;

static uint64_t digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    if (IS(COUNTS_CALLS))
        hash += ++calls;
    if (IS(READS_WHEN_EMPTY) && length == 0)
        hash += ((const volatile unsigned char *)bytes)[0];
    if (IS(READS_BEHIND) && length > 0)
        hash ^= 0 & ((const volatile unsigned char *)bytes)[length];
    if (IS(ALLOCATES)) {
        void *volatile copy = malloc(length + 1);
        free(copy);
    }
    if (IS(SHARES_A_SCRATCH) && length < 70) {
        shared = hash;
        sched_yield();
        hash = shared;
    }
    for (size_t i = IS(SKIPS_A_BYTE); i < length; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

LARDER_HASH(NAME, "FNV-1a", NULL, .digest = digest);
