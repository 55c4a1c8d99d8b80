/* A torn tail is what a crash left behind the last good batch: written, perhaps, but never known to
 * be on disk. It is cut off, and kept in <base offset>.torn-<n> for people to look at. Side files
 * of one recovery hold 64 MiB together; what is beyond, and tails of nothing but zeros, are not
 * worth keeping. Keeping is a courtesy: when it fails, the cut is made all the same.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"

enum { TORN_KEPT_MAX_BYTES = 64 * 1024 * 1024, COPY_BYTES = 1024 * 1024, TORN_NAMES_MAX = 1000 };

/* A name that is free; false: there are enough of them. */
static bool torn_path(const struct log *log, koffset_t base_offset, char out[PATH_MAX])
{
    file_name_path(&(struct file_name){log->path, base_offset, ".torn-"}, out);
    size_t len = strlen(out);
    for (int n = 0; n < TORN_NAMES_MAX; n++) {
        struct os_stat st;
        snprintf(out + len, PATH_MAX - len, "%d", n);
        int r = log_os(log)->stat(log_os(log), out, &st);
        if (r < 0) return err_from_errno(-r) == ERR_NOT_FOUND;
    }
    return false;
}

static bool is_zeros(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

/* Copies [from, to) into a side file; an empty path says that there was nothing to keep. */
static err_t copy_tail(struct log *log, int fd, int64_t from, int64_t to, char path[PATH_MAX])
{
    const struct os *os = log_os(log);
    struct buf piece = {0};
    int out = -1;
    err_t err = buf_reserve(&piece, COPY_BYTES);
    for (int64_t at = from; err == OK && at < to;) {
        ssize_t n = os->pread(os, fd, piece.data, (size_t)MIN(COPY_BYTES, to - at), at);
        if (n <= 0) break; /* unreadable: nothing to keep from there on */
        if (out < 0 && !is_zeros(piece.data, (size_t)n)) {
            out = os->open(os, path, OS_WRITE | OS_CREATE | OS_EXCLUSIVE);
            if (out < 0) err = file_error(out, "create", path);
        }
        ssize_t r = out >= 0 ? os->pwrite(os, out, piece.data, (size_t)n, at - from) : 0;
        if (r < 0) err = file_error(r, "write", path);
        at += n;
    }
    if (out >= 0) os->close(os, out);
    if (out < 0) path[0] = 0;
    buf_release(&piece);
    return err;
}

static void tell(const struct log *log, const struct segment *segment, int64_t position,
                 int64_t bytes, const char *kept)
{
    diag(DIAG_WARN, "log",
         "torn tail cut log=%s segment=%lld position=%lld bytes=%lld end_offset=%lld kept=%s",
         log->path, (long long)segment->base_offset, (long long)position, (long long)bytes,
         (long long)segment->end_offset, kept[0] ? kept : "no");
}

static err_t cut_segment(struct log *log, struct segment *segment, int64_t position,
                         int64_t file_size, int64_t *budget)
{
    const struct os *os = log_os(log);
    char path[PATH_MAX];
    struct slice_file *file;
    TRY(handle_open(&segment->file, OS_WRITE, &file));
    int64_t keep = MIN(file_size - position, *budget);
    if (!torn_path(log, segment->base_offset, path) ||
        copy_tail(log, file->fd, position, position + keep, path) != OK) {
        path[0] = 0;
    }
    if (path[0]) *budget -= keep;
    int r = os->truncate(os, file->fd, position);
    if (r >= 0) r = os->fdatasync(os, file->fd); /* or it could come back after a clean stop */
    slice_file_unref(file);
    if (r < 0) return handle_error(&segment->file, r, "truncate");
    tell(log, segment, position, file_size - position, path);
    return OK;
}

/* A whole segment behind the tear: its file becomes the side file. */
static err_t set_aside(struct log *log, struct segment *segment, int64_t *budget)
{
    const struct os *os = log_os(log);
    char from[PATH_MAX], to[PATH_MAX];
    int64_t bytes = segment->size_bytes;
    to[0] = 0;
    if (bytes > 0 && bytes <= *budget && torn_path(log, segment->base_offset, to)) {
        file_name_path(&segment->file.name, from);
        int r = os->rename(os, from, to);
        if (r < 0) return file_error(r, "rename", from);
        *budget -= bytes;
    } else {
        to[0] = 0;
    }
    if (bytes > 0) tell(log, segment, 0, bytes, to);
    return segment_unlink(segment, "");
}

err_t log_cut_tail(struct log *log, size_t segment_index, int64_t position, int64_t file_size)
{
    int64_t budget = TORN_KEPT_MAX_BYTES;
    CHECK(segment_index < log->segment_count);
    /* The last ones first: a crash in between leaves a row without gaps. */
    err_t err = OK;
    while (err == OK && log->segment_count - 1 > segment_index) {
        struct segment *last = log_active(log);
        err = set_aside(log, last, &budget);
        if (err != OK) break;
        log->segment_count--;
        segment_unref(last);
    }
    log->dir_changes++;
    if (err == OK && file_size > position) {
        err = cut_segment(log, log->segments[segment_index], position, file_size, &budget);
    }
    return err;
}
