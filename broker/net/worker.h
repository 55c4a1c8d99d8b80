/* worker - a pool of threads for what may block: flushes, file creation, recovery, cold reads,
 * compression.
 *
 * Tasks start in order of submission. A task that has to tell a loop does so with loop_post().
 */
#pragma once

#include "base/err.h"
#include "task.h"

struct worker_pool;

/* `name` (at most 11 bytes, a number is appended) names the threads; the first is started at once,
 * so that later submissions cannot fail, the others when needed. */
err_t worker_pool_new(const char *name, int threads, struct worker_pool **out);
/* Runs what was submitted, then ends the threads. NULL is allowed. */
void worker_pool_free(struct worker_pool *pool);
/* Any thread; never blocks for long, never fails. */
void worker_submit(struct worker_pool *pool, struct task *task);
/* Waits until everything submitted so far has run. Not from a worker. */
void worker_drain(struct worker_pool *pool);
