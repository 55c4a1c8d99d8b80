/* The batches of a segment, from its start to its end.
 *
 *   next batch --good--> noted in state, indexes --> next batch
 *       |                                                ^
 *       bad --> where does the next good one begin? -----+   (found: the range between is reported)
 *                     | nowhere
 *                     v
 *                  the end
 *
 * A batch is good if its header can be true, its offsets follow and its checksum is right. A bad
 * one mostly has a right length, so the place behind it is tried first; then every byte. What is
 * inside of a good batch (records) is reported but does not make it bad: recovery looks no deeper.
 *
 * At the end of a log that grows, bytes of a batch may be there before the rest: after a moment
 * they are looked at again, and then called "being written". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "log_verify.h"
#include "record/control.h"
#include "record/record.h"
#include "segment_file.h"

enum {
    WINDOW_BYTES = 1 << 19,
    DECOMPRESSED_MAX_BYTES = 256 << 20,
    WALKED_MAX_BYTES = 256 << 20, /* a larger batch is summed up in pieces */
    WHAT_MAX = 200,
    RECOVERY_MAX = 300,
};

/* The batch before, if it lies above the offset that was next. */
struct leap {
    bool is_one;
    koffset_t expected;
    struct index_batch batch; /* not passed to the indexes yet */
};

struct checking {
    struct log_state *log;
    struct segment_file segment;
    struct segment_indexes indexes;
    koffset_t base;  /* offsets begin here */
    koffset_t limit; /* where the next segment begins */
    bool is_last;
    bool was_retried;
    bool was_bad;                    /* what lay before the batch to come */
    bool is_snapshot;                /* of metadata: begins and ends with a control record */
    int first_control, last_control; /* their types; -1: none */
    bool is_quiet;                   /* a single index was named: batches are only read */
    struct buf scratch;
    int64_t told; /* bytes that progress knows of */
    struct leap leap;
    int64_t gaps, gap_records;
    koffset_t first_gap;
    struct batch_header header;
    char what[WHAT_MAX];
    const char *kind;
};

static koffset_t offset_behind(const struct batch_header *h)
{
    koffset_t last = batch_last_offset(h);
    return last == INT64_MAX ? last : last + 1;
}

static void bad(struct checking *c, const char *kind, const char *what)
{
    c->kind = kind;
    snprintf(c->what, sizeof c->what, "%s", what);
}

/* ---- judging a batch ---- */

static bool is_placed_well(struct checking *c, const struct batch_header *h)
{
    koffset_t base = c->base;
    c->kind = "offsets";
    if (h->base_offset < base)
        snprintf(c->what, sizeof c->what,
                 "batch of offsets %" PRId64 "..%" PRId64 " lies below the segment", h->base_offset,
                 batch_last_offset(h));
    else if (h->base_offset < c->log->end)
        snprintf(c->what, sizeof c->what,
                 "offsets go back: batch of %" PRId64 "..%" PRId64 " where %" PRId64 " is next",
                 h->base_offset, batch_last_offset(h), c->log->end);
    else if (batch_last_offset(h) >= c->limit)
        snprintf(c->what, sizeof c->what,
                 "batch of offsets %" PRId64 "..%" PRId64 " reaches into the next segment",
                 h->base_offset, batch_last_offset(h));
    else if (batch_last_offset(h) - base > INT32_MAX)
        snprintf(c->what, sizeof c->what,
                 "offsets %" PRId64 "..%" PRId64 " are too far from the segment's base",
                 h->base_offset, batch_last_offset(h));
    else
        return true;
    return false;
}

static bool is_sum_right(struct checking *c, const struct batch_header *h)
{
    struct segment_scan *scan = &c->segment.scan;
    struct view whole;
    if (h->size_bytes <= WALKED_MAX_BYTES && segment_scan_batch(scan, h, &whole) == OK) {
        if (batch_check_crc(whole) == OK) return true;
    } else if (segment_scan_check_crc(scan, h) == OK) {
        return true;
    }
    c->kind = "checksum";
    snprintf(c->what, sizeof c->what, "batch's checksum is not the %08" PRIx32 " of its header",
             h->crc);
    return false;
}

/* ---- records ---- */

static void report_records(struct checking *c, bool is_note, const char *kind, const char *what)
{
    struct finding f = {.is_note = is_note,
                        .kind = kind,
                        .path = c->segment.file->path,
                        .position = c->segment.scan.pos,
                        .bytes = (int64_t)c->header.size_bytes,
                        .offset = c->header.base_offset,
                        .recovery = "none: the checksum is right, so it is kept as it came"};
    if (!c->is_quiet) verify_report(c->log->v, &f, "%s", what);
}

/* What a walk over a batch's records tells. */
struct walked {
    int32_t count;
    time_ms_t newest;
    bool has_bad_control;
};

static err_t walk_records(struct checking *c, struct view whole, struct walked *out)
{
    struct record_iter it;
    struct record record;
    enum control_type type;
    err_t err = record_iter_init(&it, whole, &c->scratch, DECOMPRESSED_MAX_BYTES);
    *out = (struct walked){.newest = -1};
    bool is_control = batch_is_control(&c->header);
    while (err == OK && (err = record_iter_next(&it, &record)) == OK) {
        out->count++;
        out->newest = MAX(out->newest, record.timestamp);
        c->last_control = -1;
        if (is_control && control_key_parse(record.key, &type) != OK)
            out->has_bad_control = true;
        else if (is_control)
            c->last_control = (int)type;
        if (!c->log->has_batches && out->count == 1) c->first_control = c->last_control;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static void check_records(struct checking *c, struct view whole)
{
    const struct batch_header *h = &c->header;
    struct walked walked;
    char what[WHAT_MAX];
    err_t err = walk_records(c, whole, &walked);
    if (err == ERR_NOMEM) must(err);
    if (err != OK) {
        snprintf(what, sizeof what,
                 "records (%s) cannot be read: %s, after %" PRId32 " of %" PRId32,
                 batch_codec(h) < CODEC__COUNT ? codec_name(batch_codec(h)) : "unknown codec",
                 err_name(err), walked.count, h->record_count);
        report_records(c, err == ERR_TOO_LARGE, "records", what);
        return;
    }
    if (walked.has_bad_control)
        report_records(c, false, "control", "control batch with a key that is none");
    if (walked.count == 0 || walked.newest == h->max_timestamp || batch_is_log_append_time(h) ||
        batch_has_delete_horizon(h))
        return;
    snprintf(what, sizeof what,
             "newest record is of %" PRId64 ", the header says %" PRId64
             ": look-ups by time may miss it",
             walked.newest, h->max_timestamp);
    report_records(c, true, "timestamp", what);
}

/* ---- what a good batch changes ---- */

static void check_epoch(struct checking *c)
{
    struct log_state *log = c->log;
    leader_epoch_t epoch = c->header.leader_epoch, known;
    if (epoch < 0 || !log->has_epochs || c->is_quiet) return;
    known = epoch_cache_at(&log->epochs, c->header.base_offset);
    bool is_new = epoch > epoch_cache_latest(&log->epochs) &&
                  (log->v->is_live || log_state_is_read_anew(log, c->header.base_offset));
    if (known == epoch || is_new || log->epoch_findings++ > 0) return;
    struct finding f = {.kind = "leader-epoch",
                        .path = c->segment.file->path,
                        .position = c->segment.scan.pos + BATCH_LEADER_EPOCH,
                        .bytes = 4,
                        .offset = c->header.base_offset,
                        .recovery = log_state_is_read_anew(log, c->header.base_offset)
                                        ? "leader-epoch-checkpoint follows the batches"
                                        : "none: neither is looked at"};
    verify_report(log->v, &f,
                  "batch of leader epoch %" PRId32 ", leader-epoch-checkpoint says %" PRId32, epoch,
                  known);
}

/* Follows transactions; true for an abort marker. */
static bool follow_producers(struct checking *c, struct view whole)
{
    const struct batch_header *h = &c->header;
    struct control_marker marker;
    struct completed_txn done;
    if (!batch_has_producer_id(h)) return false;
    if (!batch_is_control(h)) {
        must(producer_state_update(c->log->producers, h));
        return false;
    }
    if (control_marker_parse(whole, &marker) != OK) return false;
    bool has_ended = producer_state_end_txn(c->log->producers, h, !marker.is_commit,
                                            marker.coordinator_epoch, &done);
    if (has_ended && done.is_aborted) segment_indexes_aborted(&c->indexes, &done);
    return !marker.is_commit;
}

static void settle_leap(struct checking *c)
{
    if (c->leap.is_one) segment_indexes_batch(&c->indexes, &c->leap.batch);
    c->leap.is_one = false;
}

/* A gap before the batch; the indexes hear of it when the next one has confirmed it. */
static bool note_gap(struct checking *c, const struct index_batch *batch)
{
    bool is_known = c->was_bad || !c->log->has_batches;
    c->was_bad = false;
    if (c->header.base_offset <= c->log->end || is_known) return false;
    c->leap = (struct leap){true, c->log->end, *batch};
    if (c->gaps++ == 0) c->first_gap = c->log->end;
    c->gap_records += c->header.base_offset - c->log->end;
    return true;
}

static void accept(struct checking *c)
{
    const struct batch_header *h = &c->header;
    struct log_state *log = c->log;
    struct index_batch batch = {.header = *h, .position = c->segment.scan.pos};
    struct view whole = {0};
    if (h->size_bytes <= WALKED_MAX_BYTES &&
        segment_scan_batch(&c->segment.scan, h, &whole) == OK) {
        if (!log->v->is_quick || c->is_snapshot) check_records(c, whole);
        batch.is_abort = follow_producers(c, whole);
    }
    settle_leap(c);
    check_epoch(c);
    if (!note_gap(c, &batch)) segment_indexes_batch(&c->indexes, &batch);
    log->end = offset_behind(h);
    log->has_batches = true;
    log->v->batches++;
    log->v->records += h->record_count;
}

/* ---- what is bad ---- */

static const char snapshot_recovery[] = "passed over: an older one, or the log, tells of the state";

/* What the next start would do with bad bytes from `start` to `end`. */
static void put_recovery(const struct checking *c, int64_t start, int64_t end, koffset_t next,
                         char *out, size_t size)
{
    const struct log_state *log = c->log;
    int64_t all = c->segment.scan.end - start;
    char offsets[64];
    if (c->is_snapshot) {
        snprintf(out, size, "%s", snapshot_recovery);
        return;
    }
    if (next > log->end)
        snprintf(offsets, sizeof offsets, "offsets %" PRId64 "..%" PRId64, log->end, next - 1);
    else
        snprintf(offsets, sizeof offsets, "offsets from %" PRId64 " on", log->end);
    if (log->v->is_clean)
        snprintf(out, size,
                 "the last stop was clean, so a start trusts this segment; who reads there gets an "
                 "error (without the clean-shutdown mark: %s would not be served)",
                 offsets);
    else if (log->end >= log->floor)
        snprintf(out, size,
                 "cut here: the log ends at offset %" PRId64 ", %" PRId64 " bytes%s are %s",
                 log->end, all, c->is_last ? "" : " and the segments that follow",
                 strcmp(c->kind, "zeros") == 0 ? "dropped" : "kept in side files");
    else
        snprintf(out, size, "%s (%" PRId64 " bytes) are marked as damaged and not served", offsets,
                 end - start);
}

static void report_bad(struct checking *c, int64_t start, int64_t end, koffset_t next)
{
    char recovery[RECOVERY_MAX];
    put_recovery(c, start, end, next, recovery, sizeof recovery);
    struct finding f = {.kind = c->kind,
                        .path = c->segment.file->path,
                        .position = start,
                        .bytes = end - start,
                        .offset = c->log->end,
                        .recovery = recovery};
    if (!c->is_quiet) verify_report(c->log->v, &f, "%s", c->what);
}

/* Gives a broker that is just writing there a moment. */
static bool retry(struct checking *c, int64_t position)
{
    struct segment_scan *scan = &c->segment.scan;
    struct os_stat st;
    if (!c->log->v->is_live || !c->is_last || c->was_retried) return false;
    c->was_retried = true;
    nanosleep(&(struct timespec){.tv_nsec = 30 * 1000 * 1000}, NULL);
    if (scan->os->fstat(scan->os, scan->fd, &st) < 0 || st.size_bytes < position) return false;
    segment_scan_seek(scan, position, st.size_bytes);
    return true;
}

static void note_writing(struct checking *c, int64_t at)
{
    struct finding f = {.is_note = true,
                        .kind = "being-written",
                        .path = c->segment.file->path,
                        .position = at,
                        .bytes = c->segment.scan.end - at,
                        .offset = c->log->end};
    verify_report(c->log->v, &f, "the broker is writing here");
    segment_scan_seek(&c->segment.scan, c->segment.scan.end, c->segment.scan.end);
}

static void describe_end(struct checking *c, enum segment_end end)
{
    switch (end) {
    case SEGMENT_END_ZEROS: bad(c, "zeros", "nothing but zeros up to the end"); break;
    case SEGMENT_END_TORN: bad(c, "torn", "batch is cut off by the end of the file"); break;
    case SEGMENT_END_OLD:
        bad(c, "format", "message of format 0 or 1, which is not read here");
        break;
    default: bad(c, "header", "bytes that are no header of a batch"); break;
    }
}

/* Bad bytes begin at `start`; `err` is what the scan said, OK: the batch was judged bad. False: the
 * file cannot be read. */
static bool handle_bad(struct checking *c, int64_t start, err_t err)
{
    koffset_t next;
    if (err == ERR_IO || err == ERR_NOMEM) return false;
    if (retry(c, start)) return true;
    settle_leap(c);
    segment_scan_seek(&c->segment.scan, start, c->segment.scan.end);
    if (err != OK) {
        enum segment_end end = segment_file_end(&c->segment, err);
        if (end == SEGMENT_END_WRITING) {
            note_writing(c, start);
            return true;
        }
        describe_end(c, end);
    }
    struct batch_header good;
    int64_t end = segment_file_resync(&c->segment, start, c->log->end, c->limit, &good);
    bool is_end = end == c->segment.scan.end;
    next = !is_end ? good.base_offset : c->limit == INT64_MAX ? -1 : c->limit;
    c->was_bad = true;
    if (!is_end && strcmp(c->kind, "torn") == 0)
        bad(c, "header", "batch whose length reaches beyond the end of the file");
    segment_indexes_bad(&c->indexes, start, end, c->log->end, next);
    report_bad(c, start, end, next);
    return true;
}

/* The base offset is not part of the checksum. When the batch that comes now is just what would
 * follow if the one before had not leapt, the one before is wrong. A recovery would not see that
 * and take all that comes for bad. */
static bool is_after_leap(struct checking *c)
{
    struct leap leap = c->leap;
    char recovery[RECOVERY_MAX];
    koffset_t last = leap.expected + leap.batch.header.last_offset_delta;
    if (!leap.is_one || c->header.base_offset != last + 1) return false;
    put_recovery(c, c->segment.scan.pos, c->segment.scan.end, -1, recovery, sizeof recovery);
    struct finding f = {.kind = "offsets",
                        .path = c->segment.file->path,
                        .position = leap.batch.position,
                        .bytes = (int64_t)leap.batch.header.size_bytes,
                        .offset = leap.expected,
                        .recovery = recovery};
    if (!c->is_quiet)
        verify_report(c->log->v, &f,
                      "batch says offsets %" PRId64 "..%" PRId64 ", those around it leave %" PRId64
                      "..%" PRId64 " (recovery: of the next one)",
                      leap.batch.header.base_offset, batch_last_offset(&leap.batch.header),
                      leap.expected, last);
    c->gaps--;
    c->gap_records -= leap.batch.header.base_offset - leap.expected;
    c->log->end = last + 1;
    c->leap.batch.header.base_offset = leap.expected;
    settle_leap(c);
    return true;
}

/* ---- a segment ---- */

static bool check_batches(struct checking *c)
{
    struct segment_scan *scan = &c->segment.scan;
    for (;;) {
        err_t err = segment_scan_next(scan, &c->header);
        if (err == ERR_NOT_FOUND) {
            settle_leap(c);
            return true;
        }
        int64_t start = err == OK ? scan->pos : scan->next;
        bool is_placed = err == OK && (is_placed_well(c, &c->header) ||
                                       (is_after_leap(c) && is_placed_well(c, &c->header)));
        if (is_placed && is_sum_right(c, &c->header))
            accept(c);
        else if (!handle_bad(c, start, err))
            return false;
        if (scan->next - c->told >= WINDOW_BYTES) {
            verify_tell_progress(c->log->v, scan->next - c->told);
            c->told = scan->next;
        }
    }
}

static void report_gaps(struct checking *c)
{
    struct finding f = {.is_note = true,
                        .kind = "gap",
                        .path = c->segment.file->path,
                        .position = -1,
                        .offset = c->first_gap};
    if (c->gaps == 0 || c->is_quiet) return;
    verify_report(c->log->v, &f,
                  "%" PRId64 " offsets have no record, in %" PRId64
                  " places, here first: compaction leaves such gaps",
                  c->gap_records, c->gaps);
}

static int check_segment(struct checking *c, const struct file *file, const struct file *index)
{
    struct log_state *log = c->log;
    c->is_last = place_is_last_segment(log->place, file);
    c->base = file->base_offset;
    c->limit = segment_end(log->place, file->base_offset);
    c->is_quiet = index != NULL;
    if (!log->has_batches) log->end = file->base_offset;
    int code = segment_indexes_open(&c->indexes, log, file, index);
    err_t err = segment_file_open(&c->segment, log->place, file, WINDOW_BYTES);
    if (err != OK) {
        segment_indexes_drop(&c->indexes);
        return segment_file_failed(log->place, err);
    }
    if (!check_batches(c))
        code = complain(EXIT_BROKEN, "%s: byte %" PRId64 ": cannot be read", file->path,
                        c->segment.scan.next);
    verify_tell_progress(log->v, c->segment.scan.end - c->told);
    report_gaps(c);
    segment_indexes_close(&c->indexes);
    segment_file_close(&c->segment);
    buf_release(&c->scratch);
    log->v->segments++;
    return code;
}

int verify_segment(struct log_state *log, const struct file *file)
{
    struct checking *c = calloc(1, sizeof *c); /* windows of indexes: too large for a stack */
    if (!c) must(ERR_NOMEM);
    c->log = log;
    int code;
    if (file->kind == FILE_SEGMENT) {
        code = check_segment(c, file, NULL);
    } else {
        char *path = sibling_path(file, FILE_SEGMENT);
        struct file segment = *file;
        segment.path = path;
        segment.name = path + (file->name - file->path);
        segment.kind = FILE_SEGMENT;
        code = check_segment(c, &segment, file);
        free(path);
    }
    free(c);
    return code;
}

static void check_snapshot_ends(struct checking *c)
{
    struct finding f = {.kind = "snapshot",
                        .path = c->segment.file->path,
                        .position = -1,
                        .offset = c->segment.file->base_offset,
                        .recovery = snapshot_recovery};
    if (c->first_control != CONTROL_SNAPSHOT_HEADER)
        verify_report(c->log->v, &f, "metadata snapshot does not begin with a header");
    if (c->last_control != CONTROL_SNAPSHOT_FOOTER)
        verify_report(c->log->v, &f, "metadata snapshot is not complete: it ends without a footer");
}

int verify_metadata_snapshot(struct log_state *log, const struct file *file)
{
    struct log_state own;
    log_state_init(&own, log->v, log->place);
    own.is_alone = true;
    own.has_epochs = false;
    struct checking *c = calloc(1, sizeof *c);
    if (!c) must(ERR_NOMEM);
    c->log = &own;
    c->limit = INT64_MAX;
    c->is_snapshot = true;
    c->first_control = c->last_control = -1;
    int code = EXIT_OK;
    err_t err = segment_file_open(&c->segment, log->place, file, WINDOW_BYTES);
    if (err != OK) {
        code = segment_file_failed(log->place, err);
    } else {
        if (!check_batches(c)) code = complain(EXIT_BROKEN, "%s: cannot be read", file->path);
        check_snapshot_ends(c);
        segment_file_close(&c->segment);
    }
    buf_release(&c->scratch);
    free(c);
    log_state_release(&own);
    log->v->others++;
    return code;
}
