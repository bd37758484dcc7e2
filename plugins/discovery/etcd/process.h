/*
 * Which process a registration is from, so that a node that was killed takes its name back at once: whoever starts on the
 * same machine can see that the old process is gone, and need not wait for its lease to run out.
 */
#ifndef DISCOVERY_ETCD_PROCESS_H
#define DISCOVERY_ETCD_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Zeroed: not known; such a process is never taken for dead. */
struct etcd_process {
    char machine[64]; /* the running kernel's boot id */
    char space[64];   /* the namespace of process ids */
    int64_t id;
    int64_t started; /* ticks after the machine's start */
};

void etcd_process_self(struct etcd_process *process);

/* NULL: out of memory. */
json_t *etcd_process_encode(const struct etcd_process *process);

/* Whether the process of a registration has certainly ended; `self` is this one. */
bool etcd_process_dead(const struct etcd_process *self, const json_t *process);

#endif
