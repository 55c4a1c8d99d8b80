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

/* A bad batch may be the last one, with a right length: then nothing is looked for inside of it. */
static bool ends_the_file(struct segment_scan *scan, int64_t start, struct batch_header *out)
{
    segment_scan_seek(scan, start, scan->end);
    return segment_scan_next(scan, out) == OK && scan->next == scan->end;
}

int64_t segment_file_resync(struct segment_file *s, int64_t start, koffset_t min_offset,
                            koffset_t limit, struct batch_header *out)
{
    struct segment_search search = {min_offset, limit, (int64_t)1 << 30};
    int64_t at = s->scan.end;
    if (!ends_the_file(&s->scan, start, out)) {
        segment_scan_seek(&s->scan, start, s->scan.end);
        if (segment_scan_resync(&s->scan, &search, out) == OK) at = s->scan.next;
    }
    segment_scan_seek(&s->scan, at, s->scan.end);
    return at;
}
