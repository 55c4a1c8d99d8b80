/* The tasks and timers of a shard. Each works on lists that the connections are in, so an idle
 * shard costs nothing, and a busy one nothing for its idle connections. */
#include "shard.h"

#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/diag.h"
#include "conn_internal.h"

enum { NS_PER_MS = 1000000, ACTIVITY_STEP_MAX_MS = 1000 };

/* ---- the dirty list ---- */

static void attend_dirty(struct task *task)
{
    struct shard *shard = CONTAINER_OF(task, struct shard, dirty_task);
    struct list batch;
    list_init(&batch);
    list_splice_back(&batch, &shard->dirty);
    while (!list_is_empty(&batch)) {
        struct conn *conn = CONTAINER_OF(batch.next, struct conn, dirty);
        list_remove(&conn->dirty);
        conn_attend(conn);
        conn_unref(conn); /* conn_touch() took it */
    }
}

/* ---- the budget ---- */

static void retry_waiting(struct task *task)
{
    struct shard *shard = CONTAINER_OF(task, struct shard, budget_task);
    atomic_store(&shard->is_budget_posted, false);
    struct list batch;
    list_init(&batch);
    list_splice_back(&batch, &shard->waiting);
    while (!list_is_empty(&batch)) {
        struct conn *conn = CONTAINER_OF(batch.next, struct conn, waiting);
        list_remove(&conn->waiting);
        atomic_fetch_sub(&shard->shared->budget.waiting, 1);
        conn_touch(conn);
    }
}

void shard_wake_waiting(struct server_shared *shared)
{
    for (int i = 0; i < shared->shard_count; i++) {
        struct shard *shard = &shared->shards[i];
        if (!atomic_exchange(&shard->is_budget_posted, true)) {
            loop_post(shard->loop, &shard->budget_task);
        }
    }
}

void shard_watch_overdraft(struct shard *shard)
{
    int64_t deadline = loop_now_ns(shard->loop) + (int64_t)OVERDRAFT_MS * NS_PER_MS;
    timer_start(shard->loop, &shard->overdraft_timer, deadline);
}

static void overdraft_is_over(struct timer *timer)
{
    struct shard *shard = CONTAINER_OF(timer, struct shard, overdraft_timer);
    struct budget *budget = &shard->shared->budget;
    if (!budget_is_over(budget) || atomic_load(&budget->waiting) == 0) {
        shard_watch_overdraft(shard); /* nobody suffers */
        return;
    }
    const void *holder = atomic_load(&budget->overdraft);
    LIST_EACH (link, &shard->by_activity) {
        struct conn *conn = CONTAINER_OF(link, struct conn, activity);
        if (conn != holder) continue;
        diag(DIAG_WARN, "net", "frame arrives too slowly while memory is short, closing peer=%s",
             conn_peer(conn));
        conn_close(conn, NULL, false);
        return;
    }
}

/* ---- idle connections ---- */

/* What the service still works on keeps a connection alive. */
static bool is_waiting_for_service(const struct conn *conn)
{
    return conn->holds > 0 || (conn->expected > 0 && !conn_has_ready(conn));
}

static bool close_if_idle(struct shard *shard, struct conn *conn, int64_t now_ms)
{
    if (conn->active_ms + shard->shared->options.idle_timeout_ms > now_ms) return false;
    if (!is_waiting_for_service(conn)) {
        conn_close(conn, "idle", false);
        shard_count_up(&shard->closed_idle, 1);
    }
    conn->active_ms = now_ms;
    list_remove(&conn->activity);
    list_push_back(&shard->by_activity, &conn->activity);
    return true;
}

void shard_watch_idle(struct shard *shard)
{
    int64_t timeout_ms = shard->shared->options.idle_timeout_ms;
    if (timeout_ms <= 0) return;
    int64_t now_ms = loop_coarse_ms(shard->loop);
    while (!list_is_empty(&shard->by_activity)) {
        struct conn *conn = CONTAINER_OF(shard->by_activity.next, struct conn, activity);
        if (close_if_idle(shard, conn, now_ms)) continue;
        int64_t due_ms = conn->active_ms + timeout_ms;
        timer_start(shard->loop, &shard->idle_timer, due_ms * NS_PER_MS);
        return;
    }
}

static void idle_timer_fires(struct timer *timer)
{
    shard_watch_idle(CONTAINER_OF(timer, struct shard, idle_timer));
}

void shard_watch_lingering(struct shard *shard)
{
    int64_t now_ms = loop_coarse_ms(shard->loop);
    LIST_EACH_SAFE (link, &shard->lingering) {
        struct conn *conn = CONTAINER_OF(link, struct conn, lingering);
        if (conn->linger_until_ms > now_ms) {
            timer_start(shard->loop, &shard->linger_timer, conn->linger_until_ms * NS_PER_MS);
            return;
        }
        conn_close(conn, NULL, false);
    }
}

static void linger_timer_fires(struct timer *timer)
{
    shard_watch_lingering(CONTAINER_OF(timer, struct shard, linger_timer));
}

/* ---- the end ---- */

void shard_check_quiet(struct shard *shard)
{
    if (!shard->quiet || shard->handles || shard->cold_reads) return;
    shard->quiet(shard);
}

void shard_close_all(struct shard *shard, bool after_replies)
{
    LIST_EACH_SAFE (link, &shard->by_activity) {
        struct conn *conn = CONTAINER_OF(link, struct conn, activity);
        conn_close(conn, NULL, after_replies && conn->state != CONN_LINGERING);
    }
}

/* ---- lifecycle ---- */

err_t shard_init(struct shard *shard, struct server_shared *shared, struct loop *loop)
{
    int64_t timeout_ms = shared->options.idle_timeout_ms;
    *shard = (struct shard){
        .shared = shared,
        .loop = loop,
        .activity_step_ms = timeout_ms > 0 ? MIN(timeout_ms / 8, ACTIVITY_STEP_MAX_MS) : INT64_MAX,
        .pool.retained_max = MAX(RETAINED_BYTES / shared->options.loops, RETAINED_BYTES_MIN),
        .dirty_task = {.run = attend_dirty},
        .budget_task = {.run = retry_waiting},
        .idle_timer = {.fire = idle_timer_fires},
        .linger_timer = {.fire = linger_timer_fires},
        .overdraft_timer = {.fire = overdraft_is_over},
    };
    list_init(&shard->by_activity);
    list_init(&shard->dirty);
    list_init(&shard->waiting);
    list_init(&shard->lingering);
    void *scratch = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
    if (scratch == MAP_FAILED) return ERR_NOMEM;
    shard->scratch = scratch;
    return OK;
}

void shard_release(struct shard *shard)
{
    CHECK(list_is_empty(&shard->by_activity) && list_is_empty(&shard->dirty));
    if (shard->scratch) munmap(shard->scratch, SCRATCH_BYTES);
    frame_pool_release(&shard->pool);
}
