/* From files to a log.
 *
 * After a clean stop every sealed segment is taken at its word (sizes and the last index entries
 * are looked at); in the active one the batches behind the last index entry are counted. The
 * producers come from the snapshot that the stop has written at the very end.
 *
 * After a crash the same is true below the recovery point. From it on every batch is read:
 * checksum, order of offsets; indexes and producers are made anew from there. Where it begins in
 * the segment is found through the index entries below the recovery point, which are verified
 * first; without a good one the segment's headers are read from its start.
 *
 * What is found bad (also: batches that end before the next segment begins):
 *   above the floor   a torn tail: cut (log_torn.c)
 *   below the floor   damage: the range is marked, the next good batch is looked for (log_damage.c)
 * The floor is the recovery point; after a clean stop it is the end that the stop has written down
 * (the offset of the newest snapshot). When a file simply ends below the floor, the records in
 * between are missing: also damage, and the log goes on at the floor, so that no offset is given
 * out twice. The one exception is a truncation of ours, which leaves a note (log_truncate.c).
 *
 * Failure modes: any error of the disk refuses the open; running it again starts over.
 */
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"

enum { SNAPSHOT_WORTH_BYTES = 16 * 1024 * 1024 };

struct recovery {
    struct log *log;
    const struct log_options *options;
    bool is_clean;
    bool is_fresh;         /* there was nothing, not even the directory */
    bool is_unsettled;     /* files went: their names have to go for good before others come */
    koffset_t check_from;  /* batches from here on have their checksum looked at */
    koffset_t floor;       /* what lies below it must be there */
    koffset_t replay_from; /* a transaction index has to be made anew from here; else INT64_MAX */
    int64_t bytes_done, bytes_total;
};

/* ---- indexes ---- */

static err_t reset_indexes(struct segment *segment)
{
    TRY(offset_index_rebuild(&segment->offsets));
    return time_index_rebuild(&segment->times);
}

static err_t publish_indexes(struct recovery *r, struct segment *segment)
{
    TRY(time_index_publish(&segment->times));
    TRY(offset_index_publish(&segment->offsets));
    r->log->dir_changes++;
    return OK;
}

static bool is_rebuildable(err_t err)
{
    return err == ERR_NOT_FOUND || err == ERR_CORRUPT || err == ERR_SHORT;
}

/* *is_new: they were not usable and are empty now. */
static err_t load_indexes(struct segment *segment, bool verify, bool *is_new)
{
    err_t err = offset_index_load(&segment->offsets, segment->size_bytes);
    if (err == OK) err = time_index_load(&segment->times);
    if (err == OK && verify) err = offset_index_verify(&segment->offsets);
    if (err == OK && verify) err = time_index_verify(&segment->times);
    *is_new = is_rebuildable(err);
    if (!*is_new) return err;
    diag(segment->size_bytes ? DIAG_INFO : DIAG_DEBUG, "log",
         "index rebuilt log=%s segment=%lld why=\"%s\"", segment->file.name.dir,
         (long long)segment->base_offset, err_name(err));
    return reset_indexes(segment);
}

static err_t load_txn_index(struct recovery *r, struct segment *segment)
{
    if (!segment->has_txn_file) return OK;
    err_t err = txn_index_load(&segment->txns);
    if (err == ERR_UNSUPPORTED) {
        diag(DIAG_ERROR, "log", "transaction index of a newer format log=%s segment=%lld",
             r->log->path, (long long)segment->base_offset);
    }
    if (err == ERR_NOT_FOUND) return OK;
    if (!is_rebuildable(err)) return err;
    txn_index_rebuild(&segment->txns);
    r->replay_from = MIN(r->replay_from, segment->base_offset);
    return OK;
}

/* ---- walking over one segment ---- */

static err_t read_header_at(struct segment *segment, int64_t position, int64_t file_size,
                            struct batch_header *out)
{
    struct slice_file *file;
    struct segment_scan scan;
    TRY(segment_pin(segment, &file));
    segment_scan_init(&scan, handle_os(&segment->file), file->fd, BATCH_HEADER_SIZE);
    segment_scan_seek(&scan, position, file_size);
    err_t err = segment_scan_next(&scan, out);
    segment_scan_release(&scan);
    slice_file_unref(file);
    return err;
}

/* Where to start: at the last index entry below the limit whose batch is what it says. */
static err_t find_start(struct recovery *r, struct segment *segment, int64_t file_size,
                        struct offset_entry *start)
{
    koffset_t limit = MIN(r->check_from, INT64_MAX - 1);
    struct batch_header header;
    TRY(offset_index_lookup(&segment->offsets, limit - 1, start));
    if (!r->is_clean) {
        /* The time index may know less: it lost more, or its final entry lies beyond the limit. */
        struct offset_entry timed;
        TRY(time_index_truncate(&segment->times, MIN(limit, start->offset + 1)));
        TRY(offset_index_lookup(&segment->offsets, segment->times.last.offset, &timed));
        if (timed.position < start->position) *start = timed;
    }
    segment->end_offset = segment->base_offset;
    if (start->position > 0) {
        err_t err = read_header_at(segment, start->position, file_size, &header);
        if (err == ERR_IO) return err;
        if (err == OK && batch_last_offset(&header) == start->offset) {
            segment->end_offset = header.base_offset;
        } else {
            diag(DIAG_WARN, "log", "index does not match its segment, rebuilt log=%s segment=%lld",
                 r->log->path, (long long)segment->base_offset);
            TRY(reset_indexes(segment));
            *start = (struct offset_entry){segment->base_offset, 0};
        }
    }
    if (r->is_clean) return OK;
    koffset_t keep = start->position > 0 ? start->offset + 1 : segment->base_offset;
    TRY(offset_index_truncate(&segment->offsets, keep));
    return time_index_truncate(&segment->times, keep);
}

static void report_damage(const struct recovery *r, const struct log_damage *d)
{
    diag(
        DIAG_ERROR, "log",
        "damaged range, not served log=%s segment=%lld position=%lld bytes=%lld offsets=%lld..%lld",
        r->log->path, (long long)d->segment_base, (long long)d->position,
        (long long)(d->end_position - d->position), (long long)d->from, (long long)d->to - 1);
}

static err_t add_damage(struct recovery *r, struct log_damage damage)
{
    report_damage(r, &damage);
    mutex_lock(&r->log->lock);
    err_t err = log_add_damage(r->log, damage);
    mutex_unlock(&r->log->lock);
    return err;
}

/* One walk. */
struct walk {
    struct segment *segment;
    size_t index;
    koffset_t next_base; /* of the segment behind it; INT64_MAX: none */
    int64_t file_size;
    struct segment_scan scan;
    int64_t tail; /* where the first batch at or above the recovery point begins; -1: none does */
    bool is_over; /* the tail was cut, or nothing good follows */
};

/* What stands at scan.next is no good batch. */
static err_t handle_bad(struct recovery *r, struct walk *w)
{
    struct segment *segment = w->segment;
    koffset_t expected = segment->end_offset;
    int64_t position = w->scan.next;
    if (expected >= r->floor) {
        w->is_over = true;
        w->file_size = position;
        r->is_unsettled = true;
        return log_cut_tail(r->log, w->index, position, w->scan.end);
    }
    struct batch_header next;
    err_t err = log_resync(&w->scan, expected, &next);
    if (err == OK && batch_last_offset(&next) >= w->next_base) err = ERR_NOT_FOUND;
    struct log_damage damage = {expected, 0, segment->base_offset, position, w->scan.end};
    if (err == OK) {
        damage.to = next.base_offset;
        damage.end_position = w->scan.next;
    } else if (err == ERR_NOT_FOUND) {
        damage.to = w->next_base != INT64_MAX ? w->next_base : r->floor;
        w->is_over = true;
    } else {
        return err;
    }
    segment->size_bytes = damage.end_position;
    segment->end_offset = damage.to;
    return add_damage(r, damage);
}

static void tell_progress(struct recovery *r, int64_t bytes)
{
    r->bytes_done += bytes;
    if (!r->options->progress) return;
    r->options->progress(r->options->progress_arg, r->bytes_done, r->bytes_total);
}

static err_t judge_batch(struct recovery *r, struct walk *w, const struct batch_header *header)
{
    if (header->base_offset < w->segment->end_offset) return ERR_CORRUPT;
    if (batch_last_offset(header) >= w->next_base) return ERR_CORRUPT;
    if (batch_last_offset(header) - w->segment->base_offset > INT32_MAX) return ERR_CORRUPT;
    return header->base_offset >= r->check_from ? segment_scan_check_crc(&w->scan, header) : OK;
}

static err_t walk_batches(struct recovery *r, struct walk *w)
{
    struct segment *segment = w->segment;
    int64_t told = w->scan.next;
    while (!w->is_over) {
        struct batch_header header;
        err_t err = log_next_batch(r->log, segment, &w->scan, &header);
        if (err == ERR_NOT_FOUND) break;
        if (err == OK) {
            err = judge_batch(r, w, &header);
            if (err != OK) w->scan.next = w->scan.pos;
        }
        if (err == ERR_IO || err == ERR_NOMEM) return err;
        if (err == ERR_UNSUPPORTED && w->scan.next == 0 && segment->base_offset < r->floor) {
            diag(DIAG_ERROR, "log", "batches of a format we do not read log=%s segment=%lld",
                 r->log->path, (long long)segment->base_offset);
            return err;
        }
        if (err != OK) {
            TRY(handle_bad(r, w));
            continue;
        }
        segment->size_bytes = w->scan.pos;
        if (w->tail < 0 && header.base_offset >= r->check_from) w->tail = w->scan.pos;
        TRY(segment_add(segment, &header, r->log->config.index_interval_bytes));
        if (!r->is_clean) TRY(log_note_epoch(r->log, &header));
        if (w->scan.next - told >= SCAN_ALL) {
            tell_progress(r, w->scan.next - told);
            told = w->scan.next;
        }
    }
    tell_progress(r, w->scan.next - told);
    return OK;
}

/* The batches end before the next segment begins. Rolls leave no such gap and compaction only what
 * is long durable: above the floor the file has lost its end. */
static err_t handle_gap(struct recovery *r, struct walk *w)
{
    struct segment *segment = w->segment;
    if (r->is_clean || w->is_over || w->next_base == INT64_MAX) return OK;
    if (segment->end_offset >= w->next_base) return OK;
    if (segment->end_offset >= r->floor) {
        r->is_unsettled = true;
        return log_cut_tail(r->log, w->index, segment->size_bytes, segment->size_bytes);
    }
    if (r->log->config.is_compacted) return OK;
    return add_damage(r,
                      (struct log_damage){segment->end_offset, w->next_base, segment->base_offset,
                                          segment->size_bytes, segment->size_bytes});
}

/* A roll that failed may have left the empty file of a segment that never was: its offset says
 * nothing then about the one before it. */
static bool has_empty_next(const struct log *log, size_t index)
{
    return index + 2 == log->segment_count && log_active(log)->size_bytes == 0;
}

static err_t drop_empty_next(struct recovery *r, size_t index)
{
    struct log *log = r->log;
    if (!has_empty_next(log, index)) return OK;
    struct segment *next = log_active(log);
    if (next->base_offset >= log->segments[index]->end_offset) return OK;
    TRY(segment_unlink(next, ""));
    log->segment_count--;
    segment_unref(next);
    return OK;
}

/* Writes what was read once more, the same bytes. Where an fdatasync has failed in this boot, the
 * page cache shows what the disk never got and calls it clean: no later sync would write it. The
 * tail is what the recovery point leaves, so this is a bounded amount of memory work. */
static err_t rewrite(struct recovery *r, struct segment *segment, int fd, int64_t from)
{
    const struct os *os = log_os(r->log);
    struct buf piece = {0};
    err_t err = buf_reserve(&piece, SCAN_ALL);
    for (int64_t at = from; err == OK && at < segment->size_bytes;) {
        size_t len = (size_t)MIN(SCAN_ALL, segment->size_bytes - at);
        ssize_t n = os->pread(os, fd, piece.data, len, at);
        if (n > 0) n = os->pwrite(os, fd, piece.data, (size_t)n, at);
        if (n <= 0) err = n < 0 ? handle_error(&segment->file, n, "rewrite") : ERR_IO;
        at += n;
    }
    buf_release(&piece);
    return err;
}

/* Reads what has to be read of the segment; afterwards its size, end and indexes are right. */
static err_t walk_segment(struct recovery *r, size_t index, bool is_new)
{
    struct log *log = r->log;
    struct segment *segment = log->segments[index];
    bool is_last = index + 1 == log->segment_count || has_empty_next(log, index);
    struct walk w = {
        .segment = segment, .index = index, .file_size = segment->size_bytes, .tail = -1};
    struct offset_entry start = {segment->base_offset, 0};
    struct slice_file *file;
    w.next_base = is_last ? INT64_MAX : log->segments[index + 1]->base_offset;
    if (!is_new) TRY(find_start(r, segment, w.file_size, &start));
    segment->size_bytes = segment->flushed_bytes = start.position;
    segment->newest = segment->times.last;
    segment->bytes_since_index = 0;
    TRY(segment_pin(segment, &file));
    segment_scan_init(&w.scan, log_os(log), file->fd, r->is_clean ? SCAN_HEADERS : SCAN_ALL);
    segment_scan_seek(&w.scan, start.position, w.file_size);
    err_t err = walk_batches(r, &w);
    if (err == OK && w.tail >= 0) err = rewrite(r, segment, file->fd, w.tail);
    if (err == OK) err = drop_empty_next(r, index);
    if (err == OK && index + 1 < log->segment_count) {
        w.next_base = log->segments[index + 1]->base_offset;
    }
    if (err == OK) err = handle_gap(r, &w);
    segment_scan_release(&w.scan);
    slice_file_unref(file);
    segment->flushed_bytes = segment->size_bytes;
    return err;
}

/* ---- the row ---- */

static err_t recover_segment(struct recovery *r, size_t index)
{
    struct log *log = r->log;
    struct segment *segment = log->segments[index];
    bool is_last = index + 1 == log->segment_count || has_empty_next(log, index);
    /* One that ends right at the recovery point may have been sealed after the flush. */
    bool is_below = !is_last && log->segments[index + 1]->base_offset < r->check_from;
    bool is_new, is_trusted = is_below;
    TRY(load_indexes(segment, !r->is_clean && !is_trusted, &is_new));
    TRY(load_txn_index(r, segment));
    if (is_trusted && !is_new) {
        segment->newest = segment->times.last;
    } else {
        TRY(walk_segment(r, index, is_new));
        bool is_active = index + 1 == log->segment_count;
        if (is_new || !r->is_clean || !is_active) TRY(segment_write_indexes(segment));
        TRY(publish_indexes(r, segment));
    }
    bool is_replayed = !r->is_clean && !is_trusted;
    return is_replayed ? txn_index_truncate(&segment->txns, r->check_from) : OK;
}

static err_t create_first(struct log *log, koffset_t base_offset)
{
    struct segment *segment = log_new_segment(log, base_offset);
    err_t err = log_create_files(log, segment);
    if (err == OK) err = log_push_segment(log, segment);
    if (err != OK) segment_unref(segment);
    log->dir_changes++;
    return err;
}

/* The log goes on at `offset`, behind a gap that is not served. */
static err_t go_on_at(struct log *log, koffset_t offset)
{
    struct segment *last = log_active(log);
    TRY(segment_write_indexes(last));
    last->end_offset = offset;
    return create_first(log, offset);
}

/* When the files end below what must be there. */
static err_t mark_missing(struct recovery *r)
{
    struct log *log = r->log;
    struct segment *last = log_active(log);
    if (last->end_offset < r->floor) {
        TRY(add_damage(r, (struct log_damage){last->end_offset, r->floor, last->base_offset,
                                              last->size_bytes, last->size_bytes}));
        return go_on_at(log, r->floor);
    }
    mutex_lock(&log->lock);
    bool ends_damaged = log_damage_position(log, last, 0) != INT64_MAX &&
                        log_is_damaged_at(log, last->end_offset - 1);
    mutex_unlock(&log->lock);
    return ends_damaged ? go_on_at(log, last->end_offset) : OK;
}

static err_t recover_segments(struct recovery *r)
{
    struct log *log = r->log;
    for (size_t i = 0; i < log->segment_count; i++) {
        TRY(segment_stat(log->segments[i]));
        r->bytes_total += log->segments[i]->size_bytes;
    }
    for (size_t i = 0; i < log->segment_count; i++) TRY(recover_segment(r, i));
    TRY(mark_missing(r));
    for (size_t i = 0; i + 1 < log->segment_count; i++) {
        struct segment *segment = log->segments[i], *next = log->segments[i + 1];
        segment->is_sealed = true;
        segment->end_offset = next->base_offset;
        TRY(segment_trim(segment));
        next->log_position = log_position(segment, segment->size_bytes);
    }
    return OK;
}

/* Everything lies below the start that the checkpoint knows. */
static err_t start_over(struct log *log, koffset_t start_offset)
{
    diag(DIAG_WARN, "log", "log ends below its start, begins anew log=%s end=%lld start=%lld",
         log->path, (long long)log_active(log)->end_offset, (long long)start_offset);
    while (log->segment_count > 0) {
        struct segment *last = log_active(log);
        TRY(segment_unlink(last, ""));
        log->segment_count--;
        segment_unref(last);
    }
    log->damage_count = 0;
    TRY(log_drop_snapshots(log, 1, 0));
    return create_first(log, start_offset);
}

static err_t read_roll_timestamp(struct log *log)
{
    struct segment *active = log_active(log);
    struct batch_header header;
    if (active->size_bytes == 0 || active->roll_timestamp >= 0) return OK;
    err_t err = read_header_at(active, 0, active->size_bytes, &header);
    if (err == OK) active->roll_timestamp = header.max_timestamp;
    return err == ERR_IO ? err : OK;
}

/* Segments, offsets. */
static err_t recover_row(struct recovery *r)
{
    struct log *log = r->log;
    const struct log_options *options = r->options;
    r->is_unsettled = log->segment_count == 0;
    r->is_fresh = r->is_unsettled && log->parent_changed;
    if (log->segment_count == 0)
        TRY(create_first(log, options->start_offset));
    else
        TRY(recover_segments(r));
    if (log_active(log)->end_offset < options->start_offset) {
        TRY(start_over(log, options->start_offset));
    }
    TRY(read_roll_timestamp(log));
    log->end_offset = log_active(log)->end_offset;
    log->start_offset = MAX(log->segments[0]->base_offset, options->start_offset);
    log->damage_changed |= log_drop_damage(log);
    return OK;
}

/* Producers and epochs as of the end. */
static err_t recover_state(struct recovery *r, err_t epochs)
{
    struct log *log = r->log;
    koffset_t end = log->end_offset;
    /* A snapshot from before the first segment would have to be carried over what is gone; the one
     * at its base is good even above the recovery point: all it stands for is gone. */
    koffset_t base = log->segments[0]->base_offset;
    TRY(log_drop_snapshots(log, base, end));
    koffset_t from = MAX(base, MIN(MIN(r->check_from, end), r->replay_from));
    TRY(log_rebuild_producers(log, log->producers, from, end));
    for (size_t i = 0; i < log->segment_count; i++) {
        TRY(txn_index_rebuild_end(&log->segments[i]->txns));
    }
    if (epochs != OK && log->size_bytes > 0) {
        epoch_cache_release(&log->epochs);
        TRY(log_rebuild_epochs(log));
    }
    log->epochs_changed |= epoch_cache_truncate_end(&log->epochs, end);
    log->epochs_changed |= epoch_cache_truncate_start(&log->epochs, log->start_offset);
    return OK;
}

/* Where a replay would have to start, at the latest. */
static int64_t position_of_snapshot(const struct log *log)
{
    koffset_t newest = log_newest_snapshot(log);
    if (newest == log->end_offset) return log->opened_position;
    if (newest < log->segments[0]->base_offset) return 0;
    return log_position(log->segments[log_segment_index(log, newest)], 0);
}

/* A snapshot that spares the next recovery a long replay. */
static err_t write_snapshot(struct log *log)
{
    struct buf snapshot = {0};
    struct segment *active = log_active(log);
    int64_t position = log_position(active, active->size_bytes);
    if (position - log->snapshot_position < SNAPSHOT_WORTH_BYTES) return OK;
    err_t err = producer_state_encode(log->producers, &snapshot);
    if (err == OK) log_write_snapshot(log, log->end_offset, position, buf_view(&snapshot));
    buf_release(&snapshot);
    return err;
}

/* After a crash: what was recovered becomes durable, and need not be recovered again. */
static err_t settle(struct recovery *r)
{
    struct log *log = r->log;
    koffset_t flushed_to;
    bool is_flush_due = r->is_unsettled || log->end_offset != r->check_from;
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (segment->end_offset < r->check_from) continue;
        /* What the former life wrote to the indexes may be in the page cache only, too. */
        segment->offsets.file.is_unsynced = segment->times.file.is_unsynced = true;
        segment->txns.is_unsynced |= segment->has_txn_file;
        segment->is_unsynced = true;
        if (segment->size_bytes == 0 || segment->end_offset == r->check_from) continue;
        segment->flushed_bytes = 0;
        if (!segment->dirty) TRY(handle_open(&segment->file, OS_WRITE, &segment->dirty));
        is_flush_due = true;
    }
    /* The former life may have made files, and the directory, without coming to sync their names.
     */
    log->dir_changes++;
    log->parent_changed = true;
    if (is_flush_due) {
        log->flushed_offset = log->start_offset;
        TRY(log_flush(log, &flushed_to));
    }
    return write_snapshot(log);
}

err_t log_recover(struct log *log, const struct log_options *options)
{
    struct recovery r = {.log = log, .options = options, .replay_from = INT64_MAX};
    err_t epochs;
    TRY(log_load(log, &epochs));
    r.is_clean = options->was_clean_shutdown;
    koffset_t recovery_point = options->recovery_point;
    TRY(log_correct_recovery_point(log, &recovery_point));
    r.check_from = r.is_clean ? INT64_MAX : recovery_point;
    r.floor = MAX(recovery_point, r.is_clean ? log_newest_snapshot(log) : 0);
    size_t damage_before = log->damage_count;
    TRY(recover_row(&r));
    log_count_sizes(log);
    TRY(recover_state(&r, epochs));
    log->damage_changed |= log->damage_count != damage_before;
    TRY(log_store_damage_if_changed(log));
    bool is_old_news = r.is_clean || recovery_point == options->recovery_point;
    if (log->has_note && is_old_news) log_drop_truncation_note(log);
    struct segment *active = log_active(log);
    log->opened_position = log_position(active, active->size_bytes);
    log->snapshot_position = position_of_snapshot(log);
    log->flushed_offset = log->end_offset;
    return r.is_clean || r.is_fresh ? OK : settle(&r);
}
