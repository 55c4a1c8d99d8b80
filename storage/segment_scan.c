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
