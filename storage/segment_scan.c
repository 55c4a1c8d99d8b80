/* The window holds file bytes [window_start, window_start + len). What is asked for and not in it
 * makes it be filled anew from there on. */
#include "segment_scan.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/diag.h"

void segment_scan_init(struct segment_scan *scan, const struct os *os, int fd, size_t window_bytes)
{
    *scan = (struct segment_scan){.os = os, .fd = fd, .window_bytes = window_bytes};
}

void segment_scan_release(struct segment_scan *scan)
{
    buf_release(&scan->window);
    *scan = (struct segment_scan){0};
}

void segment_scan_seek(struct segment_scan *scan, int64_t pos, int64_t end)
{
    CHECK(pos >= 0);
    scan->next = pos;
    scan->end = end;
    buf_clear(&scan->window); /* the file may have grown or changed */
}

/* Up to `len` bytes at `pos`; fewer only at the end. */
static err_t fetch(struct segment_scan *scan, int64_t pos, size_t len, struct view *out)
{
    if (pos + (int64_t)len > scan->end) len = (size_t)(scan->end - pos);
    int64_t skip = pos - scan->window_start;
    if (skip < 0 || skip + (int64_t)len > (int64_t)scan->window.len) {
        size_t want = MAX(len, scan->window_bytes);
        if (pos + (int64_t)want > scan->end) want = (size_t)(scan->end - pos);
        buf_clear(&scan->window);
        TRY(buf_reserve(&scan->window, want));
        ssize_t n = scan->os->pread(scan->os, scan->fd, scan->window.data, want, pos);
        if (n < 0) {
            diag(DIAG_ERROR, "storage", "cannot read a segment position=%lld errno=%d",
                 (long long)pos, (int)-n);
            return ERR_IO;
        }
        scan->window.len = (size_t)n;
        scan->window_start = pos;
        skip = 0;
        len = MIN(len, (size_t)n);
    }
    *out = view_of(scan->window.data + skip, len);
    return OK;
}

err_t segment_scan_next(struct segment_scan *scan, struct batch_header *out)
{
    if (scan->next >= scan->end) return ERR_NOT_FOUND;
    struct view head;
    TRY(fetch(scan, scan->next, BATCH_HEADER_SIZE, &head));
    TRY(batch_header_parse(head, out));
    if ((int64_t)out->size_bytes > scan->end - scan->next) return ERR_SHORT;
    scan->pos = scan->next;
    scan->next += (int64_t)out->size_bytes;
    return OK;
}

err_t segment_scan_check_crc(struct segment_scan *scan, const struct batch_header *header)
{
    int64_t end = scan->pos + (int64_t)header->size_bytes;
    uint32_t crc = 0;
    for (int64_t at = scan->pos + BATCH_ATTRIBUTES; at < end;) {
        /* What the window still has first, then a window at a time. */
        int64_t in_window = scan->window_start + (int64_t)scan->window.len - at;
        int64_t want = in_window > 0 ? in_window : (int64_t)scan->window_bytes;
        struct view piece;
        TRY(fetch(scan, at, (size_t)MIN(want, end - at), &piece));
        if (piece.len == 0) return ERR_CORRUPT;
        crc = crc32c(crc, piece.data, piece.len);
        at += (int64_t)piece.len;
    }
    return crc == header->crc ? OK : ERR_CORRUPT;
}

err_t segment_scan_batch(struct segment_scan *scan, const struct batch_header *header,
                         struct view *out)
{
    TRY(fetch(scan, scan->pos, header->size_bytes, out));
    return out->len == header->size_bytes ? OK : ERR_SHORT;
}

/* ---- the next good batch ---- */

struct resync {
    struct segment_scan *scan;
    const struct segment_search *search;
    int64_t budget_bytes;
};

static bool is_placed(const struct resync *r, const struct batch_header *h)
{
    return h->base_offset >= r->search->min_offset &&
           batch_last_offset(h) < r->search->limit_offset;
}

/* A header that could be true and a checksum that is. */
static bool is_batch_at(struct resync *r, int64_t position, struct batch_header *out)
{
    segment_scan_seek(r->scan, position, r->scan->end);
    if (segment_scan_next(r->scan, out) != OK || !is_placed(r, out)) return false;
    r->budget_bytes -= (int64_t)out->size_bytes;
    return segment_scan_check_crc(r->scan, out) == OK;
}

/* In the bytes at `at`; only places that look like a header are asked further. -1: nothing there.
 */
static int64_t search_window(struct resync *r, struct view window, int64_t at,
                             struct batch_header *out)
{
    for (size_t i = 0; i + BATCH_HEADER_SIZE <= window.len && r->budget_bytes > 0; i++) {
        struct view head = view_of(window.data + i, BATCH_HEADER_SIZE);
        int64_t position = at + (int64_t)i;
        struct batch_header header;
        if (head.data[BATCH_MAGIC] != BATCH_MAGIC_V2) continue;
        if (batch_header_parse(head, &header) != OK || !is_placed(r, &header)) continue;
        if ((int64_t)header.size_bytes > r->scan->end - position) continue;
        if (is_batch_at(r, position, out)) return position;
    }
    return -1;
}

/* Byte by byte, a window at a time; two windows share what is too short for a header. */
static err_t search_from(struct resync *r, int64_t from, struct batch_header *out)
{
    struct segment_scan *scan = r->scan;
    struct buf window = {0};
    int64_t found = -1;
    err_t err = buf_reserve(&window, SCAN_ALL);
    for (int64_t at = from; err == OK && found < 0 && at + BATCH_HEADER_SIZE <= scan->end;) {
        ssize_t n = scan->os->pread(scan->os, scan->fd, window.data,
                                    (size_t)MIN(SCAN_ALL, scan->end - at), at);
        if (n < 0) err = ERR_IO;
        if (n < BATCH_HEADER_SIZE) break;
        found = search_window(r, view_of(window.data, (size_t)n), at, out);
        at += n - BATCH_HEADER_SIZE + 1;
    }
    buf_release(&window);
    TRY(err);
    if (found < 0) return ERR_NOT_FOUND;
    segment_scan_seek(scan, found, scan->end);
    return OK;
}

err_t segment_scan_resync(struct segment_scan *scan, const struct segment_search *search,
                          struct batch_header *out)
{
    struct resync r = {scan, search, search->max_sum_bytes};
    struct batch_header bad;
    int64_t start = scan->next;
    /* Mostly the header is right and only a record is not: the next batch is where it should be. */
    segment_scan_seek(scan, start, scan->end);
    if (segment_scan_next(scan, &bad) == OK && scan->next < scan->end &&
        is_batch_at(&r, scan->next, out)) {
        segment_scan_back(scan);
        return OK;
    }
    return search_from(&r, start + 1, out);
}
