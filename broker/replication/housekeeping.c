/* A deadline for each kind of work, one timer, workers.
 *
 *   event --> want(kind) --> [loop] deadline = now + interval, timer armed
 *                                     |
 *   timer --> [loop] due kinds --> flush: partition_flush of each dirty log   (flushers)
 *                                  space, checkpoint, retention: one pass     (housekeepers)
 *
 * A kind that is wanted while its pass runs gets a new deadline when it is wanted, so nothing is
 * lost; two passes of one kind never run at once, because the second would be the same task.
 * `wanted` and the list of dirty partitions are the only things that other threads touch.
 */
#include "housekeeping.h"

#include <semaphore.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "partition_table_impl.h"

enum kind { FLUSH, SPACE, CHECKPOINT, RETENTION, KIND__COUNT };

static const int64_t NS_PER_MS = 1000000;
static const int64_t SPACE_INTERVAL_MS = 1000;

struct housekeeping;

/* One kind's pass on a worker. */
struct pass {
    struct task task;
    struct housekeeping *hk;
    enum kind kind;
    bool is_running; /* guarded by the lock */
    bool again;      /* wanted while running */
};

struct housekeeping {
    struct partition_table *table;
    struct loop *loop;

    struct mutex lock; /* RANK_LEAF */
    struct list dirty; /* partitions, one reference each */
    bool wanted[KIND__COUNT];
    bool is_arming; /* the task is on its way to the loop */
    bool is_stopped;
    int64_t flushed_bytes; /* since the checkpoints were written early */
    struct pass passes[KIND__COUNT];

    /* On the loop's thread only. */
    struct task arm_task;
    struct timer timer;
    int64_t deadlines[KIND__COUNT]; /* 0: none */
    struct task stop_task;
    sem_t stopped;
};

static int64_t interval_ms(const struct housekeeping *hk, enum kind kind)
{
    const struct partition_table_options *o = &hk->table->options;
    switch (kind) {
    case FLUSH: return o->flush_interval_ms;
    case CHECKPOINT: return o->checkpoint_interval_ms;
    case RETENTION: return o->retention_check_ms;
    default: return SPACE_INTERVAL_MS;
    }
}

/* ---- from events to deadlines ---- */

/* The lock is held. True: the caller posts arm_task after letting go of it. */
static bool want(struct housekeeping *hk, enum kind kind)
{
    if (hk->wanted[kind] || hk->is_stopped) return false;
    hk->wanted[kind] = true;
    bool is_first = !hk->is_arming;
    hk->is_arming = true;
    return is_first;
}

static void want_and_post(struct housekeeping *hk, enum kind kind)
{
    mutex_lock(&hk->lock);
    bool is_first = want(hk, kind);
    mutex_unlock(&hk->lock);
    if (is_first) loop_post(hk->loop, &hk->arm_task);
}

static void arm_timer(struct housekeeping *hk)
{
    int64_t earliest = 0;
    for (int k = 0; k < KIND__COUNT; k++)
        if (hk->deadlines[k] && (!earliest || hk->deadlines[k] < earliest))
            earliest = hk->deadlines[k];
    if (earliest) timer_start(hk->loop, &hk->timer, earliest);
}

static void arm_run(struct task *task)
{
    struct housekeeping *hk = CONTAINER_OF(task, struct housekeeping, arm_task);
    int64_t now = loop_now_ns(hk->loop);
    mutex_lock(&hk->lock);
    hk->is_arming = false;
    bool is_stopped = hk->is_stopped;
    for (int k = 0; k < KIND__COUNT; k++)
        if (hk->wanted[k] && !hk->deadlines[k])
            hk->deadlines[k] = now + interval_ms(hk, (enum kind)k) * NS_PER_MS;
    mutex_unlock(&hk->lock);
    if (!is_stopped) arm_timer(hk);
}

/* ---- from deadlines to work ---- */

static void flush_dirty(struct housekeeping *hk)
{
    struct list dirty;
    list_init(&dirty);
    mutex_lock(&hk->lock);
    list_splice_back(&dirty, &hk->dirty);
    mutex_unlock(&hk->lock);
    for (;;) {
        mutex_lock(&hk->lock); /* also for a list of our own: note_dirty looks at the links */
        struct list *link = list_is_empty(&dirty) ? NULL : dirty.next;
        if (link) list_remove(link);
        mutex_unlock(&hk->lock);
        if (!link) return;
        struct partition *p = CONTAINER_OF(link, struct partition, dirty_link);
        partition_flush_if_dirty(p);
        partition_unref(p);
    }
}

static void start_pass(struct housekeeping *hk, enum kind kind)
{
    struct pass *pass = &hk->passes[kind];
    mutex_lock(&hk->lock);
    bool is_first = !pass->is_running && !hk->is_stopped;
    pass->again = !is_first;
    if (is_first) pass->is_running = true;
    mutex_unlock(&hk->lock);
    if (is_first) worker_submit(hk->table->options.housekeepers, &pass->task);
}

static void timer_fire(struct timer *timer)
{
    struct housekeeping *hk = CONTAINER_OF(timer, struct housekeeping, timer);
    int64_t now = loop_now_ns(hk->loop);
    for (int k = 0; k < KIND__COUNT; k++) {
        if (!hk->deadlines[k] || hk->deadlines[k] > now) continue;
        hk->deadlines[k] = 0;
        mutex_lock(&hk->lock);
        hk->wanted[k] = false;
        mutex_unlock(&hk->lock);
        if (k == FLUSH)
            flush_dirty(hk);
        else
            start_pass(hk, (enum kind)k);
    }
    arm_timer(hk);
}

/* ---- the passes ---- */

static void check_space(struct housekeeping *hk)
{
    struct partition_table *table = hk->table;
    bool is_any_low = false;
    for (int i = 0; i < table->options.dir_count; i++) {
        struct table_dir *dir = &table->dirs[i];
        if (log_dir_is_failed(dir->dir)) continue;
        int64_t free_bytes = log_dir_free_bytes(dir->dir);
        bool is_low = free_bytes >= 0 && free_bytes < table->options.low_space_bytes;
        is_any_low |= is_low;
        if (atomic_exchange(&dir->is_low_on_space, is_low) == is_low) continue;
        diag(is_low ? DIAG_ERROR : DIAG_INFO, "housekeeping",
             is_low ? "low on disk space, appends are refused dir=%s free_bytes=%lld "
                      "needed_bytes=%lld"
                    : "disk space is back, appends are accepted dir=%s free_bytes=%lld "
                      "needed_bytes=%lld",
             log_dir_path(dir->dir), (long long)free_bytes,
             (long long)table->options.low_space_bytes);
    }
    if (is_any_low) want_and_post(hk, SPACE);
}

static void write_checkpoints(struct housekeeping *hk)
{
    for (int i = 0; i < hk->table->options.dir_count; i++) {
        struct log_dir *dir = hk->table->dirs[i].dir;
        if (log_dir_is_failed(dir)) continue;
        err_t err = log_dir_write_checkpoints(dir);
        if (!err) continue;
        diag(DIAG_ERROR, "housekeeping", "cannot write the checkpoints dir=%s error=\"%s\"",
             log_dir_path(dir), err_name(err));
        want_and_post(hk, CHECKPOINT);
    }
}

struct retention_pass {
    struct housekeeping *hk;
    time_ms_t now_ms;
    bool has_data;
};

static void retain_one(void *arg, struct partition *p)
{
    struct retention_pass *pass = arg;
    struct log *log = partition_log(p);
    if (!log) return;
    struct partition_view view = partition_describe(p);
    int dropped = 0;
    err_t err = log_apply_retention(log, pass->now_ms, view.high_watermark, &dropped);
    if (err)
        diag(DIAG_ERROR, "housekeeping", "retention failed topic=%s partition=%d error=\"%s\"",
             p->topic, p->index, err_name(err));
    if (dropped) {
        partition_note_start(p);
        diag(DIAG_INFO, "housekeeping", "segments dropped topic=%s partition=%d count=%d", p->topic,
             p->index, dropped);
        want_and_post(pass->hk, CHECKPOINT);
    }
    log_expire_producers(log, pass->now_ms);
    time_ms_t next_ms = -1;
    if (log_reap(log, pass->now_ms, &next_ms) != OK)
        diag(DIAG_WARN, "housekeeping", "cannot remove deleted files topic=%s partition=%d",
             p->topic, p->index);
    pass->has_data |= view.log.size_bytes > 0 || next_ms >= 0;
}

static void apply_retention(struct housekeeping *hk)
{
    struct retention_pass pass = {.hk = hk, .now_ms = env_wall_ms(hk->table->options.env)};
    partition_table_each(hk->table, retain_one, &pass);
    if (pass.has_data) want_and_post(hk, RETENTION);
}

static void pass_run(struct task *task)
{
    struct pass *pass = CONTAINER_OF(task, struct pass, task);
    struct housekeeping *hk = pass->hk;
    switch (pass->kind) {
    case SPACE: check_space(hk); break;
    case CHECKPOINT: write_checkpoints(hk); break;
    case RETENTION: apply_retention(hk); break;
    default: CHECK(!"no such pass");
    }
    mutex_lock(&hk->lock);
    bool again = pass->again && !hk->is_stopped;
    pass->again = false;
    pass->is_running = again;
    mutex_unlock(&hk->lock);
    if (again) worker_submit(hk->table->options.housekeepers, &pass->task);
}

/* ---- events ---- */

void housekeeping_look_at_space(struct housekeeping *hk) { check_space(hk); }

void housekeeping_note_dirty(struct housekeeping *hk, struct partition *p)
{
    mutex_lock(&hk->lock);
    bool is_new = list_is_empty(&p->dirty_link) && !hk->is_stopped;
    bool is_first = false;
    if (is_new) {
        partition_ref(p);
        list_push_back(&hk->dirty, &p->dirty_link);
        is_first = want(hk, FLUSH);
        is_first |= want(hk, SPACE);
        is_first |= want(hk, RETENTION);
    }
    mutex_unlock(&hk->lock);
    if (is_first) loop_post(hk->loop, &hk->arm_task);
}

/* Recovery points are worth writing down early when much was flushed: what lies behind them is read
 * again after a crash. */
static bool is_much(struct housekeeping *hk, int64_t bytes)
{
    mutex_lock(&hk->lock);
    hk->flushed_bytes += bytes;
    bool is_so = hk->flushed_bytes > hk->table->options.unflushed_limit_bytes / 2;
    if (is_so) hk->flushed_bytes = 0;
    mutex_unlock(&hk->lock);
    return is_so;
}

void housekeeping_note_flushed(struct housekeeping *hk, struct partition *p, koffset_t flushed,
                               int64_t bytes)
{
    struct log_dir *dir = p->place->dir;
    struct partition_view view = partition_describe(p);
    if (log_dir_set_checkpoint(dir, CHECKPOINT_RECOVERY_POINT, p->topic, p->index, flushed) ||
        log_dir_set_checkpoint(dir, CHECKPOINT_HIGH_WATERMARK, p->topic, p->index,
                               view.high_watermark))
        diag(DIAG_WARN, "housekeeping", "no memory for a checkpoint topic=%s partition=%d",
             p->topic, p->index);
    if (is_much(hk, bytes))
        start_pass(hk, CHECKPOINT);
    else
        want_and_post(hk, CHECKPOINT);
}

void housekeeping_note_start(struct housekeeping *hk, struct partition *p, koffset_t start)
{
    struct log_dir *dir = p->place->dir;
    if (log_dir_set_checkpoint(dir, CHECKPOINT_LOG_START, p->topic, p->index, start))
        diag(DIAG_WARN, "housekeeping", "no memory for a checkpoint topic=%s partition=%d",
             p->topic, p->index);
    start_pass(hk, CHECKPOINT);
}

void housekeeping_note_data(struct housekeeping *hk) { want_and_post(hk, RETENTION); }

void housekeeping_forget(struct housekeeping *hk, struct partition *p)
{
    mutex_lock(&hk->lock);
    bool was_dirty = !list_is_empty(&p->dirty_link);
    if (was_dirty) list_remove(&p->dirty_link);
    mutex_unlock(&hk->lock);
    if (was_dirty) partition_unref(p);
}

/* ---- life ---- */

struct housekeeping *housekeeping_new(struct partition_table *table)
{
    struct housekeeping *hk = calloc(1, sizeof *hk);
    if (!hk) return NULL;
    hk->table = table;
    hk->loop = table->options.timer_loop;
    mutex_init(&hk->lock, RANK_LEAF);
    list_init(&hk->dirty);
    hk->arm_task.run = arm_run;
    hk->timer.fire = timer_fire;
    CHECK(sem_init(&hk->stopped, 0, 0) == 0);
    for (int k = 0; k < KIND__COUNT; k++) {
        hk->passes[k].task.run = pass_run;
        hk->passes[k].hk = hk;
        hk->passes[k].kind = (enum kind)k;
    }
    return hk;
}

static void stop_run(struct task *task)
{
    struct housekeeping *hk = CONTAINER_OF(task, struct housekeeping, stop_task);
    if (timer_is_started(&hk->timer)) timer_stop(hk->loop, &hk->timer);
    sem_post(&hk->stopped);
}

void housekeeping_stop(struct housekeeping *hk, bool loop_runs)
{
    mutex_lock(&hk->lock);
    bool was_stopped = hk->is_stopped;
    hk->is_stopped = true;
    mutex_unlock(&hk->lock);
    if (was_stopped || !loop_runs) return;
    hk->stop_task.run = stop_run;
    loop_post(hk->loop, &hk->stop_task);
    while (sem_wait(&hk->stopped) != 0) continue;
}

void housekeeping_free(struct housekeeping *hk)
{
    if (!hk) return;
    LIST_EACH_SAFE (link, &hk->dirty) {
        list_remove(link);
        partition_unref(CONTAINER_OF(link, struct partition, dirty_link));
    }
    sem_destroy(&hk->stopped);
    mutex_destroy(&hk->lock);
    free(hk);
}
