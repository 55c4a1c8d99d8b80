/* frame - the four bytes of length before every request and response. */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

enum { FRAME_PREFIX_BYTES = 4 };

/* The length that a prefix announces. ERR_INVALID: negative; ERR_TOO_LARGE: more than max_bytes.
 * *len_bytes is set in both cases too, for the message to the operator. */
err_t frame_parse(const uint8_t prefix[FRAME_PREFIX_BYTES], size_t max_bytes, int64_t *len_bytes);

/* Leaves room for a prefix at the end of out; *start is for frame_end. */
err_t frame_begin(struct buf *out, size_t *start);
/* Fills the prefix with all that was appended since, plus extra_bytes that are sent from elsewhere
 * (file pieces). ERR_TOO_LARGE beyond what 31 bits can say. */
err_t frame_end(struct buf *out, size_t start, size_t extra_bytes);
