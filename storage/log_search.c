/* By time: segments whose newest record is older are passed over, the time index tells from which
 * offset on the rest of one can matter, headers are read from there, and in the first batch whose
 * largest timestamp is late enough the records themselves are looked at.
 *
 * Timestamps are the producers' and need not rise; "first" is by offset. As in log_read.c, a
 * surprise in a log that has changed meanwhile means: again.
 */
#include "base/check.h"
#include "log_internal.h"
#include "record/record.h"

enum { SEARCH_TRIES = 8, DECOMPRESSED_MAX_BYTES = 64 << 20 };

struct search {
    time_ms_t timestamp;
    koffset_t start, limit;
    bool wants_max; /* the largest timestamp, instead of the first late enough */
    bool wants_all; /* of all batches, instead of the first that has it */
    /* where to look */
    struct segment *segment; /* one reference */
    struct slice_file *file; /* one reference */
    uint64_t generation;
    bool is_sealed;
    int64_t size;
    koffset_t segment_end;
    struct offset_entry from;
};

static void search_release(struct search *s)
{
    if (s->file) slice_file_unref(s->file);
    segment_unref(s->segment);
    s->file = NULL;
    s->segment = NULL;
}

/* The index entry from which on records can be as late as that. */
static err_t look_up(struct search *s)
{
    struct time_entry entry;
    TRY(time_index_lookup(&s->segment->times, s->timestamp, &entry));
    koffset_t offset = entry.timestamp < 0 ? s->segment->base_offset : entry.offset;
    return segment_lookup(s->segment, offset, &s->from);
}

/* Under `lock`. */
static err_t take(struct log *log, struct search *s, struct segment *segment)
{
    TRY(segment_pin(segment, &s->file));
    segment_ref(segment);
    s->segment = segment;
    s->generation = log->generation;
    s->is_sealed = segment->is_sealed;
    s->size = segment->size_bytes;
    s->segment_end = segment->end_offset;
    s->limit = MIN(s->limit, log->end_offset);
    s->start = MAX(s->start, log->start_offset);
    return s->is_sealed ? OK : look_up(s);
}

/* ---- in one batch ---- */

static err_t look_into(struct search *s, struct view batch, struct log_timestamp_match *out)
{
    struct record_iter it;
    struct record record;
    struct buf scratch = {0};
    err_t err = record_iter_init(&it, batch, &scratch, DECOMPRESSED_MAX_BYTES);
    while (err == OK && (err = record_iter_next(&it, &record)) == OK) {
        if (record.offset >= s->limit) break;
        bool is_match = s->wants_max ? record.timestamp > out->timestamp
                                     : record.timestamp >= s->timestamp;
        if (!is_match || record.offset < s->start) continue;
        *out = (struct log_timestamp_match){record.offset, record.timestamp,
                                            it.header.leader_epoch};
        if (!s->wants_max) break;
    }
    buf_release(&scratch);
    if (err == OK || err == ERR_NOT_FOUND) return OK;
    if (err == ERR_TOO_LARGE) { /* a bomb, or nearly: found as a whole, by its header */
        *out = (struct log_timestamp_match){MAX(it.header.base_offset, s->start),
                                            it.header.max_timestamp, it.header.leader_epoch};
        return OK;
    }
    return err == ERR_NOMEM ? err : ERR_DAMAGED;
}

/* ---- in one segment ---- */

static err_t scan_segment(struct log *log, struct search *s, struct segment_scan *scan,
                          struct log_timestamp_match *out)
{
    struct batch_header header;
    err_t err;
    while ((err = log_next_batch(log, s->segment, scan, &header)) == OK) {
        if (header.base_offset >= s->limit) return OK;
        if (batch_last_offset(&header) < s->start) continue;
        if (header.max_timestamp < s->timestamp) continue;
        if (s->wants_all && header.max_timestamp <= out->timestamp) continue;
        struct view batch;
        TRY(segment_scan_batch(scan, &header, &batch));
        TRY(look_into(s, batch, out));
        if (out->offset >= 0 && !s->wants_all) return OK;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static err_t search_segment(struct log *log, struct search *s, struct log_timestamp_match *out)
{
    struct segment_scan scan;
    if (s->is_sealed) TRY(look_up(s));
    segment_scan_init(&scan, log_os(log), s->file->fd, SCAN_HEADERS);
    err_t err = segment_scan_from(s->segment, &scan, s->from, s->size);
    if (err == OK) err = scan_segment(log, s, &scan, out);
    segment_scan_release(&scan);
    bool is_bad = err == ERR_CORRUPT || err == ERR_SHORT || err == ERR_UNSUPPORTED;
    return is_bad ? ERR_DAMAGED : err;
}

static bool has_changed(struct log *log, const struct search *s)
{
    mutex_lock(&log->lock);
    bool has = log->generation != s->generation ||
               log->segments[0]->base_offset > s->segment->base_offset;
    mutex_unlock(&log->lock);
    return has;
}

/* ---- the row ---- */

/* The first segment at or behind `base` that can hold a match; none: s->segment stays NULL. */
static err_t next_segment(struct log *log, struct search *s, koffset_t base)
{
    err_t err = OK;
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->segment_count && !s->segment && err == OK; i++) {
        struct segment *segment = log->segments[i];
        if (segment->base_offset < base || segment->end_offset <= s->start) continue;
        if (segment->base_offset >= s->limit) break;
        if (segment_max_timestamp(segment) >= s->timestamp) err = take(log, s, segment);
    }
    mutex_unlock(&log->lock);
    return err;
}

/* ERR_AGAIN: the log has changed under the search. */
static err_t search_once(struct log *log, struct search *s, struct log_timestamp_match *out)
{
    koffset_t base = 0;
    for (;;) {
        TRY(next_segment(log, s, base));
        if (!s->segment) return OK;
        base = s->segment->base_offset + 1;
        err_t err = search_segment(log, s, out);
        bool is_again = err != OK && err != ERR_NOMEM && has_changed(log, s);
        search_release(s);
        if (is_again) return ERR_AGAIN;
        TRY(err);
        if (out->offset >= 0) return OK;
    }
}

err_t log_find_timestamp(struct log *log, time_ms_t timestamp, koffset_t limit_offset,
                         struct log_timestamp_match *out)
{
    err_t err = ERR_AGAIN;
    for (int i = 0; err == ERR_AGAIN && i < SEARCH_TRIES; i++) {
        struct search s = {.timestamp = timestamp, .limit = limit_offset};
        *out = (struct log_timestamp_match){-1, -1, -1};
        err = search_once(log, &s, out);
        search_release(&s);
    }
    return err == ERR_AGAIN ? ERR_IO : err;
}

/* The segment that begins below the start, if there is one: what its index says of the largest
 * timestamp may be about records that are gone. */
static err_t take_first(struct log *log, struct search *s)
{
    err_t err = OK;
    mutex_lock(&log->lock);
    struct segment *first = log->segments[log_segment_index(log, log->start_offset)];
    if (first->base_offset < log->start_offset && first->size_bytes > 0) err = take(log, s, first);
    mutex_unlock(&log->lock);
    return err;
}

/* The largest timestamp of the segments that begin at the start or above it; -1: no records. */
static time_ms_t largest(struct log *log)
{
    time_ms_t timestamp = -1;
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->base_offset < log->start_offset) continue;
        timestamp = MAX(timestamp, segment_max_timestamp(log->segments[i]));
    }
    mutex_unlock(&log->lock);
    return timestamp;
}

static err_t find_max_once(struct log *log, struct log_timestamp_match *out)
{
    struct search first = {
        .timestamp = -1, .limit = INT64_MAX, .wants_max = true, .wants_all = true};
    err_t err = take_first(log, &first);
    if (err == OK && first.segment) err = search_segment(log, &first, out);
    bool is_again = err != OK && first.segment && has_changed(log, &first);
    search_release(&first);
    if (is_again) return ERR_AGAIN;
    TRY(err);
    time_ms_t timestamp = largest(log);
    if (timestamp <= out->timestamp) return OK;
    struct search s = {.timestamp = timestamp, .limit = INT64_MAX, .wants_max = true};
    *out = (struct log_timestamp_match){-1, -1, -1};
    err = search_once(log, &s, out);
    search_release(&s);
    return err;
}

err_t log_find_max_timestamp(struct log *log, struct log_timestamp_match *out)
{
    err_t err = ERR_AGAIN;
    for (int i = 0; err == ERR_AGAIN && i < SEARCH_TRIES; i++) {
        *out = (struct log_timestamp_match){-1, -1, -1};
        err = find_max_once(log, out);
    }
    return err == ERR_AGAIN ? ERR_IO : err;
}
