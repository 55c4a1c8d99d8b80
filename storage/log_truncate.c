/* Truncation, happy path, on a worker, with appends stopped: where to cut is looked up, and the
 * producers as of there are rebuilt beside, while reads go on. Then, under `lock`, the row changes:
 * the segment that is cut is replaced by a new object, because readers may be looking into the old
 * one, those behind it leave, the generation rises. Only then the files follow: those of the later
 * segments are unlinked, last first, and the file that is cut is shortened. A crash before that
 * brings the records back, as if it had come before the truncation.
 *
 * When flushed records go, a note says so first:
 *
 *   last-truncation:   0 / 1 / "<end> <flushed before>"
 *
 * because a recovery point from before would make the next open take the missing records for a
 * loss. A recovery point that is not beyond what was flushed then is corrected by it; the note goes
 * with the first open to which it has nothing to say.
 *
 * A reset makes a new first segment in memory, then unlinks everything, then makes its files.
 *
 * Failure modes: up to the change of the row nothing has happened; after it an error leaves memory
 * and files apart: the log is FAILED.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"
#include "text_lines.h"

enum { NOTE_VERSION = 0, NOTE_MAX_BYTES = 4096 };
static const char note_name[] = "last-truncation";

/* ---- the note ---- */

struct note {
    koffset_t end, flushed_before;
};

static bool parse_note(struct view text, struct note *out)
{
    struct text_lines lines = text_lines_of(text);
    struct view line, words[2];
    int64_t count;
    if (text_lines_head(&lines, NOTE_VERSION, &count) != OK || count != 1) return false;
    if (!text_lines_next(&lines, &line) || line_split(line, words, 2) != 2) return false;
    return word_to_int(words[0], 0, INT64_MAX, &out->end) &&
           word_to_int(words[1], 0, INT64_MAX, &out->flushed_before);
}

/* No note, or one that cannot be made out, is {0, 0}: it has nothing to say. */
static err_t read_note(const struct log *log, struct note *out)
{
    char path[PATH_MAX];
    struct buf text = {0};
    *out = (struct note){0, 0};
    if (!log->has_note) return OK;
    log_file_path(log, note_name, path);
    err_t err = os_read_file(log_os(log), path, NOTE_MAX_BYTES, &text);
    if (err == OK && !parse_note(buf_view(&text), out)) {
        diag(DIAG_WARN, "log", "note of a truncation is not readable, ignored file=%s", path);
        *out = (struct note){0, 0};
    }
    buf_release(&text);
    return err == ERR_NOT_FOUND ? OK : err;
}

err_t log_correct_recovery_point(const struct log *log, koffset_t *recovery_point)
{
    struct note note;
    TRY(read_note(log, &note));
    if (*recovery_point <= note.flushed_before) *recovery_point = MIN(*recovery_point, note.end);
    return OK;
}

void log_drop_truncation_note(struct log *log)
{
    char path[PATH_MAX];
    log_file_path(log, note_name, path);
    int r = log_os(log)->unlink(log_os(log), path);
    if (r < 0) (void)!file_error(r, "unlink", path);
    log->has_note = false;
}

/* Before flushed records go. */
static err_t write_note(struct log *log, koffset_t end)
{
    struct note note;
    struct buf text = {0};
    char path[PATH_MAX];
    koffset_t flushed = log->flushed_offset;
    if (end >= flushed) return OK;
    TRY(read_note(log, &note));
    flushed = MAX(flushed, note.flushed_before);
    log->has_note = true;
    err_t err = buf_printf(&text, "%d\n1\n%" PRId64 " %" PRId64 "\n", NOTE_VERSION, end, flushed);
    log_file_path(log, note_name, path);
    if (err == OK) err = os_replace_file(log_os(log), path, text.data, text.len);
    buf_release(&text);
    return err;
}

/* ---- the row ---- */

/* Stops appends; ERR_FAILED. */
static err_t begin_change(struct log *log)
{
    mutex_lock(&log->lock);
    err_t err = log->is_failed ? ERR_FAILED : OK;
    if (err == OK) log->is_changing = true;
    mutex_unlock(&log->lock);
    return err;
}

static void end_change(struct log *log, err_t err, const char *what)
{
    mutex_lock(&log->lock);
    if (err != OK) log_fail(log, err, what);
    log->is_changing = false;
    log_check(log);
    mutex_unlock(&log->lock);
}

/* Under `lock`: the row ends with `last` instead of those from `index` on, which go to *gone (owned
 * by the caller, with their references). */
static void replace_tail(struct log *log, size_t index, struct segment *last, struct segment **gone,
                         size_t *gone_count)
{
    *gone_count = log->segment_count - index;
    memcpy(gone, log->segments + index, *gone_count * sizeof *gone);
    log->segments[index] = last;
    log->segment_count = index + 1;
    log->end_offset = last->end_offset;
    log->start_offset = MIN(log->start_offset, log->end_offset);
    log->flushed_offset = MIN(log->flushed_offset, log->end_offset);
    log->generation++;
    log->dir_changes++;
    log->wants_roll = false;
    log->roll_offset = 0;
    log_clear_hints(log);
    log->damage_changed |= log_drop_damage(log);
    log->epochs_changed |= epoch_cache_truncate_end(&log->epochs, log->end_offset);
    log_count_sizes(log);
    int64_t position = log_position(last, last->size_bytes);
    log->snapshot_position = MIN(log->snapshot_position, position);
    log->opened_position = MIN(log->opened_position, position);
}

static void set_producers(struct log *log, struct producer_state *state)
{
    mutex_assert_held(&log->lock);
    producer_state_free(log->producers);
    log->producers = state;
}

/* What cannot be written now (and has been told) stays due for the next flush. */
static void write_lists(struct log *log)
{
    (void)!log_store_damage_if_changed(log);
    (void)!log_write_epochs(log);
}

/* ---- reset ---- */

static err_t reset_files(struct log *log, struct segment *first, struct segment **gone,
                         size_t gone_count)
{
    for (size_t i = gone_count; i-- > 0;) TRY(segment_unlink(gone[i], ""));
    TRY(log_drop_snapshots(log, 1, 0));
    TRY(log_create_files(log, first));
    TRY(log_sync_names(log));
    write_lists(log);
    return OK;
}

static err_t reset_stopped(struct log *log, koffset_t offset)
{
    struct producer_state *producers = producer_state_new();
    struct segment **gone = calloc(log->segment_count, sizeof *gone);
    struct segment *first = log_new_segment(log, offset);
    size_t gone_count = 0;
    err_t after = OK, err = producers && gone ? write_note(log, 0) : ERR_NOMEM;
    if (err == OK) {
        mutex_lock(&log->lock);
        struct segment *active = log_active(log);
        first->log_position = log_position(active, active->size_bytes);
        replace_tail(log, 0, first, gone, &gone_count);
        log->start_offset = log->flushed_offset = offset;
        log->damage_changed |= log_drop_damage(log);
        epoch_cache_release(&log->epochs);
        log->epochs_changed = true;
        set_producers(log, producers);
        mutex_unlock(&log->lock);
        after = reset_files(log, first, gone, gone_count);
        diag(DIAG_INFO, "log", "reset log=%s offset=%lld", log->path, (long long)offset);
    } else {
        segment_unref(first);
        producer_state_free(producers);
    }
    for (size_t i = 0; i < gone_count; i++) segment_unref(gone[i]);
    free(gone);
    end_change(log, after, "reset");
    return err != OK ? err : after;
}

/* ---- truncate ---- */

struct cut {
    size_t index; /* of the segment that becomes the last one */
    koffset_t end_offset;
    int64_t position;
    struct segment *last;
    struct producer_state *producers;
    struct segment **gone; /* owned */
    size_t gone_count;
};

/* Which batch is the first to go: the one that holds `offset`, or the next one. */
static err_t locate(struct log *log, koffset_t offset, struct cut *cut)
{
    struct segment_scan scan;
    struct batch_header header;
    struct offset_entry entry;
    struct slice_file *file;
    cut->index = log_segment_index(log, offset);
    struct segment *segment = log->segments[cut->index];
    TRY(segment_lookup(segment, offset, &entry));
    TRY(segment_pin(segment, &file));
    segment_scan_init(&scan, log_os(log), file->fd, SCAN_HEADERS);
    err_t err = segment_scan_from(segment, &scan, entry, segment->size_bytes);
    if (err == OK) {
        do err = log_next_batch(log, segment, &scan, &header);
        while (err == OK && batch_last_offset(&header) < offset);
    }
    cut->end_offset = err == OK ? MIN(offset, header.base_offset) : offset;
    cut->position = err == OK ? scan.pos : scan.next;
    mutex_lock(&log->lock);
    log_cut_before_damage(log, segment, &cut->end_offset, &cut->position);
    mutex_unlock(&log->lock);
    segment_scan_release(&scan);
    slice_file_unref(file);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* Everything that can be done before anything has happened. */
static err_t prepare(struct log *log, struct cut *cut)
{
    struct segment_options options = {log->env, log->handles, log->path};
    cut->producers = producer_state_new();
    cut->gone = calloc(log->segment_count, sizeof *cut->gone);
    if (!cut->producers || !cut->gone) return ERR_NOMEM;
    TRY(log_rebuild_producers(log, cut->producers, cut->end_offset, cut->end_offset));
    mutex_lock(&log->lock);
    err_t err = segment_write_indexes(log_active(log));
    mutex_unlock(&log->lock);
    TRY(err);
    TRY(segment_new_below(&options, log->segments[cut->index], cut->end_offset, cut->position,
                          &cut->last));
    return write_note(log, cut->end_offset);
}

/* The files follow the row. */
static err_t follow(struct log *log, struct cut *cut)
{
    for (size_t i = cut->gone_count; i-- > 1;) TRY(segment_unlink(cut->gone[i], ""));
    TRY(log_drop_snapshots(log, 0, log->end_offset));
    TRY(log_sync_directory(log));
    TRY(segment_cut_files(cut->last));
    write_lists(log);
    return OK;
}

static void cut_release(struct cut *cut)
{
    for (size_t i = 0; i < cut->gone_count; i++) segment_unref(cut->gone[i]);
    free(cut->gone);
    segment_unref(cut->last);
    producer_state_free(cut->producers);
}

static err_t truncate_stopped(struct log *log, koffset_t offset)
{
    struct cut cut = {0};
    err_t err = locate(log, offset, &cut), after = OK;
    /* The first batch reaches over the start: nothing readable is left. */
    if (err == OK && cut.end_offset < log->start_offset) return reset_stopped(log, offset);
    if (err == OK) err = prepare(log, &cut);
    if (err == OK) {
        mutex_lock(&log->lock);
        replace_tail(log, cut.index, cut.last, cut.gone, &cut.gone_count);
        segment_ref(cut.last); /* `follow` still needs it */
        set_producers(log, cut.producers);
        cut.producers = NULL;
        mutex_unlock(&log->lock);
        after = follow(log, &cut);
        diag(DIAG_INFO, "log", "truncated log=%s end=%lld", log->path, (long long)cut.end_offset);
    }
    cut_release(&cut);
    end_change(log, after, "truncate");
    return err != OK ? err : after;
}

/* ---- the calls ---- */

err_t log_truncate(struct log *log, koffset_t offset)
{
    CHECK(offset >= 0);
    mutex_lock(&log->work);
    mutex_lock(&log->flush);
    err_t err = begin_change(log);
    if (err == OK) {
        if (offset >= log->end_offset)
            end_change(log, OK, "truncate");
        else if (offset < log->segments[0]->base_offset)
            err = reset_stopped(log, offset);
        else
            err = truncate_stopped(log, offset);
    }
    mutex_unlock(&log->flush);
    mutex_unlock(&log->work);
    return err;
}

err_t log_reset(struct log *log, koffset_t offset)
{
    CHECK(offset >= 0);
    mutex_lock(&log->work);
    mutex_lock(&log->flush);
    err_t err = begin_change(log);
    if (err == OK) err = reset_stopped(log, offset);
    mutex_unlock(&log->flush);
    mutex_unlock(&log->work);
    return err;
}

err_t log_advance_start(struct log *log, koffset_t offset)
{
    mutex_lock(&log->lock);
    err_t err = log->is_failed ? ERR_FAILED : offset > log->end_offset ? ERR_RANGE : OK;
    if (err == OK && offset > log->start_offset) {
        log->start_offset = offset;
        log->epochs_changed |= epoch_cache_truncate_start(&log->epochs, offset);
    }
    mutex_unlock(&log->lock);
    return err;
}
