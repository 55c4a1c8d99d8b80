/* frame_pool - buffers for frames that are not whole yet, kept warm.
 *
 * Fresh memory costs a page fault every 4 KiB, several times what receiving into it costs, so a
 * loop keeps the buffers it used last, up to a bound. Sizes are powers of two up to POOLED_MAX;
 * larger ones come from the system and go back at once. A zeroed struct is an empty pool. One loop,
 * one pool.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    FRAME_BUF_MIN = 4096,
    FRAME_BUF_POOLED_MAX = 4 << 20,
    FRAME_BUF_CLASSES = 11, /* 4 KiB ... 4 MiB */
};

struct frame_buf {
    uint8_t *data; /* NULL: none */
    size_t cap;
};

struct frame_pool {
    struct frame_pool_item *free[FRAME_BUF_CLASSES];
    size_t retained_bytes;
    size_t retained_max; /* set by the owner */
};

void frame_pool_release(struct frame_pool *pool);
/* A buffer of at least `need` bytes. */
err_t frame_pool_get(struct frame_pool *pool, size_t need, struct frame_buf *out);
/* Gives it back and leaves it empty. An empty one is allowed. */
void frame_pool_put(struct frame_pool *pool, struct frame_buf *buf);
/* At least `need` bytes, the first `used` stay; on failure nothing changed. */
err_t frame_pool_grow(struct frame_pool *pool, struct frame_buf *buf, size_t used, size_t need);
