/* buf - a growable byte buffer that owns its memory.
 *
 * A zeroed struct is an empty buffer. Growth may fail (the sizes come from outside), so appends
 * return err_t; after a failure the contents are as before. One owner, not thread-safe.
 */
#pragma once

#include "bytes.h"

struct buf {
    uint8_t *data; /* owned */
    size_t len;    /* bytes in use */
    size_t cap;    /* bytes allocated */
};

void buf_release(struct buf *b);
static inline void buf_clear(struct buf *b) { b->len = 0; }
static inline struct view buf_view(const struct buf *b) { return (struct view){b->data, b->len}; }

/* Makes room for at least `extra` more bytes after len. */
err_t buf_reserve(struct buf *b, size_t extra);
err_t buf_append(struct buf *b, const void *data, size_t len);
err_t buf_append_u8(struct buf *b, uint8_t v);
/* printf at the end; the terminating NUL is written but not counted. */
err_t buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes, moving the rest to the front. */
void buf_consume(struct buf *b, size_t n);
