/* Threads for work that may block, with a bounded queue. A part of the real runtime. */
#ifndef LDR_BASE_POOL_H
#define LDR_BASE_POOL_H

#include <stddef.h>

#include "larder/plugin/runtime.h"
#include "larder/status.h"

struct ldr_pool;

/* `queue` is how many tasks may wait beyond those that a thread is free for. NULL with larder_last_error(). */
struct ldr_pool *ldr_pool_open(unsigned threads, size_t queue);

/* False: the queue is full, or the pool is closing. */
bool ldr_pool_work(struct ldr_pool *pool, struct larder_task *task);

/* Takes no more, runs everything that was taken, and frees the pool. NULL is fine. */
void ldr_pool_close(struct ldr_pool *pool);

#endif
