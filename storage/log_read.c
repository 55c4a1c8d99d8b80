/* Happy path of a consumer who reads on where it stopped: under `lock` its offset is found among
 * the hints, the slice is cut to size, done. No index, no scan, no system call.
 *
 * Otherwise the place is looked for: the offset index gives an entry at or before the offset, and
 * headers are read from there on; both without `lock`, for a segment that is still written only the
 * index look-up is done under it. Reading headers may wait for the disk; so may the index of an old
 * segment. What was found out is kept as a hint.
 *
 * Where a slice has to be cut because of max_bytes, it is cut at the last index entry before that:
 * a batch boundary. The next read is then likely to begin exactly there, which the hint says; only
 * the header at that place is looked at, to be sure.
 *
 * A reader who is between two looks at the log may be overtaken: by retention or a truncation. A
 * surprise (a file that is gone, bytes that are no batch) in another generation, or in a segment
 * that is not in the row any more, means: again from the start. The same surprise in a segment that
 * still stands is damage.
 */
#include "base/check.h"
#include "log_internal.h"

enum { READ_TRIES = 8 };
static const int64_t hot_bytes = 64 * 1024 * 1024;

struct read {
    koffset_t offset, limit;
    size_t max_bytes;
    bool at_least_one;
    /* taken down under `lock` */
    struct segment *segment; /* one reference */
    struct slice_file *file; /* one reference */
    uint64_t generation;
    bool is_sealed;
    koffset_t segment_end;
    int64_t size;                   /* of the segment then */
    struct offset_entry scan_from;  /* index entry at or before the offset (if not sealed) */
    struct offset_entry limit_from; /* at or before the limit (if not sealed) */
    int64_t guess;                  /* where the batch is likely to start; -1: no idea */
    /* found out; positions, -1: not yet */
    int64_t start, end;
    int64_t first_end; /* of the first batch */
    int64_t cut;       /* a batch boundary within max_bytes, 0: there is none */
    struct log_hint cut_hint;
    koffset_t start_offset;
    bool is_guess_wrong;  /* the next attempt looks it up */
    koffset_t bad_offset; /* what should be where an impossible header is, */
    int64_t bad_position; /* and its place */
};

static void read_release(struct read *r)
{
    if (r->file) slice_file_unref(r->file);
    segment_unref(r->segment);
    r->file = NULL;
    r->segment = NULL;
}

/* ---- hints ---- */

void log_add_hint(struct log *log, struct log_hint hint)
{
    mutex_assert_held(&log->lock);
    for (int i = 0; i < LOG_HINTS; i++) {
        struct log_hint *h = &log->hints[i];
        if (h->segment_base == hint.segment_base && h->position == hint.position && h->high != 0) {
            if (!h->is_exact) *h = hint;
            return;
        }
    }
    log->hints[log->next_hint] = hint;
    log->next_hint = (log->next_hint + 1) % LOG_HINTS;
}

void log_clear_hints(struct log *log)
{
    for (int i = 0; i < LOG_HINTS; i++) log->hints[i] = (struct log_hint){.low = 1, .high = 0};
}

/* An exact hint if there is one, else any; NULL: none. */
static const struct log_hint *find_hint(const struct log *log, const struct segment *segment,
                                        koffset_t offset)
{
    const struct log_hint *found = NULL;
    for (int i = 0; i < LOG_HINTS; i++) {
        const struct log_hint *h = &log->hints[i];
        if (offset < h->low || offset > h->high) continue;
        if (h->segment_base != segment->base_offset || h->position > segment->size_bytes) continue;
        if (h->is_exact) return h;
        found = h;
    }
    return found;
}

/* ---- under the lock ---- */

static void use_hints(const struct log *log, struct read *r)
{
    const struct segment *segment = r->segment;
    if (r->limit >= segment->end_offset) r->end = segment->size_bytes;
    if (log->damage_count > 0) return; /* scans know how to get around it */
    const struct log_hint *hint = find_hint(log, segment, r->offset);
    if (r->offset == segment->base_offset && segment->size_bytes > 0) {
        r->start = 0;
    } else if (hint && hint->is_exact) {
        r->start = hint->position;
    } else if (hint && !r->is_guess_wrong) {
        r->guess = hint->position;
    }
    hint = r->end < 0 ? find_hint(log, segment, r->limit) : NULL;
    if (hint && hint->is_exact) r->end = hint->position;
}

/* What the log can tell without looking into files. */
static err_t prepare(struct log *log, struct read *r)
{
    struct segment *segment = log->segments[log_segment_index(log, r->offset)];
    TRY(segment_pin(segment, &r->file));
    segment_ref(segment);
    r->segment = segment;
    r->generation = log->generation;
    r->is_sealed = segment->is_sealed;
    r->segment_end = segment->end_offset;
    r->size = segment->size_bytes;
    r->start = r->first_end = r->end = r->guess = r->cut = -1;
    r->start_offset = r->offset;
    use_hints(log, r);
    if (r->is_sealed) return OK;
    if (r->start < 0 && r->guess < 0) TRY(segment_lookup(segment, r->offset, &r->scan_from));
    if (r->end < 0) TRY(segment_lookup(segment, r->limit, &r->limit_from));
    return OK;
}

/* Looks for a batch boundary within max_bytes. Under `lock` unless the segment is sealed. */
static void find_cut(struct read *r)
{
    struct offset_entry entry;
    koffset_t previous;
    r->cut = 0;
    if (r->segment->is_index_bad) return;
    if (offset_index_lookup_position(&r->segment->offsets, r->start + (int64_t)r->max_bytes, &entry,
                                     &previous) != OK) {
        return;
    }
    if (entry.position <= r->start) return;
    if (entry.position < r->first_end) { /* inside of the first batch? */
        segment_distrust_index(r->segment);
        return;
    }
    r->cut = entry.position;
    r->cut_hint = (struct log_hint){r->segment->base_offset, previous + 1, entry.offset,
                                    entry.position, false};
}

static bool is_hot(const struct log *log, const struct read *r)
{
    const struct segment *active = log_active(log);
    int64_t at = log_position(r->segment, r->start);
    int64_t now = log_position(active, active->size_bytes);
    return at >= log->opened_position && now - at <= hot_bytes;
}

/* Where the slice ends. ERR_AGAIN: files have to be asked first. */
static err_t choose_end(struct log *log, struct read *r, int64_t *end)
{
    *end = MIN(r->end, log_damage_position(log, r->segment, r->start));
    if (*end <= r->start) return ERR_DAMAGED;
    if (*end - r->start <= (int64_t)r->max_bytes) {
        koffset_t next = MIN(r->limit, r->segment_end);
        if (*end == r->end) {
            log_add_hint(log, (struct log_hint){r->segment->base_offset, next, next, *end, true});
        }
        return OK;
    }
    if (r->first_end < 0 || (r->cut < 0 && r->is_sealed)) return ERR_AGAIN;
    if (r->cut < 0) find_cut(r);
    if (r->cut > 0 && r->cut < *end) {
        *end = r->cut;
        log_add_hint(log, r->cut_hint);
        return OK;
    }
    int64_t wanted = r->start + (int64_t)r->max_bytes;
    *end = MIN(*end, r->at_least_one ? MAX(wanted, r->first_end) : wanted);
    return OK;
}

static err_t finish(struct log *log, struct read *r, struct log_read *out)
{
    int64_t end;
    TRY(choose_end(log, r, &end));
    out->slice = (struct slice){r->file, r->start, (size_t)(end - r->start), is_hot(log, r)};
    out->start_offset = r->start_offset;
    r->file = NULL; /* the reference is the slice's now */
    return OK;
}

/* ---- without the lock ---- */

/* The first batch from the index entry `from` on that ends at or behind `offset`; *position also
 * when there is none. */
static err_t find_batch(struct log *log, struct read *r, struct offset_entry from, koffset_t offset,
                        struct batch_header *header, int64_t *position)
{
    struct segment_scan scan;
    segment_scan_init(&scan, log_os(log), r->file->fd, SCAN_HEADERS);
    err_t err = segment_scan_from(r->segment, &scan, from, r->size);
    r->bad_offset = scan.next > 0 ? from.offset : r->segment->base_offset;
    while (err == OK && (err = log_next_batch(log, r->segment, &scan, header)) == OK) {
        r->bad_offset = batch_last_offset(header) + 1;
        if (batch_last_offset(header) >= offset) break;
    }
    *position = r->bad_position = err == OK ? scan.pos : scan.next;
    segment_scan_release(&scan);
    return err;
}

/* The header of the batch that starts there. */
static err_t look_at(struct log *log, struct read *r, int64_t position, struct batch_header *header)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    r->bad_position = position;
    r->bad_offset = r->offset;
    ssize_t n = log_os(log)->pread(log_os(log), r->file->fd, bytes, sizeof bytes, position);
    if (n < 0) return handle_error(&r->segment->file, n, "read");
    TRY(batch_header_parse(view_of(bytes, (size_t)n), header));
    return (int64_t)header->size_bytes > r->size - position ? ERR_SHORT : OK;
}

static void found_start(struct read *r, const struct batch_header *header, int64_t position)
{
    r->start = position;
    r->first_end = position + (int64_t)header->size_bytes;
    r->start_offset = header->base_offset;
}

/* Whether the batch at the guessed place is the one. */
static bool try_guess(struct log *log, struct read *r)
{
    struct batch_header header;
    if (r->guess < 0 || look_at(log, r, r->guess, &header) != OK) return false;
    if (header.base_offset > r->offset || batch_last_offset(&header) < r->offset) return false;
    found_start(r, &header, r->guess);
    return true;
}

/* ERR_NOT_FOUND: the segment holds nothing at or behind the offset. */
static err_t locate_start(struct log *log, struct read *r)
{
    struct batch_header header;
    int64_t position;
    if (r->start >= 0 || try_guess(log, r)) return OK;
    if (r->guess >= 0) {
        r->is_guess_wrong = true;
        return ERR_AGAIN;
    }
    if (r->is_sealed) TRY(segment_lookup(r->segment, r->offset, &r->scan_from));
    TRY(find_batch(log, r, r->scan_from, r->offset, &header, &position));
    found_start(r, &header, position);
    return OK;
}

static err_t locate_end(struct log *log, struct read *r)
{
    struct batch_header header;
    if (r->end >= 0) return OK;
    if (r->is_sealed) TRY(segment_lookup(r->segment, r->limit, &r->limit_from));
    err_t err = find_batch(log, r, r->limit_from, r->limit, &header, &r->end);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* Everything that choose_end() may want to know. */
static err_t locate(struct log *log, struct read *r)
{
    struct batch_header header;
    TRY(locate_start(log, r));
    TRY(locate_end(log, r));
    if (r->end - r->start <= (int64_t)r->max_bytes) return OK;
    if (r->first_end < 0) {
        TRY(look_at(log, r, r->start, &header));
        found_start(r, &header, r->start);
    }
    if (r->is_sealed) find_cut(r);
    return OK;
}

/* ---- surprises ---- */

/* An impossible header where the log stands still: the range up to the next good batch is not
 * served any more. */
static err_t note_damage(struct log *log, struct read *r, int64_t position)
{
    struct segment_scan scan;
    struct batch_header next;
    segment_scan_init(&scan, log_os(log), r->file->fd, SCAN_HEADERS);
    segment_scan_seek(&scan, position, r->size);
    scan.next = position;
    err_t err = log_resync(&scan, r->bad_offset, &next);
    struct log_damage damage = {r->bad_offset, err == OK ? next.base_offset : r->segment_end,
                                r->segment->base_offset, position, err == OK ? scan.next : r->size};
    segment_scan_release(&scan);
    mutex_lock(&log->lock);
    if (log->generation == r->generation && damage.from <= damage.to &&
        log_add_damage(log, damage) == OK) {
        log->damage_changed = true;
        diag(DIAG_ERROR, "log",
             "damaged range met by a reader log=%s segment=%lld position=%lld offsets=%lld..%lld",
             log->path, (long long)damage.segment_base, (long long)position, (long long)damage.from,
             (long long)damage.to - 1);
    }
    mutex_unlock(&log->lock);
    return ERR_DAMAGED;
}

/* Under `lock`: whether what was taken down is still so. */
static bool is_current(const struct log *log, const struct read *r)
{
    if (log->generation != r->generation) return false;
    if (log->segments[0]->base_offset > r->segment->base_offset) return false;
    return log->segments[log_segment_index(log, r->segment->base_offset)] == r->segment;
}

/* ---- the whole ---- */

/* Under `lock`. *is_empty: there is nothing to read. */
static err_t check_range(const struct log *log, struct read *r, bool *is_empty)
{
    if (r->offset < log->start_offset || r->offset > log->end_offset) return ERR_RANGE;
    r->limit = MIN(r->limit, log->end_offset);
    if (log->is_failed) {
        if (r->offset > log->flushed_offset) return ERR_FAILED;
        r->limit = MIN(r->limit, log->flushed_offset);
    }
    *is_empty = r->offset >= r->limit;
    return !*is_empty && log_is_damaged_at(log, r->offset) ? ERR_DAMAGED : OK;
}

/* One attempt. ERR_AGAIN: the log has changed meanwhile, or the offset is in the next segment. */
static err_t read_once(struct log *log, struct read *r, struct log_read *out)
{
    bool is_empty = false;
    mutex_lock(&log->lock);
    err_t err = check_range(log, r, &is_empty);
    if (err == OK && !is_empty) {
        err = prepare(log, r);
        bool is_known = err == OK && r->start >= 0 && r->end >= 0;
        if (err == OK) err = is_known ? finish(log, r, out) : ERR_AGAIN;
    }
    mutex_unlock(&log->lock);
    if (err != ERR_AGAIN) return err;

    err = locate(log, r);
    mutex_lock(&log->lock);
    bool was_current = is_current(log, r);
    if (err == OK && was_current) err = finish(log, r, out);
    mutex_unlock(&log->lock);
    if (!was_current) return ERR_AGAIN;
    if (err == ERR_NOT_FOUND) {
        if (r->segment_end >= r->limit) return OK; /* nothing left below the limit */
        r->offset = r->segment_end;
        return ERR_AGAIN;
    }
    bool is_bad = err == ERR_CORRUPT || err == ERR_SHORT || err == ERR_UNSUPPORTED;
    return is_bad ? note_damage(log, r, r->bad_position) : err;
}

err_t log_read(struct log *log, koffset_t offset, koffset_t limit_offset, size_t max_bytes,
               bool at_least_one, struct log_read *out)
{
    struct read r = {.offset = offset,
                     .limit = limit_offset,
                     .max_bytes = max_bytes,
                     .at_least_one = at_least_one};
    *out = (struct log_read){.start_offset = offset};
    err_t err = ERR_AGAIN;
    for (int tries = 0; err == ERR_AGAIN && tries < READ_TRIES; tries++) {
        koffset_t before = r.offset;
        err = read_once(log, &r, out);
        read_release(&r);
        if (r.offset != before) tries = 0; /* on to the next segment: that ends by itself */
    }
    return err == ERR_AGAIN ? ERR_IO : err;
}

err_t log_read_bytes(struct log *log, const struct slice *slice, struct buf *out)
{
    if (slice->len == 0) return OK;
    TRY(buf_reserve(out, slice->len));
    ssize_t n = log_os(log)->pread(log_os(log), slice->file->fd, out->data + out->len, slice->len,
                                   slice->pos);
    if (n < 0) {
        diag(DIAG_ERROR, "log", "cannot read log=%s position=%lld errno=%d", log->path,
             (long long)slice->pos, (int)-n);
        return ERR_IO;
    }
    if ((size_t)n < slice->len) return ERR_DAMAGED;
    out->len += slice->len;
    return OK;
}
