/* See segment_file.h. */
#include "segment_file.h"

#include <string.h>

#include "base/check.h"
#include "options.h"

err_t segment_file_open(struct segment_file *s, const struct place *place, const struct file *file,
                        size_t window_bytes)
{
    const struct os *os = os_real();
    struct os_stat st;
    *s = (struct segment_file){.place = place, .file = file};
    s->fd = os->open(os, file->path, OS_READ);
    int r = s->fd < 0 ? s->fd : os->fstat(os, s->fd, &st);
    if (r < 0) {
        err_t err = err_from_errno(-r);
        if (s->fd >= 0) os->close(os, s->fd);
        if (segment_file_failed(place, err) != EXIT_OK)
            complain(EXIT_UNREACHABLE, "%s: %s", file->path, err_name(err));
        return err;
    }
    segment_scan_init(&s->scan, os, s->fd, window_bytes);
    segment_scan_seek(&s->scan, 0, st.size_bytes);
    return OK;
}

void segment_file_close(struct segment_file *s)
{
    segment_scan_release(&s->scan);
    os_real()->close(os_real(), s->fd);
}

static bool is_zeros_to_end(const struct segment_file *s)
{
    static uint8_t piece[64 * 1024];
    for (int64_t at = s->scan.next; at < s->scan.end;) {
        size_t want = (size_t)MIN((int64_t)sizeof piece, s->scan.end - at);
        ssize_t n = os_real()->pread(os_real(), s->fd, piece, want, at);
        if (n <= 0 || piece[0] != 0 || memcmp(piece, piece + 1, (size_t)n - 1) != 0) return false;
        at += n;
    }
    return true;
}

/* The formats of before have their magic in the same place. */
static bool is_old_format(const struct segment_file *s)
{
    uint8_t magic;
    ssize_t n = os_real()->pread(os_real(), s->fd, &magic, 1, s->scan.next + BATCH_MAGIC);
    return n == 1 && magic < BATCH_MAGIC_V2;
}

enum segment_end segment_file_end(struct segment_file *s, err_t err)
{
    bool is_live = s->file->kind == FILE_SEGMENT && data_dir_is_locked(s->place->data_dir) &&
                   place_is_last_segment(s->place, s->file);
    switch (err) {
    case ERR_SHORT: return is_live ? SEGMENT_END_WRITING : SEGMENT_END_TORN;
    case ERR_UNSUPPORTED: return is_old_format(s) ? SEGMENT_END_OLD : SEGMENT_END_BAD;
    case ERR_CORRUPT:
        if (!is_zeros_to_end(s)) return SEGMENT_END_BAD;
        return is_live ? SEGMENT_END_WRITING : SEGMENT_END_ZEROS;
    default: return SEGMENT_END_IO;
    }
}

/* ---- the next good batch ---- */

struct resync {
    struct segment_scan *scan;
    koffset_t min_offset, limit;
    int64_t budget;
};

static bool is_placed(const struct resync *r, const struct batch_header *h)
{
    return h->base_offset >= r->min_offset && batch_last_offset(h) < r->limit;
}

static bool is_good_at(struct resync *r, int64_t position, struct batch_header *out)
{
    segment_scan_seek(r->scan, position, r->scan->end);
    if (segment_scan_next(r->scan, out) != OK || !is_placed(r, out)) return false;
    r->budget -= (int64_t)out->size_bytes;
    return segment_scan_check_crc(r->scan, out) == OK;
}

/* Within one window; -1: nothing there. */
static int64_t search_window(struct resync *r, const uint8_t *window, int64_t at, int64_t len,
                             struct batch_header *out)
{
    for (int64_t i = 0; i + BATCH_HEADER_SIZE <= len && r->budget > 0; i++) {
        struct view head = view_of(window + i, BATCH_HEADER_SIZE);
        if (head.data[BATCH_MAGIC] != BATCH_MAGIC_V2 || batch_header_parse(head, out) != OK)
            continue;
        if ((int64_t)out->size_bytes > r->scan->end - (at + i) || !is_placed(r, out)) continue;
        if (is_good_at(r, at + i, out)) return at + i;
    }
    return -1;
}

/* Byte by byte; -1: there is none. */
static int64_t search(struct resync *r, int64_t from, struct batch_header *out)
{
    enum { WINDOW_BYTES = 256 * 1024 };
    static uint8_t window[WINDOW_BYTES];
    int64_t found = -1;
    for (int64_t at = from; found < 0 && at + BATCH_HEADER_SIZE <= r->scan->end;) {
        size_t want = (size_t)MIN(WINDOW_BYTES, r->scan->end - at);
        ssize_t n = r->scan->os->pread(r->scan->os, r->scan->fd, window, want, at);
        if (n < BATCH_HEADER_SIZE) break;
        found = search_window(r, window, at, n, out);
        at += n - BATCH_HEADER_SIZE + 1;
    }
    return found;
}

/* A bad batch mostly has a right length, so the place behind it is tried first. A file made to look
 * like batches everywhere must not take forever: sums are made over so many bytes at most. */
int64_t segment_file_resync(struct segment_file *s, int64_t start, koffset_t min_offset,
                            koffset_t limit, struct batch_header *out)
{
    struct resync r = {&s->scan, min_offset, limit, (int64_t)1 << 30};
    int64_t at = -1;
    segment_scan_seek(&s->scan, start, s->scan.end);
    if (segment_scan_next(&s->scan, out) == OK) {
        int64_t behind = s->scan.next;
        if (behind == s->scan.end || is_good_at(&r, behind, out)) at = behind;
    }
    if (at < 0) at = search(&r, start + 1, out);
    if (at < 0) at = s->scan.end;
    segment_scan_seek(&s->scan, at, s->scan.end);
    return at;
}
