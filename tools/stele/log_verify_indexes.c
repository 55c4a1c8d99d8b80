/* A segment's indexes, walked along with its batches (index_check.h).
 *
 * What a start of the broker sees by itself is little: lengths, and the last entries. In segments
 * that it reads anew it sees everything. So for an index that is wrong elsewhere the way out is
 * index-rebuild, and the finding says so. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "log_verify.h"

enum { REPORTED_MAX = 5 };

static const enum file_kind kinds[INDEX_KINDS] = {FILE_OFFSET_INDEX, FILE_TIME_INDEX,
                                                  FILE_TXN_INDEX};
static const char rebuilt[] = "the next start makes it anew";

static const char *recovery_of(const struct segment_indexes *x)
{
    bool is_read_anew = x->is_last && !x->log->v->is_clean;
    return is_read_anew ? rebuilt
                        : "a start trusts what it does not read anew: stele index-rebuild";
}

/* ---- entries ---- */

static void report_entry(struct segment_indexes *x, int i, const struct entry *e,
                         enum entry_verdict verdict, const struct index_batch *batch)
{
    char what[256];
    int at = snprintf(what, sizeof what, "entry %" PRId64 " (", e->index);
    if (kinds[i] == FILE_OFFSET_INDEX)
        at += snprintf(what + at, sizeof what - (size_t)at, "byte %" PRId64, e->position);
    else if (kinds[i] == FILE_TIME_INDEX)
        at += snprintf(what + at, sizeof what - (size_t)at, "time %" PRId64, e->timestamp);
    else
        at += snprintf(what + at, sizeof what - (size_t)at, "producer %" PRId64, e->producer_id);
    at += snprintf(what + at, sizeof what - (size_t)at, "): %s", entry_verdict_text(verdict));
    if (batch)
        snprintf(what + at, sizeof what - (size_t)at,
                 "; the batch: offsets %" PRId64 "..%" PRId64 ", time %" PRId64,
                 batch->header.base_offset, batch_last_offset(&batch->header),
                 batch->header.max_timestamp);
    struct finding f = {.kind = "index-entry",
                        .path = x->files[i]->path,
                        .position = e->index * x->checks[i].entries.entry_bytes,
                        .bytes = x->checks[i].entries.entry_bytes,
                        .offset = e->offset >= 0 ? e->offset : -1,
                        .recovery = recovery_of(x)};
    verify_report(x->log->v, &f, "%s", what);
}

/* Entries that point into what is damaged are no damage of their own. */
static bool is_excused(const struct segment_indexes *x, int i, const struct entry *e)
{
    if (x->bad_to == 0) return false;
    if (kinds[i] == FILE_OFFSET_INDEX && e->position >= x->bad_from && e->position < x->bad_to)
        return true;
    return e->offset >= x->bad_offset_from &&
           (x->bad_offset_to < 0 || e->offset < x->bad_offset_to);
}

static void judge_entry(struct segment_indexes *x, int i, const struct entry *e,
                        enum entry_verdict verdict, const struct index_batch *batch)
{
    if (verdict_is_good(verdict) || (verdict != ENTRY_NO_ORDER && is_excused(x, i, e))) return;
    /* Of a log that grows we may have read less than the index knows by now. */
    if (verdict == ENTRY_BEYOND && x->log->v->is_live && x->is_last) return;
    if (x->reported[i]++ < REPORTED_MAX) report_entry(x, i, e, verdict, batch);
}

static void hear_offset(void *arg, const struct entry *e, enum entry_verdict verdict,
                        const struct index_batch *batch)
{
    judge_entry(arg, 0, e, verdict, batch);
}
static void hear_time(void *arg, const struct entry *e, enum entry_verdict verdict,
                      const struct index_batch *batch)
{
    judge_entry(arg, 1, e, verdict, batch);
}
static void hear_txn(void *arg, const struct entry *e, enum entry_verdict verdict,
                     const struct index_batch *batch)
{
    judge_entry(arg, 2, e, verdict, batch);
}

/* ---- a file as a whole ---- */

static void report_file(struct segment_indexes *x, int i, bool is_note, int64_t position,
                        const char *what)
{
    struct finding f = {.is_note = is_note,
                        .kind = "index-file",
                        .path = x->files[i]->path,
                        .position = position,
                        .bytes = position < 0 ? 0 : x->files[i]->size_bytes - position,
                        .offset = -1,
                        .recovery = rebuilt};
    verify_report(x->log->v, &f, "%s", what);
}

/* An active index may have room reserved behind its entries, as zeros. */
static void check_length(struct segment_indexes *x, int i)
{
    const struct entries *e = &x->checks[i].entries;
    int64_t end = e->count * e->entry_bytes;
    if (e->trailing_bytes)
        report_file(x, i, false, e->size_bytes - e->trailing_bytes,
                    "bytes at the end that are no whole entry");
    else if (e->zero_bytes && x->is_last && x->log->v->is_live)
        return; /* room for more */
    else if (e->zero_bytes && x->is_last)
        report_file(x, i, true, end,
                    "zeros behind the last entry: room for more, or never written");
    else if (e->zero_bytes)
        report_file(x, i, false, end, "zeros behind the last entry");
}

static void report_missing(struct segment_indexes *x, int i)
{
    struct finding f = {.kind = "index-missing",
                        .path = x->segment->path,
                        .position = -1,
                        .offset = -1,
                        .recovery = rebuilt};
    if (x->log->v->is_live) return; /* retention may have been faster */
    verify_report(x->log->v, &f, "has no %s", file_kind_name(kinds[i]));
}

static int open_one(struct segment_indexes *x, int i, const struct file *file)
{
    static void (*const hear[INDEX_KINDS])(void *, const struct entry *, enum entry_verdict,
                                           const struct index_batch *) = {hear_offset, hear_time,
                                                                          hear_txn};
    err_t err = index_check_open(&x->checks[i], file);
    if (err != OK) return err == ERR_NOT_FOUND ? EXIT_OK : EXIT_UNREACHABLE;
    x->files[i] = file;
    x->checks[i].fn = hear[i];
    x->checks[i].arg = x;
    x->log->v->indexes++;
    check_length(x, i);
    return EXIT_OK;
}

int segment_indexes_open(struct segment_indexes *x, struct log_state *log,
                         const struct file *segment, const struct file *only)
{
    int code = EXIT_OK;
    x->log = log;
    x->segment = segment;
    x->is_last = place_is_last_segment(log->place, segment);
    for (int i = 0; i < INDEX_KINDS; i++) {
        const struct file *file = only;
        if (!only) file = place_find(log->place, kinds[i], segment->base_offset);
        if (file && file->kind == kinds[i]) {
            int one = open_one(x, i, file);
            code = MAX(code, one);
        } else if (!file && kinds[i] != FILE_TXN_INDEX && !log->is_alone) {
            report_missing(x, i);
        }
    }
    return code;
}

void segment_indexes_batch(struct segment_indexes *x, const struct index_batch *batch)
{
    for (int i = 0; i < INDEX_KINDS; i++) {
        if (x->files[i]) index_check_batch(&x->checks[i], batch);
    }
    x->bad_to = 0;
    x->end = batch->position + (int64_t)batch->header.size_bytes;
}

void segment_indexes_bad(struct segment_indexes *x, int64_t from, int64_t to, koffset_t offset_from,
                         koffset_t offset_to)
{
    x->was_bad = true;
    if (x->bad_to == 0) {
        x->bad_from = from;
        x->bad_offset_from = offset_from;
    }
    x->bad_to = to;
    x->bad_offset_to = offset_to;
}

/* The marker's batch has not been passed on yet: its entry is the next one, or is missing. */
void segment_indexes_aborted(struct segment_indexes *x, const struct completed_txn *txn)
{
    struct index_check *c = &x->checks[2];
    struct entry e = {.offset = -1};
    int64_t at = c->entries.next - c->has_entry;
    if (!x->files[2] && x->log->is_alone) return;
    while (x->files[2] && entries_get(&c->entries, at++, &e) == OK && e.offset < txn->last_offset) {
    }
    bool is_there = x->files[2] && e.offset == txn->last_offset;
    if (is_there && e.first_offset == txn->first_offset) return;
    if (!is_there && x->log->v->is_live && x->is_last) return;
    struct finding f = {.kind = "transaction",
                        .path = x->files[2] ? x->files[2]->path : x->segment->path,
                        .position = is_there ? e.index * c->entries.entry_bytes : -1,
                        .bytes = is_there ? c->entries.entry_bytes : 0,
                        .offset = txn->last_offset,
                        .recovery = recovery_of(x)};
    verify_report(x->log->v, &f,
                  "producer %" PRId64 " aborted what it wrote from offset %" PRId64
                  " on; the transaction index %s",
                  txn->producer_id, txn->first_offset,
                  is_there ? "says otherwise" : "does not know");
}

/* Entries that are missing at the end do no harm but cost time; a time index that ends early lets
 * look-ups pass a segment by. The segment that grows is always behind. */
static void check_reach(struct segment_indexes *x, int i)
{
    const struct index_check *c = &x->checks[i];
    char what[200];
    int64_t left = x->end - MAX(c->last.position, 0);
    int64_t usual = MAX(c->gap_max_bytes, (int64_t)64 * 1024);
    if (x->is_last || x->was_bad || c->wrong) return;
    if (kinds[i] == FILE_OFFSET_INDEX && left > 8 * usual)
        snprintf(what, sizeof what, "ends %" PRId64 " bytes before its log", left);
    else if (kinds[i] == FILE_TIME_INDEX && c->newest > c->last.timestamp)
        snprintf(what, sizeof what, "ends with time %" PRId64 ", its log with %" PRId64,
                 c->last.timestamp, c->newest);
    else
        return;
    struct finding f = {.is_note = true,
                        .kind = "index-short",
                        .path = x->files[i]->path,
                        .position = -1,
                        .offset = c->last.index < 0 ? -1 : c->last.offset,
                        .recovery = recovery_of(x)};
    verify_report(x->log->v, &f, "%s", what);
}

void segment_indexes_close(struct segment_indexes *x)
{
    for (int i = 0; i < INDEX_KINDS; i++) {
        if (!x->files[i]) continue;
        index_check_finish(&x->checks[i]);
        check_reach(x, i);
        if (x->reported[i] > REPORTED_MAX) {
            struct finding f = {.kind = "index-entry",
                                .path = x->files[i]->path,
                                .position = -1,
                                .offset = -1,
                                .recovery = recovery_of(x)};
            verify_report(x->log->v, &f, "%d more wrong entries", x->reported[i] - REPORTED_MAX);
        }
        index_check_close(&x->checks[i]);
        x->files[i] = NULL;
    }
}

void segment_indexes_drop(struct segment_indexes *x)
{
    for (int i = 0; i < INDEX_KINDS; i++) {
        if (x->files[i]) index_check_close(&x->checks[i]);
        x->files[i] = NULL;
    }
}
