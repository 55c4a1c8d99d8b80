/* Happy path, on a worker: under `lock` note the end offset and which segments hold unflushed bytes
 * (with a pin on each descriptor); without it sync the directory if files were made, write the
 * leader epochs if they changed, fdatasync the segments, oldest first; then count what was covered.
 * Appends and reads go on all the while. Flushes come one after the other: one that waited finds
 * little left to do, which is how many waiters share one.
 *
 * Indexes: those of sealed segments are trusted below the recovery point, so they are synced, once;
 * those of the active one are rebuilt after a crash, so they are synced on close only; transaction
 * indexes cannot be rebuilt in passing and always are.
 *
 * Failure modes: fdatasync that fails says once that pages were lost and then forgets it, so it is
 * never tried again: the log is FAILED, and reading stops at the flushed offset. No memory, no
 * descriptor, or a full disk while a list is replaced are no unknown state: the flush fails,
 * nothing counts as flushed, the log works on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"

/* What one flush has to cover. */
struct flush_part {
    struct segment *segment; /* one reference */
    struct slice_file *file; /* one reference; NULL: only indexes */
    int64_t bytes;
    bool data, indexes, txns; /* these, too */
};

struct flush {
    bool all;                 /* indexes of the active segment, too */
    struct flush_part *parts; /* owned, oldest first */
    size_t count;
    koffset_t end_offset;
    koffset_t segment_base; /* of the active segment, and its end: where the next flush begins */
    int64_t position;
    int64_t log_position;
    uint64_t dir_changes;
    bool parent_changed;
    struct buf snapshot; /* of the producers; empty: none is due */
};

enum { SNAPSHOT_EVERY_BYTES = 64 * 1024 * 1024 };

/* ---- under the lock ---- */

static void add_part(struct flush *flush, struct segment *segment)
{
    bool has_indexes = segment->offsets.file.is_unsynced || segment->times.file.is_unsynced;
    struct flush_part part = {
        .segment = segment,
        .file = segment->dirty,
        .bytes = segment->size_bytes,
        .data = !segment->dirty && segment->is_unsynced,
        .indexes = has_indexes && (segment->is_sealed || flush->all),
        .txns = segment->txns.is_unsynced,
    };
    if (!part.file && !part.data && !part.indexes && !part.txns) return;
    if (part.indexes) segment->offsets.file.is_unsynced = segment->times.file.is_unsynced = false;
    segment->txns.is_unsynced = segment->is_unsynced = false;
    segment_ref(segment);
    if (part.file) slice_file_ref(part.file);
    flush->parts[flush->count++] = part;
}

static err_t gather(struct log *log, struct flush *flush)
{
    struct segment *active = log_active(log);
    if (log->is_failed) return ERR_FAILED;
    flush->end_offset = log->end_offset;
    flush->segment_base = active->base_offset;
    flush->position = active->size_bytes;
    flush->log_position = log_position(active, active->size_bytes);
    flush->dir_changes = log->dir_changes;
    flush->parent_changed = log->parent_changed;
    flush->parts = calloc(log->segment_count, sizeof *flush->parts);
    if (!flush->parts) return ERR_NOMEM;
    for (size_t i = 0; i < log->segment_count; i++) add_part(flush, log->segments[i]);
    if (flush->log_position - log->snapshot_position >= SNAPSHOT_EVERY_BYTES) {
        TRY(producer_state_encode(log->producers, &flush->snapshot));
    }
    return OK;
}

static void count_flushed(struct log *log, const struct flush *flush)
{
    for (size_t i = 0; i < flush->count; i++) {
        const struct flush_part *part = &flush->parts[i];
        if (part->file) segment_note_flushed(part->segment, part->bytes);
    }
    log_count_sizes(log);
    CHECK(flush->end_offset <= log->end_offset);
    log->flushed_offset = MAX(log->flushed_offset, flush->end_offset);
    log->dir_synced = flush->dir_changes;
    if (flush->parent_changed) log->parent_changed = false;
    log_add_hint(log, (struct log_hint){flush->segment_base, flush->end_offset, flush->end_offset,
                                        flush->position, true});
}

/* A flush that failed without harm leaves everything to the next one. */
static void put_back(const struct flush *flush)
{
    for (size_t i = 0; i < flush->count; i++) {
        const struct flush_part *part = &flush->parts[i];
        part->segment->is_unsynced |= part->data;
        part->segment->offsets.file.is_unsynced |= part->indexes;
        part->segment->txns.is_unsynced |= part->txns;
    }
}

static void flush_release(struct flush *flush)
{
    for (size_t i = 0; i < flush->count; i++) {
        if (flush->parts[i].file) slice_file_unref(flush->parts[i].file);
        segment_unref(flush->parts[i].segment);
    }
    free(flush->parts);
    buf_release(&flush->snapshot);
}

/* ---- without it ---- */

static err_t sync_path(struct log *log, const char *path)
{
    int r = log_os(log)->sync_dir(log_os(log), path);
    if (r >= 0) return OK;
    (void)!file_error(r, "sync", path);
    return ERR_IO;
}

err_t log_sync_directory(struct log *log) { return sync_path(log, log->path); }

static err_t sync_parent(struct log *log)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(log->path, '/');
    if (!slash) return sync_path(log, ".");
    int len = slash == log->path ? 1 : (int)(slash - log->path);
    snprintf(parent, sizeof parent, "%.*s", len, log->path);
    return sync_path(log, parent);
}

err_t log_sync_names(struct log *log)
{
    mutex_lock(&log->lock);
    bool parent_changed = log->parent_changed;
    mutex_unlock(&log->lock);
    if (parent_changed) TRY(sync_parent(log));
    return log_sync_directory(log);
}

static err_t sync_part(struct log *log, const struct flush_part *part)
{
    struct segment *segment = part->segment;
    if (part->file) {
        int r = log_os(log)->fdatasync(log_os(log), part->file->fd);
        if (r < 0) {
            (void)!handle_error(&segment->file, r, "flush");
            return ERR_IO; /* even for a full disk: what was delayed until now is lost */
        }
    }
    if (part->data) TRY(handle_sync(&segment->file));
    if (part->indexes) TRY(handle_sync(&segment->offsets.file.handle));
    if (part->indexes) TRY(handle_sync(&segment->times.file.handle));
    return part->txns ? handle_sync(&segment->txns.handle) : OK;
}

static err_t sync_all(struct log *log, const struct flush *flush)
{
    if (flush->parent_changed) TRY(sync_parent(log));
    if (flush->dir_changes != log->dir_synced) TRY(log_sync_directory(log));
    TRY(log_write_epochs(log));
    TRY(log_store_damage_if_changed(log));
    for (size_t i = 0; i < flush->count; i++) TRY(sync_part(log, &flush->parts[i]));
    return OK;
}

err_t log_write_epochs(struct log *log)
{
    struct buf text = {0};
    char path[PATH_MAX];
    mutex_lock(&log->lock);
    bool is_due = log->epochs_changed;
    err_t err = is_due ? epoch_cache_encode(&log->epochs, &text) : OK;
    if (err == OK) log->epochs_changed = false;
    mutex_unlock(&log->lock);
    if (err == OK && is_due) {
        log_file_path(log, "leader-epoch-checkpoint", path);
        err = os_replace_file(log_os(log), path, text.data, text.len);
    }
    if (err != OK) {
        diag(DIAG_ERROR, "log", "cannot write leader epochs log=%s error=\"%s\"", log->path,
             err_name(err));
        mutex_lock(&log->lock);
        log->epochs_changed = true;
        mutex_unlock(&log->lock);
    }
    buf_release(&text);
    return err;
}

/* ---- the whole ---- */

static bool is_harmless(err_t err)
{
    return err == ERR_NOMEM || err == ERR_NOSPACE || err == ERR_LIMIT;
}

static err_t flush_once(struct log *log, bool all, koffset_t *flushed_to)
{
    struct flush flush = {.all = all};
    mutex_lock(&log->lock);
    err_t err = gather(log, &flush);
    mutex_unlock(&log->lock);
    if (err == OK) err = sync_all(log, &flush);
    if (err == OK && flush.snapshot.len > 0) {
        log_write_snapshot(log, flush.end_offset, flush.log_position, buf_view(&flush.snapshot));
    }
    mutex_lock(&log->lock);
    if (err == OK) {
        count_flushed(log, &flush);
    } else if (is_harmless(err)) {
        put_back(&flush);
    } else {
        log_fail(log, err, "flush");
    }
    *flushed_to = log->flushed_offset;
    mutex_unlock(&log->lock);
    flush_release(&flush);
    return err;
}

err_t log_flush_files(struct log *log, bool all, koffset_t *flushed_to)
{
    mutex_lock(&log->flush);
    err_t err = flush_once(log, all, flushed_to);
    mutex_unlock(&log->flush);
    return err;
}

err_t log_flush(struct log *log, koffset_t *flushed_to)
{
    return log_flush_files(log, false, flushed_to);
}
