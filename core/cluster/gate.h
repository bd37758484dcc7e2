/*
 * Lets calls into something that will be closed: many pass at a time, without a lock, and closing waits for those
 * inside and turns back the rest. The gate's memory must outlive every call of its functions.
 */
#ifndef LDR_CLUSTER_GATE_H
#define LDR_CLUSTER_GATE_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ldr_gate {
    atomic_uint state; /* twice the number inside; plus 1 once closed */
    sem_t empty;       /* posted when the last one leaves a closed gate */
};

void ldr_gate_init(struct ldr_gate *gate);
void ldr_gate_destroy(struct ldr_gate *gate);

/* False: closed; there is nothing to leave. Passing may nest. */
bool ldr_gate_enter(struct ldr_gate *gate);
void ldr_gate_leave(struct ldr_gate *gate);

/* Once. Not from inside. */
void ldr_gate_close(struct ldr_gate *gate);

#endif
