/* Threads of the library, and first-in-first-out lists of tasks. Private to the runtimes. */
#ifndef LDR_BASE_THREAD_H
#define LDR_BASE_THREAD_H

#include <pthread.h>

#include "larder/plugin/runtime.h"

/*
 * Starts a thread that takes no signals: those belong to the program that embeds the library. `name` is at most 15 bytes.
 * Returns an error number, 0 for success.
 */
int ldr_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

/* Zeroed: empty. The caller serialises. */
struct ldr_tasks {
    struct larder_task *first, *last;
};

static inline void ldr_tasks_push(struct ldr_tasks *tasks, struct larder_task *task)
{
    task->next = NULL;
    if (tasks->first == NULL)
        tasks->first = task;
    else
        tasks->last->next = task;
    tasks->last = task;
}

/* NULL when empty. */
static inline struct larder_task *ldr_tasks_pop(struct ldr_tasks *tasks)
{
    struct larder_task *task = tasks->first;
    if (task != NULL)
        tasks->first = task->next;
    return task;
}

#endif
