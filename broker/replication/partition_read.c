/* Reading, watching, and moving the log's start.
 *
 * A read takes what it needs from the partition in one short look under the lock (who leads, how
 * far consumers may see) and asks the log without it: the log stays, because the caller holds a
 * reference. What happens in between can only make more readable. Truncation is the exception; it
 * comes with a change of leadership, for which the log answers ERR_RANGE.
 */
#include <stdlib.h>

#include "base/check.h"
#include "partition_impl.h"
#include "partition_table_impl.h"

struct reading {
    struct log *log;
    koffset_t high_watermark;
    leader_epoch_t leader_epoch;
    bool is_leader;
};

static struct reading look(struct partition *p)
{
    mutex_lock(&p->lock);
    struct reading now = {p->log, p->high_watermark, p->leader_epoch, p->is_leader};
    mutex_unlock(&p->lock);
    return now;
}

static err_t check_leader(const struct reading *now, leader_epoch_t current_leader_epoch)
{
    if (!now->is_leader) return ERR_NOT_LEADER;
    if (!now->log) return ERR_FAILED;
    if (current_leader_epoch < 0 || current_leader_epoch == now->leader_epoch) return OK;
    return current_leader_epoch < now->leader_epoch ? ERR_STALE_EPOCH : ERR_UNKNOWN_EPOCH;
}

err_t partition_check_leader(struct partition *p, leader_epoch_t current_leader_epoch)
{
    struct reading now = look(p);
    return check_leader(&now, current_leader_epoch);
}

static err_t read_log(const struct reading *now, const struct partition_fetch *fetch,
                      struct partition_fetched *out)
{
    koffset_t limit = fetch->read_committed ? out->last_stable : out->high_watermark;
    struct log_read read = {0};
    /* Between the limit and the end there is something, but not for consumers yet. */
    if (fetch->offset >= limit) {
        koffset_t end = log_offsets(now->log).end;
        return fetch->offset <= end && fetch->offset >= out->log_start ? OK : ERR_RANGE;
    }
    TRY(log_read(now->log, fetch->offset, limit, fetch->max_bytes, fetch->at_least_one, &read));
    out->slice = read.slice;
    if (!fetch->read_committed || !out->slice.file) return OK;
    err_t err = log_aborted_txns(now->log, read.start_offset, limit, &out->aborted,
                                 &out->aborted_count);
    if (err) slice_release(&out->slice);
    return err;
}

void partition_read(struct partition *p, const struct partition_fetch *fetch,
                    struct partition_fetched *out)
{
    *out = (struct partition_fetched){.high_watermark = -1, .last_stable = -1, .log_start = -1};
    struct reading now = look(p);
    out->err = check_leader(&now, fetch->current_leader_epoch);
    if (out->err) return;
    struct log_offsets offsets = log_offsets(now.log);
    out->high_watermark = now.high_watermark;
    out->last_stable = now.high_watermark;
    if (offsets.first_unstable >= 0)
        out->last_stable = MIN(out->last_stable, offsets.first_unstable);
    out->log_start = offsets.start;
    out->err = read_log(&now, fetch, out);
}

void partition_watch(struct partition *p, struct partition_watch *watch, struct waiter *waiter)
{
    partition_ref(p);
    watch->partition = p;
    watch->waiter = waiter;
    mutex_lock(&p->lock);
    list_push_back(&p->watches, &watch->link);
    mutex_unlock(&p->lock);
}

void partition_unwatch(struct partition_watch *watch)
{
    struct partition *p = watch->partition;
    if (!p) return;
    mutex_lock(&p->lock);
    list_remove(&watch->link);
    mutex_unlock(&p->lock);
    watch->partition = NULL;
    partition_unref(p);
}

err_t partition_delete_records(struct partition *p, koffset_t offset, koffset_t *new_start)
{
    struct reading now = look(p);
    TRY(check_leader(&now, -1));
    if (offset == -1) offset = now.high_watermark;
    if (offset < 0 || offset > now.high_watermark) return ERR_RANGE;
    bool is_moved = offset > log_offsets(now.log).start;
    if (is_moved) TRY(log_advance_start(now.log, offset));
    partition_note_start(p);
    *new_start = log_offsets(now.log).start;
    if (is_moved) housekeeping_note_start(p->table->housekeeping, p, *new_start);
    return OK;
}

void partition_note_start(struct partition *p)
{
    mutex_lock(&p->lock);
    if (p->log) p->log_start = log_offsets(p->log).start;
    mutex_unlock(&p->lock);
}
