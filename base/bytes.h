/* bytes - borrowed byte ranges, and the one bounds-checked cursor for every format we read or
 * write.
 *
 * A `view` borrows bytes. A `reader` walks over a view and turns bad the first time it is asked for
 * more than there is; all later reads give zeros, so that decoding code checks once at the end. A
 * `writer` fills a fixed range the same way. All integers are big-endian, as everywhere in Kafka's
 * formats. Nothing here allocates. Not thread-safe, no sharing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

struct view {
    const uint8_t *data; /* borrowed; may be NULL when len is 0 */
    size_t len;
};

static inline struct view view_of(const void *data, size_t len)
{
    return (struct view){(const uint8_t *)data, len};
}
static inline struct view view_str(const char *str) { return view_of(str, strlen(str)); }
static inline bool view_eq(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ---- big-endian loads and stores ---- */
static inline uint16_t be16_get(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return __builtin_bswap16(v);
}
static inline uint32_t be32_get(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t be64_get(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline void be16_put(void *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
}
static inline void be32_put(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline void be64_put(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the loads above swap");

/* ---- reader ---- */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* set once, never cleared: something was missing or malformed */
};

static inline struct reader reader_of(struct view v)
{
    const uint8_t *start = v.data ? v.data : (const uint8_t *)""; /* no arithmetic on NULL */
    return (struct reader){start, start + (v.data ? v.len : 0), false};
}
static inline size_t reader_left(const struct reader *r) { return (size_t)(r->end - r->at); }
static inline err_t reader_result(const struct reader *r) { return r->bad ? ERR_SHORT : OK; }

/* The next n bytes, or NULL (and the reader turns bad). */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
    if (__builtin_expect(r->bad || n > reader_left(r), 0)) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}
static inline uint8_t read_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p ? *p : 0;
}
static inline int8_t read_i8(struct reader *r) { return (int8_t)read_u8(r); }
static inline int16_t read_i16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p ? (int16_t)be16_get(p) : 0;
}
static inline uint16_t read_u16(struct reader *r) { return (uint16_t)read_i16(r); }
static inline int32_t read_i32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p ? (int32_t)be32_get(p) : 0;
}
static inline uint32_t read_u32(struct reader *r) { return (uint32_t)read_i32(r); }
static inline int64_t read_i64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);
    return p ? (int64_t)be64_get(p) : 0;
}
static inline struct view read_view(struct reader *r, size_t n)
{
    const uint8_t *p = reader_take(r, n);
    return (struct view){p, p ? n : 0};
}

/* Base-128 varints, at most 5 (32 bit) or 10 (64 bit) bytes; over-long ones turn the reader bad.
 * read_varint and read_varlong are zig-zag coded (record format), read_uvarint is not (KIP-482). */
uint32_t read_uvarint(struct reader *r);
int32_t read_varint(struct reader *r);
int64_t read_varlong(struct reader *r);

/* ---- writer ---- */
struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool bad; /* set once: something did not fit */
};

static inline struct writer writer_of(void *data, size_t len)
{
    uint8_t *start = (uint8_t *)data;
    return (struct writer){start, start, len ? start + len : start, false};
}
static inline size_t writer_len(const struct writer *w) { return (size_t)(w->at - w->start); }

/* Room for n bytes, or NULL (and the writer turns bad). */
static inline uint8_t *writer_take(struct writer *w, size_t n)
{
    if (__builtin_expect(w->bad || n > (size_t)(w->end - w->at), 0)) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += n;
    return p;
}
static inline void write_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = writer_take(w, 1);
    if (p) *p = v;
}
static inline void write_i8(struct writer *w, int8_t v) { write_u8(w, (uint8_t)v); }
static inline void write_i16(struct writer *w, int16_t v)
{
    uint8_t *p = writer_take(w, 2);
    if (p) be16_put(p, (uint16_t)v);
}
static inline void write_i32(struct writer *w, int32_t v)
{
    uint8_t *p = writer_take(w, 4);
    if (p) be32_put(p, (uint32_t)v);
}
static inline void write_i64(struct writer *w, int64_t v)
{
    uint8_t *p = writer_take(w, 8);
    if (p) be64_put(p, (uint64_t)v);
}
static inline void write_bytes(struct writer *w, const void *data, size_t len)
{
    uint8_t *p = len ? writer_take(w, len) : NULL;
    if (p) memcpy(p, data, len);
}
void write_uvarint(struct writer *w, uint32_t v);
void write_varint(struct writer *w, int32_t v);
void write_varlong(struct writer *w, int64_t v);

/* Encoded sizes in bytes. */
size_t uvarint_size(uint32_t v);
size_t varint_size(int32_t v);
size_t varlong_size(int64_t v);
