#include "core/base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/thread.h"

struct ldr_pool {
    pthread_mutex_t lock; /* guards everything below but the threads */
    pthread_cond_t wake;
    struct ldr_tasks tasks;
    size_t waiting; /* tasks in the list */
    size_t idle;    /* threads that run no task */
    size_t queue;
    bool closing;
    unsigned started;
    pthread_t threads[];
};

static void *serve(void *arg)
{
    struct ldr_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct larder_task *task = ldr_tasks_pop(&pool->tasks);
        if (task != NULL) {
            pool->waiting--;
            pool->idle--;
            pthread_mutex_unlock(&pool->lock);
            task->run(task);
            pthread_mutex_lock(&pool->lock);
            pool->idle++;
        } else if (pool->closing) {
            break;
        } else {
            pthread_cond_wait(&pool->wake, &pool->lock);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct ldr_pool *ldr_pool_open(unsigned threads, size_t queue)
{
    struct ldr_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    pthread_mutex_init(&pool->lock, NULL); /* these two do not fail on Linux */
    pthread_cond_init(&pool->wake, NULL);
    pool->queue = queue;
    pool->idle = threads;
    for (; pool->started < threads; pool->started++) {
        int error = ldr_thread_start(&pool->threads[pool->started], "larder-work", serve, pool);
        if (error != 0) {
            ldr_pool_close(pool);
            ldr_fail(LARDER_IO, "starting a worker thread: %s", strerror(error));
            return NULL;
        }
    }
    return pool;
}

bool ldr_pool_work(struct ldr_pool *pool, struct larder_task *task)
{
    pthread_mutex_lock(&pool->lock);
    bool room = !pool->closing && (pool->waiting < pool->idle || pool->waiting - pool->idle < pool->queue);
    if (room) {
        ldr_tasks_push(&pool->tasks, task);
        pool->waiting++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return room;
}

void ldr_pool_close(struct ldr_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
