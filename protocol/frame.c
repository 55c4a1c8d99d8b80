#include "frame.h"

#include "base/check.h"

err_t frame_parse(const uint8_t prefix[FRAME_PREFIX_BYTES], size_t max_bytes, int64_t *len_bytes)
{
    *len_bytes = (int32_t)be32_get(prefix);
    if (*len_bytes < 0) return ERR_INVALID;
    return (uint64_t)*len_bytes > max_bytes ? ERR_TOO_LARGE : OK;
}

err_t frame_begin(struct buf *out, size_t *start)
{
    static const uint8_t zeros[FRAME_PREFIX_BYTES];
    *start = out->len;
    return buf_append(out, zeros, sizeof(zeros));
}

err_t frame_end(struct buf *out, size_t start, size_t extra_bytes)
{
    CHECK(out->len >= start + FRAME_PREFIX_BYTES);
    size_t len = out->len - start - FRAME_PREFIX_BYTES;
    if (extra_bytes > INT32_MAX || len > INT32_MAX - extra_bytes) return ERR_TOO_LARGE;
    be32_put(out->data + start, (uint32_t)(len + extra_bytes));
    return OK;
}
