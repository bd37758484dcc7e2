/* What is remembered of a get whose answer may be kept near. */
#ifndef LDR_GROUP_NEAR_ASK_H
#define LDR_GROUP_NEAR_ASK_H

#include <stdint.h>

struct ldr_near_ask {
    int64_t ttl_ms;  /* how long the answer is to be kept; 0: not at all */
    uint64_t begun;  /* when it was sent */
    uint64_t serial; /* of the member list then */
    uint64_t mark;   /* changes with each write of the key that this node hears of */
};

#endif
