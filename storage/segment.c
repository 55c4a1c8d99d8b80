/* Happy path of an append: the log asks segment_has_room() for each batch, hands all that fit to
 * segment_write(), and tells segment_add() of each one when the write has succeeded.
 *
 * A write starts with nothing reserved. Once a segment has taken RESERVE_AFTER bytes, blocks are
 * reserved ahead of the end, first as many as that, then twice as many each time up to 64 MiB: an
 * append into reserved blocks costs half, and a log that is hardly written to reserves nothing. It
 * happens on the append path (35 us a 64 MiB step, measured in the reference figures): what it
 * saves in the same journal is more.
 *
 * Failure modes: a full disk leaves bytes behind the end, which are cut off again, so that the file
 * never holds what was not acknowledged; if that fails too, or the write failed in another way, the
 * log fails. A failed reservation is no failure.
 *
 * On close nothing is written here: the log calls segment_write_indexes() first if it wants to.
 */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/os.h"
#include "file_error.h"
#include "log_config.h"
#include "segment_scan.h"

static const int64_t reserve_after_bytes = 256 * 1024;
static const int64_t reserve_max_bytes = 64 * 1024 * 1024;

enum { SUFFIX_MAX_BYTES = 32 };
static const char *const index_suffixes[] = {".index", ".timeindex", ".txnindex"};

static void segment_check(const struct segment *s)
{
    CHECK(s->base_offset <= s->end_offset);
    CHECK(0 <= s->flushed_bytes && s->flushed_bytes <= s->size_bytes);
    CHECK(s->dirty || s->flushed_bytes == s->size_bytes);
}

static const struct os *os_of(const struct segment *s) { return handle_os(&s->file); }

struct segment *segment_new(const struct segment_options *options, koffset_t base_offset)
{
    struct segment *s = calloc(1, sizeof *s);
    CHECK(s);
    s->refs = 1;
    s->base_offset = s->end_offset = base_offset;
    s->created_ms = env_wall_ms(options->env);
    s->roll_timestamp = -1;
    s->newest = (struct time_entry){-1, base_offset};
    handle_init(&s->file, options->handles, (struct file_name){options->dir, base_offset, ".log"});
    offset_index_init(&s->offsets, options->handles, options->dir, base_offset);
    time_index_init(&s->times, options->handles, options->dir, base_offset);
    txn_index_init(&s->txns, options->handles, options->dir, base_offset);
    return s;
}

void segment_ref(struct segment *s)
{
    int before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    CHECK(before > 0);
}

void segment_unref(struct segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    if (s->dirty) slice_file_unref(s->dirty);
    handle_release(&s->file);
    offset_index_release(&s->offsets);
    time_index_release(&s->times);
    txn_index_release(&s->txns);
    free(s);
}

err_t segment_create(struct segment *s)
{
    struct slice_file *file;
    TRY(handle_open(&s->file, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file));
    slice_file_unref(file);
    TRY(offset_index_create(&s->offsets));
    return time_index_create(&s->times);
}

void segment_preallocate(struct segment *s, int64_t bytes)
{
    struct slice_file *file;
    if (handle_open(&s->file, OS_WRITE, &file) != OK) return;
    int r = os_of(s)->reserve(os_of(s), file->fd, 0, bytes);
    s->reserved_bytes = r < 0 ? -1 : bytes;
    slice_file_unref(file);
}

err_t segment_stat(struct segment *s)
{
    struct slice_file *file;
    struct os_stat st;
    TRY(handle_open(&s->file, OS_WRITE, &file));
    int r = os_of(s)->fstat(os_of(s), file->fd, &st);
    slice_file_unref(file);
    if (r < 0) return handle_error(&s->file, r, "stat");
    if (st.size_bytes > INT32_MAX) return ERR_UNSUPPORTED;
    s->size_bytes = s->flushed_bytes = st.size_bytes;
    /* Blocks that a former life reserved; a file system rounds up by less than this. */
    if (st.allocated_bytes > st.size_bytes + reserve_after_bytes) {
        s->reserved_bytes = st.allocated_bytes;
    }
    s->created_ms = st.mtime_ms;
    return OK;
}

/* ---- append ---- */

bool segment_has_room(const struct segment *s, const struct log_config *config,
                      int64_t staged_bytes, const struct batch_header *batch, time_ms_t now_ms)
{
    int64_t size = s->size_bytes + staged_bytes;
    if (batch_last_offset(batch) - s->base_offset > INT32_MAX) return false;
    if (size + (int64_t)batch->size_bytes > INT32_MAX) return size == 0;
    if (size == 0) return true;
    if (size + (int64_t)batch->size_bytes > config->segment_bytes) return false;
    bool has_time = s->roll_timestamp >= 0 && batch->max_timestamp >= 0;
    int64_t age = has_time ? batch->max_timestamp - s->roll_timestamp : now_ms - s->created_ms;
    if (s->size_bytes > 0 && age > config->segment_ms - s->roll_jitter_ms) return false;
    /* The time index keeps a slot for its final entry. */
    int64_t bytes = config->segment_index_bytes;
    return offset_index_count(&s->offsets) < bytes / OFFSET_ENTRY_BYTES &&
           time_index_count(&s->times) < bytes / TIME_ENTRY_BYTES - 1;
}

/* Reserves blocks when the end nears what was reserved. */
static void reserve_ahead(struct segment *s, int64_t end)
{
    if (end < reserve_after_bytes || end <= s->reserved_bytes || s->reserved_bytes < 0) return;
    int64_t step = MIN(MAX(s->reserved_bytes, reserve_after_bytes), reserve_max_bytes);
    int64_t from = s->reserved_bytes > s->size_bytes ? s->reserved_bytes : s->size_bytes;
    int r = os_of(s)->reserve(os_of(s), s->dirty->fd, from, end - from + step);
    s->reserved_bytes = r < 0 ? -1 : end + step; /* -1: not again in this segment */
}

static void drop_dirty(struct segment *s)
{
    if (!s->dirty || s->flushed_bytes < s->size_bytes) return;
    slice_file_unref(s->dirty);
    s->dirty = NULL;
}

err_t segment_cut_back(struct segment *s)
{
    s->reserved_bytes = -1; /* the disk is full: leave the blocks to others */
    int r = os_of(s)->truncate(os_of(s), s->dirty->fd, s->size_bytes);
    drop_dirty(s);
    if (r >= 0) return OK;
    (void)!handle_error(&s->file, r, "truncate");
    return ERR_IO;
}

err_t segment_write(struct segment *s, const struct iovec *iov, int count, size_t bytes)
{
    CHECK(!s->is_sealed && count > 0);
    if (!s->dirty) TRY(handle_open(&s->file, OS_WRITE, &s->dirty));
    reserve_ahead(s, s->size_bytes + (int64_t)bytes);
    const struct os *os = os_of(s);
    ssize_t r = os->pwritev(os, s->dirty->fd, iov, count, s->size_bytes);
    if (r == (ssize_t)bytes) return OK;
    err_t err = r < 0 ? handle_error(&s->file, r, "write") : ERR_IO;
    if (err == ERR_NOSPACE) {
        TRY(segment_cut_back(s));
        return ERR_NOSPACE;
    }
    drop_dirty(s);
    return ERR_IO;
}

/* A full disk must not stop what the data's own write has passed: entries wait in memory, and when
 * that is full, too, the index is a bit sparser than it could be. */
static err_t unless_full(err_t err)
{
    return err == ERR_NOSPACE || err == ERR_LIMIT || err == ERR_NOMEM ? OK : err;
}

/* The time index first: recovery starts where the offset index ends and trusts that the time index
 * knows as much. */
static err_t write_indexes(struct segment *s)
{
    TRY(time_index_write(&s->times));
    return offset_index_write(&s->offsets);
}

static err_t add_index_entry(struct segment *s, koffset_t last_offset, int64_t position)
{
    TRY(unless_full(offset_index_append(&s->offsets, last_offset, position)));
    TRY(unless_full(time_index_append(&s->times, s->newest)));
    if (!index_file_is_due(&s->offsets.file)) return OK;
    return unless_full(write_indexes(s));
}

err_t segment_add(struct segment *s, const struct batch_header *batch, int64_t index_interval_bytes)
{
    CHECK(batch->base_offset >= s->end_offset);
    koffset_t last_offset = batch_last_offset(batch);
    int64_t position = s->size_bytes;
    s->size_bytes += (int64_t)batch->size_bytes;
    s->end_offset = last_offset + 1;
    if (batch->max_timestamp > s->newest.timestamp) {
        s->newest = (struct time_entry){batch->max_timestamp, last_offset};
    }
    if (position == 0) s->roll_timestamp = batch->max_timestamp;
    if (s->bytes_since_index > index_interval_bytes) {
        TRY(add_index_entry(s, last_offset, position));
        s->bytes_since_index = 0;
    }
    s->bytes_since_index += (int64_t)batch->size_bytes;
    return OK;
}

err_t segment_write_indexes(struct segment *s)
{
    TRY(time_index_append(&s->times, s->newest));
    return write_indexes(s);
}

err_t segment_seal(struct segment *s)
{
    CHECK(!s->is_sealed);
    TRY(segment_write_indexes(s));
    s->is_sealed = true;
    return OK;
}

err_t segment_trim(struct segment *s)
{
    if (s->reserved_bytes <= s->size_bytes) return OK;
    struct slice_file *file;
    TRY(handle_open(&s->file, OS_WRITE, &file));
    int r = os_of(s)->truncate(os_of(s), file->fd, s->size_bytes);
    slice_file_unref(file);
    if (r < 0) return handle_error(&s->file, r, "truncate");
    s->reserved_bytes = 0;
    return OK;
}

void segment_note_flushed(struct segment *s, int64_t bytes)
{
    if (bytes > s->flushed_bytes) s->flushed_bytes = MIN(bytes, s->size_bytes);
    drop_dirty(s);
    segment_check(s);
}

/* ---- truncate ---- */

/* What the batches behind the last index entries add to them. */
static err_t count_tail(struct segment *s, int fd)
{
    struct segment_scan scan;
    struct batch_header header;
    segment_scan_init(&scan, os_of(s), fd, SCAN_HEADERS);
    struct offset_entry from; /* the time index may know less than the offset index */
    err_t err = segment_lookup(s, s->times.last.offset, &from);
    if (err == OK) err = segment_scan_from(s, &scan, from, s->size_bytes);
    while (err == OK && (err = segment_scan_next(&scan, &header)) == OK) {
        koffset_t last = batch_last_offset(&header);
        if (scan.pos == s->offsets.last.position) s->bytes_since_index = 0;
        s->bytes_since_index += (int64_t)header.size_bytes;
        if (last < s->base_offset || last >= s->end_offset) continue; /* in a damaged range */
        if (header.max_timestamp > s->newest.timestamp) {
            s->newest = (struct time_entry){header.max_timestamp, last};
        }
    }
    segment_scan_release(&scan);
    /* Where damage makes headers unreadable, the index is a bit off: it is sparse anyway. */
    return err == ERR_IO || err == ERR_NOMEM ? err : OK;
}

static err_t take_over(struct segment *s, struct segment *old)
{
    struct slice_file *file;
    TRY(offset_index_load_below(&s->offsets, &old->offsets, s->end_offset));
    TRY(time_index_load_below(&s->times, &old->times, s->end_offset));
    TRY(txn_index_load_below(&s->txns, &old->txns, s->end_offset));
    s->newest = s->times.last;
    TRY(segment_pin(old, &file));
    err_t err = count_tail(s, file->fd);
    slice_file_unref(file);
    return err;
}

err_t segment_new_below(const struct segment_options *options, struct segment *old,
                        koffset_t end_offset, int64_t position, struct segment **out)
{
    CHECK(position <= old->size_bytes && end_offset >= old->base_offset);
    struct segment *s = segment_new(options, old->base_offset);
    s->end_offset = end_offset;
    s->size_bytes = position;
    s->flushed_bytes = MIN(old->flushed_bytes, position);
    s->log_position = old->log_position;
    s->created_ms = old->created_ms;
    s->roll_timestamp = position > 0 ? old->roll_timestamp : -1;
    s->roll_jitter_ms = old->roll_jitter_ms;
    if (s->flushed_bytes < position) {
        s->dirty = old->dirty; /* the descriptor that saw the writes sees their errors */
        slice_file_ref(s->dirty);
    }
    err_t err = take_over(s, old);
    if (err != OK) {
        segment_unref(s);
        return err;
    }
    *out = s;
    return OK;
}

err_t segment_cut_files(struct segment *s)
{
    struct slice_file *file;
    TRY(offset_index_trim(&s->offsets));
    TRY(time_index_trim(&s->times));
    TRY(txn_index_trim(&s->txns));
    TRY(handle_open(&s->file, OS_WRITE, &file));
    int r = os_of(s)->truncate(os_of(s), file->fd, s->size_bytes);
    if (r >= 0) r = os_of(s)->fdatasync(os_of(s), file->fd);
    slice_file_unref(file);
    return r < 0 ? handle_error(&s->file, r, "truncate") : OK;
}

/* ---- read ---- */

err_t segment_pin(struct segment *s, struct slice_file **out)
{
    if (s->dirty) {
        slice_file_ref(s->dirty);
        *out = s->dirty;
        return OK;
    }
    return handle_open(&s->file, OS_WRITE, out);
}

err_t segment_lookup(struct segment *s, koffset_t offset, struct offset_entry *out)
{
    *out = (struct offset_entry){s->base_offset, 0};
    if (s->is_index_bad) return OK;
    TRY(offset_index_lookup(&s->offsets, offset, out));
    if (out->position == 0 || (out->position > 0 && out->offset <= offset)) return OK;
    segment_distrust_index(s);
    *out = (struct offset_entry){s->base_offset, 0};
    return OK;
}

void segment_distrust_index(struct segment *s)
{
    if (atomic_exchange(&s->is_index_bad, true)) return;
    diag(DIAG_ERROR, "storage", "index does not match its segment dir=%s segment=%lld",
         s->file.name.dir, (long long)s->base_offset);
}

err_t segment_scan_from(struct segment *s, struct segment_scan *scan, struct offset_entry entry,
                        int64_t end)
{
    struct batch_header header;
    bool is_inside = entry.position >= 0 && entry.position < end;
    segment_scan_seek(scan, is_inside ? entry.position : 0, end);
    if (entry.position == 0) return OK;
    err_t err = is_inside ? segment_scan_next(scan, &header) : ERR_CORRUPT;
    if (err == ERR_IO || err == ERR_NOMEM) return err;
    if (err == OK && batch_last_offset(&header) == entry.offset) {
        segment_scan_back(scan);
        return OK;
    }
    /* Either the index lies or the log is damaged there: from the start it will be seen which. */
    segment_distrust_index(s);
    segment_scan_seek(scan, 0, end);
    return OK;
}

time_ms_t segment_max_timestamp(struct segment *s)
{
    return s->newest.timestamp >= 0 ? s->newest.timestamp : s->times.last.timestamp;
}

/* ---- files ---- */

static void name_of(const struct segment *s, const char *suffix, const char *more,
                    char out[PATH_MAX])
{
    struct file_name name = s->file.name;
    char both[SUFFIX_MAX_BYTES];
    int n = snprintf(both, sizeof both, "%s%s", suffix, more);
    CHECK(n > 0 && n < SUFFIX_MAX_BYTES);
    name.suffix = both;
    file_name_path(&name, out);
}

static err_t rename_one(const struct segment *s, const char *suffix, const char *from_more,
                        const char *to_more)
{
    char from[PATH_MAX], to[PATH_MAX];
    name_of(s, suffix, from_more, from);
    name_of(s, suffix, to_more, to);
    int r = os_of(s)->rename(os_of(s), from, to);
    if (r >= 0) return OK;
    err_t err = file_error(r, "rename", from);
    return err == ERR_NOT_FOUND ? OK : err;
}

err_t segment_rename(struct segment *s, const char *from_suffix, const char *to_suffix)
{
    TRY(rename_one(s, ".log", from_suffix, to_suffix));
    for (size_t i = 0; i < COUNT_OF(index_suffixes); i++) {
        TRY(rename_one(s, index_suffixes[i], from_suffix, to_suffix));
    }
    return OK;
}

static err_t unlink_one(const struct segment *s, const char *suffix, const char *more)
{
    char path[PATH_MAX];
    name_of(s, suffix, more, path);
    int r = os_of(s)->unlink(os_of(s), path);
    if (r >= 0) return OK;
    err_t err = file_error(r, "unlink", path);
    return err == ERR_NOT_FOUND ? OK : err;
}

err_t segment_unlink(struct segment *s, const char *suffix)
{
    TRY(unlink_one(s, ".log", suffix));
    for (size_t i = 0; i < COUNT_OF(index_suffixes); i++) {
        TRY(unlink_one(s, index_suffixes[i], suffix));
    }
    return OK;
}

err_t segment_unlink_index(struct segment *s) { return unlink_one(s, ".index", ""); }
