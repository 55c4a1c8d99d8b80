/* segment_scan - walks over the batches of a segment's file from one position on.
 *
 * Reads headers through a window; whole batches on request. Reads with pread and not through a
 * mapping: an unreadable page is then an error code, and a growing file needs no new mapping.
 * Borrows the descriptor. Not thread-safe, no sharing. For storage, and for tools that read a
 * segment without opening its log.
 */
#pragma once

#include "base/buf.h"
#include "base/os.h"
#include "base/types.h"
#include "record/batch.h"

struct segment_scan {
    const struct os *os;
    int fd;
    int64_t next;         /* where the next batch starts */
    int64_t end;          /* where the bytes end */
    int64_t pos;          /* of the batch returned last */
    size_t window_bytes;  /* how much to read at once */
    struct buf window;    /* owned */
    int64_t window_start; /* where its bytes come from */
};

enum {
    SCAN_HEADERS = 4096,   /* for a look-up: a few headers, close together or far apart */
    SCAN_ALL = 256 * 1024, /* for going through everything */
};

void segment_scan_init(struct segment_scan *scan, const struct os *os, int fd, size_t window_bytes);
void segment_scan_release(struct segment_scan *scan);
/* Goes on at `pos`. */
void segment_scan_seek(struct segment_scan *scan, int64_t pos, int64_t end);

/* The batch returned last comes once more. */
static inline void segment_scan_back(struct segment_scan *scan) { scan->next = scan->pos; }

/* OK: a header, its whole batch lies before the end. ERR_NOT_FOUND: the bytes end where a batch
 * ends. ERR_SHORT: inside of one. ERR_CORRUPT, ERR_UNSUPPORTED: not a batch. ERR_IO. After an error
 * `next` is where the bad batch starts. */
err_t segment_scan_next(struct segment_scan *scan, struct batch_header *out);
/* Whether the CRC of the batch returned last is right, in pieces of the window: OK, ERR_CORRUPT,
 * ERR_IO. */
err_t segment_scan_check_crc(struct segment_scan *scan, const struct batch_header *header);
/* All bytes of the batch returned last, borrowed until the next call. ERR_SHORT, ERR_IO, ERR_NOMEM.
 */
err_t segment_scan_batch(struct segment_scan *scan, const struct batch_header *header,
                         struct view *out);

/* What may follow behind bad bytes, and how much work it may take to find it. */
struct segment_search {
    koffset_t min_offset;
    koffset_t limit_offset; /* the batch ends below it; INT64_MAX: no limit */
    int64_t max_sum_bytes;  /* a file made to look like batches everywhere must not take forever */
};

/* Looks for the next good batch behind the bad bytes at `next`: right checksum, offsets as asked.
 * OK: its header, and `next` is where it starts. ERR_NOT_FOUND: none, ERR_IO, ERR_NOMEM. */
err_t segment_scan_resync(struct segment_scan *scan, const struct segment_search *search,
                          struct batch_header *out);
