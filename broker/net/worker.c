/* One queue under one mutex; a task is started by the first thread that is free.
 *
 * The first thread is started with the pool, so that a task submitted later can always run; the
 * others are started when a task finds nobody idle. A thread that cannot be started is missed
 * silently: there is one less, and the next submission tries again.
 *
 * Tasks are numbered in order of submission, which is the order of their start. worker_drain()
 * waits until no number up to the last one given is waiting or running.
 */
#include "worker.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "thread.h"

enum { THREADS_MAX = 256 };

struct worker_thread {
    struct worker_pool *pool;
    pthread_t thread;
    uint64_t running; /* the number of its task; UINT64_MAX: idle */
};

struct worker_pool {
    struct mutex lock;
    pthread_cond_t work;     /* something was submitted, or the end has come */
    pthread_cond_t finished; /* a task is done, and somebody drains */
    struct list queue;       /* of task.link */
    uint64_t submitted;
    uint64_t started;
    int idle;
    int drainers;
    int thread_count;
    int thread_max;
    bool is_ending;
    char name[12];
    struct worker_thread threads[];
};

static struct task *next_task(struct worker_pool *pool)
{
    pool->idle++;
    while (list_is_empty(&pool->queue) && !pool->is_ending) {
        pthread_cond_wait(&pool->work, &pool->lock.lock);
    }
    pool->idle--;
    if (list_is_empty(&pool->queue)) return NULL;
    struct task *task = CONTAINER_OF(pool->queue.next, struct task, link);
    list_remove(&task->link);
    return task;
}

static void *thread_main(void *arg)
{
    struct worker_thread *self = arg;
    struct worker_pool *pool = self->pool;
    mutex_lock(&pool->lock);
    for (struct task *task; (task = next_task(pool));) {
        self->running = pool->started++;
        mutex_unlock(&pool->lock);
        task->run(task);
        mutex_lock(&pool->lock);
        self->running = UINT64_MAX;
        if (pool->drainers) pthread_cond_broadcast(&pool->finished);
    }
    mutex_unlock(&pool->lock);
    return NULL;
}

/* Under the lock, or before anybody else knows the pool. */
static err_t add_thread(struct worker_pool *pool)
{
    struct worker_thread *thread = &pool->threads[pool->thread_count];
    char name[16];
    snprintf(name, sizeof name, "%s%d", pool->name, pool->thread_count);
    *thread = (struct worker_thread){.pool = pool, .running = UINT64_MAX};
    TRY(thread_start(&thread->thread, name, thread_main, thread));
    pool->thread_count++;
    return OK;
}

err_t worker_pool_new(const char *name, int threads, struct worker_pool **out)
{
    CHECK(threads >= 1 && threads <= THREADS_MAX);
    struct worker_pool *pool = calloc(1, sizeof *pool +
                                             (size_t)threads * sizeof(struct worker_thread));
    if (!pool) return ERR_NOMEM;
    mutex_init(&pool->lock, RANK_LEAF);
    CHECK(pthread_cond_init(&pool->work, NULL) == 0);
    CHECK(pthread_cond_init(&pool->finished, NULL) == 0);
    list_init(&pool->queue);
    pool->thread_max = threads;
    snprintf(pool->name, sizeof pool->name, "%s", name);
    mutex_lock(&pool->lock);
    err_t err = add_thread(pool);
    mutex_unlock(&pool->lock);
    if (err != OK) {
        diag(DIAG_ERROR, "worker", "no thread left pool=%s", name);
        worker_pool_free(pool);
        return err;
    }
    *out = pool;
    return OK;
}

void worker_submit(struct worker_pool *pool, struct task *task)
{
    mutex_lock(&pool->lock);
    list_push_back(&pool->queue, &task->link);
    pool->submitted++;
    uint64_t waiting = pool->submitted - pool->started;
    if (waiting > (uint64_t)pool->idle && pool->thread_count < pool->thread_max &&
        add_thread(pool) != OK) {
        diag(DIAG_DEBUG, "worker", "no thread left pool=%s", pool->name);
    }
    if (pool->idle) pthread_cond_signal(&pool->work);
    mutex_unlock(&pool->lock);
}

static bool has_unfinished_below(const struct worker_pool *pool, uint64_t end)
{
    if (pool->started < end) return true;
    for (int i = 0; i < pool->thread_count; i++) {
        if (pool->threads[i].running < end) return true;
    }
    return false;
}

void worker_drain(struct worker_pool *pool)
{
    mutex_lock(&pool->lock);
    uint64_t end = pool->submitted;
    pool->drainers++;
    while (has_unfinished_below(pool, end)) {
        pthread_cond_wait(&pool->finished, &pool->lock.lock);
    }
    pool->drainers--;
    mutex_unlock(&pool->lock);
}

void worker_pool_free(struct worker_pool *pool)
{
    if (!pool) return;
    mutex_lock(&pool->lock);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->work);
    mutex_unlock(&pool->lock);
    /* A last task may still add a thread, hence the count is read again each time. */
    for (int i = 0;; i++) {
        mutex_lock(&pool->lock);
        int count = pool->thread_count;
        mutex_unlock(&pool->lock);
        if (i >= count) break;
        CHECK(pthread_join(pool->threads[i].thread, NULL) == 0);
    }
    CHECK(list_is_empty(&pool->queue));
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->finished);
    mutex_destroy(&pool->lock);
    free(pool);
}
