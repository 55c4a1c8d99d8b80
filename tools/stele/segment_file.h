/* segment_file - a segment's file, opened to be read from its start to where it ended then. */
#pragma once

#include "files.h"
#include "storage/segment_scan.h"

struct segment_file {
    const struct place *place; /* borrowed */
    const struct file *file;   /* borrowed */
    int fd;
    struct segment_scan scan;
};

/* Complains when it cannot be opened; but a file that is gone since its directory was listed, as
 * retention may do beside a running broker, is nothing to complain about: ERR_NOT_FOUND. */
err_t segment_file_open(struct segment_file *s, const struct place *place, const struct file *file,
                        size_t window_bytes);
void segment_file_close(struct segment_file *s);
/* The exit code for a file that could not be opened. */
static inline int segment_file_failed(const struct place *place, err_t err)
{
    return err == ERR_NOT_FOUND && place->kind != PLACE_FILE ? EXIT_OK : EXIT_UNREACHABLE;
}

/* Why the bytes at scan.next are no whole batch. */
enum segment_end {
    SEGMENT_END_WRITING, /* somebody is about to complete it */
    SEGMENT_END_ZEROS,   /* nothing but zeros up to the end */
    SEGMENT_END_TORN,    /* a batch that is cut off */
    SEGMENT_END_BAD,     /* no batch */
    SEGMENT_END_OLD,     /* a batch of another format */
    SEGMENT_END_IO,
};
/* `err` is what segment_scan_next() said. */
enum segment_end segment_file_end(struct segment_file *s, err_t err);

/* Where the next good batch begins behind the bad bytes at `start`: right checksum, offsets from
 * `min_offset` on and below `limit`. The end of the bytes if there is none. scan.next is there. */
int64_t segment_file_resync(struct segment_file *s, int64_t start, koffset_t min_offset,
                            koffset_t limit, struct batch_header *out);
