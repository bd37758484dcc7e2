#include "core/cluster/gate.h"

#include <errno.h>

enum { CLOSED = 1, ONE = 2 };

void ldr_gate_init(struct ldr_gate *gate)
{
    atomic_init(&gate->state, 0);
    sem_init(&gate->empty, 0, 0);
}

void ldr_gate_destroy(struct ldr_gate *gate)
{
    sem_destroy(&gate->empty);
}

bool ldr_gate_enter(struct ldr_gate *gate)
{
    /* Acquire: whoever is turned back sees what the closer did before it closed. */
    if ((atomic_fetch_add_explicit(&gate->state, ONE, memory_order_acquire) & CLOSED) == 0)
        return true;
    ldr_gate_leave(gate);
    return false;
}

void ldr_gate_leave(struct ldr_gate *gate)
{
    /* Release: what was done inside happens before the closer goes on. One who was turned back may post once too often,
       which nobody waits for. */
    if (atomic_fetch_sub_explicit(&gate->state, ONE, memory_order_acq_rel) == (ONE | CLOSED))
        sem_post(&gate->empty);
}

void ldr_gate_close(struct ldr_gate *gate)
{
    if (atomic_fetch_or_explicit(&gate->state, CLOSED, memory_order_acq_rel) == 0)
        return;
    while (sem_wait(&gate->empty) != 0 && errno == EINTR)
        continue;
}
