/*
 * Whether a peer is asked at all: a pure state machine, with the clock as an argument.
 *
 *     CLOSED --suspend_after failures in a row--> OPEN --suspend_ms--> HALF_OPEN --failed ping--> OPEN
 *       ^------------any answer of its own, mostly to a ping-------------'
 *
 * HALF_OPEN admits nobody either: one ping decides, not a herd of requests. REFUSED ends with an accepted ping alone.
 */
#ifndef LDR_CLUSTER_BREAKER_H
#define LDR_CLUSTER_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum ldr_breaker_state {
    LDR_BREAKER_CLOSED = 0,
    LDR_BREAKER_OPEN = 1,
    LDR_BREAKER_HALF_OPEN = 2,
    LDR_BREAKER_REFUSED = 3
};

struct ldr_breaker_settings {
    unsigned suspend_after;
    uint64_t suspend_ms;
};

/* Zeroed: closed. Changed under a lock of its owner; state and failures may be read without. */
struct ldr_breaker {
    atomic_uint state;    /* enum ldr_breaker_state */
    atomic_uint failures; /* in a row */
    uint64_t until;       /* OPEN: when it becomes HALF_OPEN */
};

enum ldr_breaker_state ldr_breaker_state(const struct ldr_breaker *breaker);

/* Whether requests may go there. */
bool ldr_breaker_admits(const struct ldr_breaker *breaker);

/* Whether a success would change anything: lets the common case do without the lock. */
bool ldr_breaker_untroubled(const struct ldr_breaker *breaker);

/* The peer answered; `ping`: it accepted a ping. True: it is re-admitted by this. */
bool ldr_breaker_success(struct ldr_breaker *breaker, bool ping);

/* A call or ping failed. True: the peer is suspended by this. */
bool ldr_breaker_failure(struct ldr_breaker *breaker, const struct ldr_breaker_settings *settings, bool ping,
                         uint64_t now);

/* The peer refused this node. True: it had not before. */
bool ldr_breaker_refuse(struct ldr_breaker *breaker);

/* When to ping, where `planned` is the turn of the regular ping: no later than the suspension ends. */
uint64_t ldr_breaker_ping_at(const struct ldr_breaker *breaker, uint64_t planned);

/* A ping is about to be sent: from the end of a suspension on, it decides. */
void ldr_breaker_ping(struct ldr_breaker *breaker, uint64_t now);

#endif
