/* Appending: from a run of client batches to their acknowledgement.
 *
 *   partition_append --> log_append --> done                       (page-cache)
 *           |                |  `----> committing --> done         (fsync: after a flush)
 *           `----------------`-> parked --> roll or flush on a worker --> log_append --> ...
 *
 * Happy path: one log_append for the whole run under the lock, and the high watermark follows.
 * A log that needs a new segment says so; what it has not taken is copied (the bytes belong to the
 * connection) and a worker creates the segment and appends the copies. As long as that goes on,
 * later writes join the queue behind them: the order of writes is the order of offsets.
 * When too much is unflushed over all logs, writes to a log that has a share in it are parked
 * likewise until that share is flushed: producers go at the pace of the disk then.
 * Group commit: while a flush runs, writes gather in `committing`; when it ends, all that it
 * covered are acknowledged together and the next one starts if there are more.
 * Failure modes: an append error is the batch's own. A failed roll ends every parked write with its
 * error. A failed flush ends every committing write: what is not known to be on disk is never
 * acknowledged.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "partition_impl.h"
#include "partition_table_impl.h"

enum {
    RUN_MAX = 64,           /* batches handed to the log at once */
    ROLLS_WITHOUT_GAIN = 4, /* then the log is taken for broken */
};

static void prepare_run(struct task *task);
static void flush_run(struct task *task);

static void start_flush(struct partition *p)
{
    if (p->is_flushing || !p->log) return;
    p->is_flushing = true;
    partition_ref(p);
    p->flush_task.run = flush_run;
    worker_submit(p->table->options.flushers, &p->flush_task);
}

/* For a new segment, or else for room. */
static void start_preparing(struct partition *p, bool needs_roll)
{
    CHECK(!p->is_preparing);
    const struct partition_table_options *options = &p->table->options;
    p->is_preparing = true;
    p->needs_roll = needs_roll;
    partition_ref(p);
    p->prepare_task.run = prepare_run;
    worker_submit(needs_roll ? options->housekeepers : options->flushers, &p->prepare_task);
}

/* Does this log take part in there being too much unflushed? */
static bool is_pressed(const struct partition *p)
{
    return p->dirty_bytes > 0 &&
           atomic_load_explicit(&p->table->unflushed_bytes, memory_order_relaxed) >
               p->table->options.unflushed_limit_bytes;
}

static void note_dirty(struct partition *p, size_t bytes)
{
    p->dirty_bytes += (int64_t)bytes;
    atomic_fetch_add_explicit(&p->table->unflushed_bytes, (int64_t)bytes, memory_order_relaxed);
    if (!p->is_dirty) {
        p->is_dirty = true;
        housekeeping_note_dirty(p->table->housekeeping, p);
    }
    if (p->dirty_bytes >= p->table->options.flush_bytes) start_flush(p);
}

/* What became of a batch that the log is through with. `end` follows the newest offset. */
static void settle(struct partition *p, struct partition_write *write, koffset_t *end)
{
    struct log_append *batch = &write->batch;
    write->log_start = p->log_start;
    if (batch->err) return;
    *end = MAX(*end, batch->last_offset + 1);
    bool is_fsync = p->config.log.durability == DURABILITY_FSYNC;
    if (!is_fsync || batch->last_offset < p->high_watermark) return;
    if (!write->is_parked) write->is_parked = true; /* its owner may be reading what is set */
    list_push_back(&p->committing, &write->link);
}

/* Hands up to RUN_MAX writes to the log; returns how many it is through with. Fewer than `count`:
 * a roll is needed first. */
static size_t append_some(struct partition *p, struct partition_write **writes, size_t count,
                          koffset_t *end)
{
    struct log_append batches[RUN_MAX];
    size_t bytes = 0, done = 0;
    for (size_t i = 0; i < count; i++) batches[i] = writes[i]->batch;
    err_t err = log_append(p->log, batches, count, LOG_FROM_CLIENT, p->leader_epoch);
    for (size_t i = 0; i < count; i++) {
        if (!batches[i].is_done) {
            if (err == ERR_AGAIN) break;
            batches[i].is_done = true;
            batches[i].err = err ? err : ERR_FAILED;
        }
        writes[i]->batch = batches[i];
        if (!batches[i].err && !batches[i].is_duplicate) bytes += batches[i].header.size_bytes;
        settle(p, writes[i], end);
        done++;
    }
    if (bytes) note_dirty(p, bytes);
    return done;
}

/* Appends as much as the segment takes; returns how many writes the log is through with. */
static size_t append_run(struct partition *p, struct partition_write **writes, size_t count,
                         struct partition_news *news)
{
    koffset_t end = p->high_watermark;
    size_t done = 0;
    while (done < count) {
        size_t want = MIN(count - done, (size_t)RUN_MAX);
        size_t n = append_some(p, writes + done, want, &end);
        done += n;
        if (n < want) break;
    }
    if (p->config.log.durability == DURABILITY_PAGE_CACHE) partition_advance(p, end, news);
    if (!list_is_empty(&p->committing)) start_flush(p);
    return done;
}

static void end_write(struct partition_write *write, err_t err)
{
    write->batch.err = err;
    write->batch.is_done = true;
}

/* Copies the batches, because their bytes are the connection's, and queues them. */
static void park(struct partition *p, struct partition_write **writes, size_t count)
{
    bool needs_roll = !is_pressed(p);
    for (size_t i = 0; i < count; i++) {
        struct log_append *batch = &writes[i]->batch;
        writes[i]->owned_data = malloc(batch->header.size_bytes);
        if (!writes[i]->owned_data) {
            end_write(writes[i], ERR_NOMEM);
            continue;
        }
        memcpy(writes[i]->owned_data, batch->data, batch->header.size_bytes);
        batch->data = writes[i]->owned_data;
        writes[i]->is_parked = true;
        list_push_back(&p->parked, &writes[i]->link);
    }
    if (!p->is_preparing && !list_is_empty(&p->parked)) start_preparing(p, needs_roll);
}

static err_t why_not(const struct partition *p)
{
    if (!p->log) return p->is_leader ? ERR_FAILED : ERR_NOT_LEADER;
    if (!p->is_leader) return ERR_NOT_LEADER;
    if (log_dir_is_failed(p->place->dir)) return ERR_FAILED;
    if (atomic_load_explicit(&p->place->is_low_on_space, memory_order_relaxed)) return ERR_NOSPACE;
    return OK;
}

void partition_append(struct partition *p, struct partition_write **writes, size_t count)
{
    struct partition_news news;
    partition_news_init(&news);
    mutex_lock(&p->lock);
    for (size_t i = 0; i < count; i++) {
        DCHECK(writes[i]->done);
        writes[i]->is_parked = false;
        writes[i]->owned_data = NULL;
        writes[i]->batch.is_done = false;
    }
    err_t err = why_not(p);
    size_t done = 0;
    if (!err && !p->is_preparing && !is_pressed(p)) done = append_run(p, writes, count, &news);
    if (err)
        for (size_t i = 0; i < count; i++) end_write(writes[i], err);
    else if (done < count)
        park(p, writes + done, count - done);
    mutex_unlock(&p->lock);
    partition_news_deliver(&news);
}

/* ---- on workers ---- */

/* Takes up to RUN_MAX writes from the front of the queue. */
static size_t take_parked(struct partition *p, struct partition_write **writes)
{
    size_t count = 0;
    while (count < RUN_MAX && !list_is_empty(&p->parked)) {
        struct list *link = p->parked.next;
        list_remove(link);
        writes[count++] = CONTAINER_OF(link, struct partition_write, link);
    }
    return count;
}

/* Appends from the queue until it is empty or the segment full; false: the log took nothing. The
 * lock is held. */
static bool append_parked(struct partition *p, struct partition_news *news)
{
    bool has_gained = false;
    while (!list_is_empty(&p->parked)) {
        struct partition_write *writes[RUN_MAX];
        size_t count = take_parked(p, writes);
        size_t done = append_run(p, writes, count, news);
        for (size_t i = 0; i < done; i++) /* Those that wait for a flush are in `committing`. */
            if (list_is_empty(&writes[i]->link)) list_push_back(&news->writes, &writes[i]->link);
        for (size_t i = count; i > done; i--) list_push_front(&p->parked, &writes[i - 1]->link);
        has_gained |= done > 0;
        if (done < count) return has_gained;
    }
    return true;
}

void partition_flush_if_dirty(struct partition *p)
{
    mutex_lock(&p->lock);
    if (p->is_dirty) start_flush(p);
    mutex_unlock(&p->lock);
}

/* Makes durable what there is; the news are for the caller to deliver. */
static err_t flush(struct partition *p, struct partition_news *news)
{
    mutex_lock(&p->lock);
    struct log *log = p->log;
    int64_t bytes = partition_take_dirty(p);
    mutex_unlock(&p->lock);

    koffset_t flushed = -1;
    err_t err = log ? log_flush(log, &flushed) : ERR_NOT_LEADER;

    atomic_fetch_sub_explicit(&p->table->unflushed_bytes, bytes, memory_order_relaxed);
    mutex_lock(&p->lock);
    if (err)
        partition_fail_writes(p, err == ERR_NOT_LEADER ? err : ERR_FAILED, news);
    else if (p->config.log.durability == DURABILITY_FSYNC)
        partition_advance(p, flushed, news);
    mutex_unlock(&p->lock);
    if (!err) housekeeping_note_flushed(p->table->housekeeping, p, flushed, bytes);
    return err;
}

static void flush_run(struct task *task)
{
    struct partition *p = CONTAINER_OF(task, struct partition, flush_task);
    struct partition_news news;
    partition_news_init(&news);
    (void)!flush(p, &news); /* the log remembers a failure, and so do the writes */
    mutex_lock(&p->lock);
    p->is_flushing = false;
    if (!list_is_empty(&p->committing)) start_flush(p);
    mutex_unlock(&p->lock);
    partition_news_deliver(&news);
    partition_unref(p);
}

/* One turn: a new segment or a flush, then the queue. True: the queue is empty. */
static bool prepare(struct partition *p, int *without_gain)
{
    struct partition_news news;
    partition_news_init(&news);
    struct log *log = partition_log(p);
    err_t err = ERR_NOT_LEADER;
    if (log) err = p->needs_roll ? log_roll(log) : flush(p, &news);
    mutex_lock(&p->lock);
    p->needs_roll = true; /* what is left after this turn needs a segment */
    if (!err && p->log && !append_parked(p, &news) && ++*without_gain == ROLLS_WITHOUT_GAIN)
        err = ERR_FAILED;
    if (err) partition_fail_parked(p, err, &news);
    bool is_over = list_is_empty(&p->parked);
    if (is_over) p->is_preparing = false;
    mutex_unlock(&p->lock);
    partition_news_deliver(&news);
    return is_over;
}

static void prepare_run(struct task *task)
{
    struct partition *p = CONTAINER_OF(task, struct partition, prepare_task);
    int without_gain = 0;
    while (!prepare(p, &without_gain)) continue;
    partition_unref(p);
}
