/* Capacity doubles, so n appends cost O(n); see buf.h. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

enum { CAP_MIN = 256 };

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

err_t buf_reserve(struct buf *b, size_t extra)
{
    size_t need;
    if (__builtin_add_overflow(b->len, extra, &need) || need > SIZE_MAX / 4) return ERR_LIMIT;
    if (need <= b->cap) return OK;
    size_t cap = b->cap ? b->cap : CAP_MIN;
    while (cap < need) cap *= 2;
    uint8_t *data = realloc(b->data, cap);
    if (!data) return ERR_NOMEM;
    b->data = data;
    b->cap = cap;
    return OK;
}

err_t buf_append(struct buf *b, const void *data, size_t len)
{
    TRY(buf_reserve(b, len));
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
    return OK;
}

err_t buf_append_u8(struct buf *b, uint8_t v) { return buf_append(b, &v, 1); }

err_t buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) return ERR_INVALID;
    TRY(buf_reserve(b, (size_t)len + 1));
    va_start(args, format);
    vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
    return OK;
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->len);
    if (n && n < b->len) memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}
