/* Happy path, on a worker, under `work`: appends are stopped (is_changing), so the end stands
 * still; the files of the next segment are made without `lock`; then, under it, the old segment is
 * sealed and the new one takes its place; then, again without, reserved blocks are given back and
 * the producers' state is kept beside.
 *
 * Whoever was sent away by log_append() comes here, perhaps many at a time. Each is a claim; the
 * first one rolls, the others find that it is done.
 *
 * Failure modes: files that cannot be made leave the log as it was, with perhaps an empty file. A
 * failed write of the final index entries fails the log. A failed snapshot or trim costs nothing
 * but time after a crash, so it is told and passed over.
 */
#include "base/check.h"
#include "log_internal.h"

/* Under `lock`: the new segment takes over. */
static err_t install(struct log *log, struct segment *next)
{
    struct segment *active = log_active(log);
    CHECK(active->end_offset <= next->base_offset);
    err_t err = segment_seal(active);
    if (err != OK && err != ERR_NOSPACE && err != ERR_LIMIT && err != ERR_NOMEM) {
        log_fail(log, err, "seal segment");
        return err;
    }
    TRY(err);
    TRY(log_push_segment(log, next));
    active->end_offset = next->base_offset;
    log->end_offset = next->base_offset;
    log->dir_changes++;
    log->wants_roll = false;
    return OK;
}

/* What can be done beside appends once the new segment is there. */
static void tidy_up(struct log *log, struct segment *sealed, koffset_t offset, struct view snapshot)
{
    int64_t position = log_position(sealed, sealed->size_bytes);
    if (segment_trim(sealed) != OK) {
        diag(DIAG_WARN, "log", "reserved blocks not given back log=%s segment=%lld", log->path,
             (long long)sealed->base_offset);
    }
    log_write_snapshot(log, offset, position, snapshot);
}

/* Stops appends. ERR_FAILED. */
static err_t begin(struct log *log)
{
    mutex_lock(&log->lock);
    err_t err = log->is_failed ? ERR_FAILED : OK;
    log->is_changing = err == OK;
    mutex_unlock(&log->lock);
    return err;
}

/* The active segment is empty: there is nothing to roll. */
static err_t end_unchanged(struct log *log)
{
    mutex_lock(&log->lock);
    log->is_changing = log->wants_roll = false;
    mutex_unlock(&log->lock);
    return OK;
}

static err_t end(struct log *log, struct segment *next, struct buf *snapshot, err_t err)
{
    mutex_lock(&log->lock);
    if (err == OK) err = producer_state_encode(log->producers, snapshot);
    if (err == OK) err = log->is_failed ? ERR_FAILED : install(log, next);
    log->is_changing = false;
    log_check(log);
    mutex_unlock(&log->lock);
    return err;
}

/* A file that stays would, once there are others behind it, look like the end of the segment that
 * goes on over its base. A crash in between is well: then it is the last one, and empty. */
static void take_back(struct log *log, struct segment *next)
{
    err_t err = segment_unlink(next, "");
    if (err == OK) return;
    mutex_lock(&log->lock);
    log_fail(log, err, "take back a segment");
    mutex_unlock(&log->lock);
}

err_t log_roll_to(struct log *log, koffset_t base_offset)
{
    mutex_assert_held(&log->work);
    TRY(begin(log));
    struct segment *sealed = log_active(log);
    struct buf snapshot = {0};
    base_offset = MAX(base_offset, log->end_offset);
    if (sealed->base_offset == base_offset) return end_unchanged(log);
    struct segment *next = log_new_segment(log, base_offset);
    err_t err = end(log, next, &snapshot, log_create_files(log, next));
    if (err == OK) {
        tidy_up(log, sealed, base_offset, buf_view(&snapshot));
    } else {
        take_back(log, next);
        segment_unref(next);
    }
    buf_release(&snapshot);
    return err;
}

/* Whether this call has to roll, and where to. */
static bool claim(struct log *log, koffset_t *base_offset)
{
    mutex_lock(&log->lock);
    bool is_asked_for = log->roll_claims == 0 || log->wants_roll;
    *base_offset = MAX(log->end_offset, log->wants_roll ? log->roll_offset : 0);
    if (log->roll_claims > 0) log->roll_claims--;
    mutex_unlock(&log->lock);
    return is_asked_for;
}

err_t log_roll(struct log *log)
{
    koffset_t base_offset;
    mutex_lock(&log->work);
    err_t err = claim(log, &base_offset) ? log_roll_to(log, base_offset) : OK;
    mutex_unlock(&log->work);
    return err;
}
