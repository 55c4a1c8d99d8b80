/* record - one record, and the iterator over the records of a batch.
 *
 * A record borrows: from the batch if that is uncompressed, else from the iterator's scratch
 * buffer, until the next record_iter_init() with that buffer. A null key or value is a view whose
 * data is NULL; an empty one has data and no length. Not thread-safe, no sharing.
 */
#pragma once

#include "base/buf.h"
#include "batch.h"

enum { RECORD_OFFSET_NEXT = -1 };

struct record {
    int64_t offset; /* for a builder also RECORD_OFFSET_NEXT */
    int64_t timestamp;
    struct view key;     /* data NULL: null */
    struct view value;   /* data NULL: null */
    struct view headers; /* as encoded, header_count of them; see record_header_iter */
    int32_t header_count;
};

struct record_iter {
    struct batch_header header;
    const uint8_t *at;
    const uint8_t *end;
    int32_t left;       /* records still to come */
    int32_t last_delta; /* offset delta of the record before */
    err_t failed;       /* what ended the iteration early; stays */
};

/* `batch` holds one whole batch (more may follow it). A compressed one is decompressed into
 * `scratch` (cleared first, borrowed until the iteration is over; unused if uncompressed).
 * Errors of batch_header_parse() and decompress_append(); ERR_SHORT: the batch is cut off. */
err_t record_iter_init(struct record_iter *it, struct view batch, struct buf *scratch,
                       size_t decompressed_max_bytes);

/* OK and the next record; ERR_NOT_FOUND after the last; ERR_CORRUPT if the bytes cannot be true:
 * sizes, offsets that do not rise, too few or too many bytes. */
err_t record_iter_next(struct record_iter *it, struct record *out);

struct record_header {
    struct view key;
    struct view value; /* data NULL: null */
};

struct record_header_iter {
    const uint8_t *at;
    const uint8_t *end;
    int32_t left;
};

struct record_header_iter record_headers(const struct record *record);
/* OK, ERR_NOT_FOUND after the last, ERR_CORRUPT (not for records that came from record_iter). */
err_t record_header_next(struct record_header_iter *it, struct record_header *out);
/* Appends one encoded header; for filling record.headers. */
err_t record_header_append(struct buf *out, const struct record_header *header);
