/* A snapshot is the producers as they were before an offset; replaying the batches from there on
 * gives the present. One is written at each roll, at each clean close, after a recovery, and by a
 * flush when the newest one is 64 MiB old. Those where a segment begins stay as long as that does,
 * because that may be all there is below the recovery point; of the others the newest stay.
 *
 * They are written in place and synced; a torn one has a bad checksum and the one before it is
 * taken. The next flush makes its name durable before the recovery point passes it, and only what
 * lies below a recovery point is trusted after a crash. A truncation has to take those beyond the
 * new end away: one that stayed would speak of producers who were never there.
 */
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"

enum { SNAPSHOT_MAX_BYTES = 1 << 30, CONTROL_BATCH_MAX_BYTES = 1 << 20 };

static void snapshot_path(const struct log *log, koffset_t offset, char out[PATH_MAX])
{
    file_name_path(&(struct file_name){log->path, offset, ".snapshot"}, out);
}

static err_t unlink_snapshot(const struct log *log, koffset_t offset)
{
    char path[PATH_MAX];
    snapshot_path(log, offset, path);
    int r = log_os(log)->unlink(log_os(log), path);
    if (r >= 0) return OK;
    err_t err = file_error(r, "unlink", path);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- the list ---- */

koffset_t log_newest_snapshot(const struct log *log)
{
    return log->snapshot_count ? log->snapshots[log->snapshot_count - 1] : -1;
}

err_t log_note_snapshot(struct log *log, koffset_t offset)
{
    size_t at = log->snapshot_count;
    while (at > 0 && log->snapshots[at - 1] >= offset) at--;
    if (at < log->snapshot_count && log->snapshots[at] == offset) return OK;
    koffset_t *grown = realloc(log->snapshots, (log->snapshot_count + 1) * sizeof *grown);
    if (!grown) return ERR_NOMEM;
    log->snapshots = grown;
    memmove(grown + at + 1, grown + at, (log->snapshot_count - at) * sizeof *grown);
    grown[at] = offset;
    log->snapshot_count++;
    return OK;
}

static void forget_snapshot(struct log *log, size_t at)
{
    CHECK(at < log->snapshot_count);
    log->snapshot_count--;
    memmove(log->snapshots + at, log->snapshots + at + 1,
            (log->snapshot_count - at) * sizeof *log->snapshots);
}

/* Where a segment begins: the recovery point may be in any of them. */
static bool is_segment_base(const struct log *log, koffset_t offset)
{
    if (offset < log->segments[0]->base_offset) return false;
    return log->segments[log_segment_index(log, offset)]->base_offset == offset;
}

/* Takes one that nobody will want out of the list; -1: none. */
static koffset_t pop_stale(struct log *log, koffset_t start, koffset_t end, size_t keep)
{
    koffset_t offset = -1;
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->snapshot_count && offset < 0; i++) {
        koffset_t o = log->snapshots[i];
        bool is_wanted = log->snapshot_count - i <= keep || is_segment_base(log, o);
        if (o >= start && o <= end && is_wanted) continue;
        offset = o;
        forget_snapshot(log, i);
    }
    mutex_unlock(&log->lock);
    return offset;
}

err_t log_drop_snapshots(struct log *log, koffset_t start, koffset_t offset)
{
    koffset_t stale;
    while ((stale = pop_stale(log, start, offset, SIZE_MAX)) >= 0) {
        TRY(unlink_snapshot(log, stale));
    }
    return OK;
}

/* ---- write ---- */

static err_t write_file(const struct os *os, const char *path, struct view bytes)
{
    int fd = os->open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE);
    if (fd < 0) return file_error(fd, "create", path);
    ssize_t r = os->pwrite(os, fd, bytes.data, bytes.len, 0);
    if (r >= 0) r = os->fsync(os, fd);
    int c = os->close(os, fd);
    if (r >= 0) r = c;
    return r < 0 ? file_error(r, "write", path) : OK;
}

void log_write_snapshot(struct log *log, koffset_t offset, int64_t position, struct view bytes)
{
    char path[PATH_MAX];
    snapshot_path(log, offset, path);
    err_t err = write_file(log_os(log), path, bytes);
    if (err != OK) {
        (void)!unlink_snapshot(log, offset);
        return;
    }
    mutex_lock(&log->lock);
    err = log_note_snapshot(log, offset);
    log->dir_changes++;
    log->snapshot_position = MAX(log->snapshot_position, position);
    mutex_unlock(&log->lock);
    koffset_t stale;
    if (err != OK) return;
    while ((stale = pop_stale(log, 0, INT64_MAX, LOG_SNAPSHOTS_KEPT)) >= 0) {
        (void)!unlink_snapshot(log, stale); /* an old one too many is harmless */
    }
}

/* ---- rebuild ---- */

static err_t load_one(struct log *log, struct producer_state *state, koffset_t offset)
{
    char path[PATH_MAX];
    struct buf bytes = {0};
    snapshot_path(log, offset, path);
    err_t err = os_read_file(log_os(log), path, SNAPSHOT_MAX_BYTES, &bytes);
    if (err == OK) err = producer_state_decode(state, buf_view(&bytes));
    buf_release(&bytes);
    if (err == OK || err == ERR_LIMIT || err == ERR_NOMEM) return err;
    diag(DIAG_WARN, "log",
         "producer snapshot is not usable, taking an older one file=%s error=\"%s\"", path,
         err_name(err));
    return err;
}

/* Loads the newest good snapshot at or below `from`; *offset is its own, or where the log begins
 * with nobody known. */
static err_t load_newest(struct log *log, struct producer_state *state, koffset_t from,
                         koffset_t *offset)
{
    for (size_t i = log->snapshot_count; i-- > 0;) {
        *offset = log->snapshots[i];
        if (*offset > from) continue;
        err_t err = load_one(log, state, *offset);
        if (err == OK || err == ERR_LIMIT || err == ERR_NOMEM) return err;
        if (err == ERR_IO) continue; /* perhaps readable another time */
        forget_snapshot(log, i);
        (void)!unlink_snapshot(log, *offset); /* it would be found unusable again */
    }
    producer_state_clear(state);
    *offset = log->segments[0]->base_offset;
    return OK;
}

struct replay {
    struct log *log;
    struct producer_state *state;
    koffset_t from, to;
    bool with_epochs;
};

/* The batches of [from, to) in one segment. */
static err_t replay_segment(const struct replay *r, struct segment *segment,
                            struct segment_scan *scan)
{
    struct batch_header header;
    err_t err;
    while ((err = log_next_batch(r->log, segment, scan, &header)) == OK) {
        if (header.base_offset >= r->to) return OK;
        if (batch_last_offset(&header) < r->from) continue;
        struct view whole = {0};
        if (batch_is_control(&header) && header.size_bytes <= CONTROL_BATCH_MAX_BYTES) {
            TRY(segment_scan_batch(scan, &header, &whole));
        }
        if (r->with_epochs) TRY(log_note_epoch(r->log, &header));
        TRY(log_note_producer(r->state, segment, &header, whole));
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static err_t replay(const struct replay *r)
{
    struct log *log = r->log;
    koffset_t first = MAX(r->from, log->segments[0]->base_offset);
    for (size_t i = log_segment_index(log, first);
         i < log->segment_count && log->segments[i]->base_offset < r->to; i++) {
        struct segment *segment = log->segments[i];
        struct segment_scan scan;
        struct slice_file *file;
        struct offset_entry entry;
        TRY(segment_lookup(segment, first, &entry));
        TRY(segment_pin(segment, &file));
        segment_scan_init(&scan, log_os(log), file->fd, SCAN_HEADERS);
        err_t err = segment_scan_from(segment, &scan, entry, segment->size_bytes);
        if (err == OK) err = replay_segment(r, segment, &scan);
        segment_scan_release(&scan);
        slice_file_unref(file);
        TRY(err);
    }
    return OK;
}

err_t log_rebuild_producers(struct log *log, struct producer_state *state, koffset_t from,
                            koffset_t to)
{
    struct replay r = {log, state, 0, to, false};
    TRY(load_newest(log, state, MIN(from, to), &r.from));
    TRY(log_recall_batches(log, state, r.from));
    return r.from < to ? replay(&r) : OK;
}

err_t log_rebuild_epochs(struct log *log)
{
    struct producer_state *unused = producer_state_new();
    if (!unused) return ERR_NOMEM;
    struct replay r = {log, unused, log->start_offset, log->end_offset, true};
    err_t err = replay(&r);
    producer_state_free(unused);
    return err;
}
