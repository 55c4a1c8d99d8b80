/* varint - zig-zag varints as fast as the record walk needs them (private to this layer).
 *
 * base/bytes.h reads the same format through its cursor; a broker walks every record of every
 * uncompressed batch, seven varints each, and there the plain pointers below are several times
 * cheaper. Over-long encodings are refused alike.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { VARINT_MAX_BYTES = 5, VARLONG_MAX_BYTES = 10 };

static inline int32_t unzigzag32(uint32_t v) { return (int32_t)(v >> 1) ^ -(int32_t)(v & 1); }
static inline int64_t unzigzag64(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }
static inline uint32_t zigzag32(int32_t v) { return ((uint32_t)v << 1) ^ (uint32_t)(v >> 31); }
static inline uint64_t zigzag64(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }

/* Base 128, at most max_bytes of it. The byte behind it, or NULL. */
static inline const uint8_t *take_base128(const uint8_t *at, const uint8_t *end, int max_bytes,
                                          uint64_t *out)
{
    uint64_t v = 0;
    for (int i = 0; i < max_bytes && at < end; i++) {
        uint8_t byte = *at++;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = v;
            return at;
        }
    }
    return NULL;
}

/* The varint at `at`: the byte behind it, or NULL if it does not end or is too long. The first two
 * bytes are tried by hand: lengths and deltas rarely need more. */
static inline const uint8_t *take_varint(const uint8_t *at, const uint8_t *end, int32_t *out)
{
    if (__builtin_expect(end - at >= 2, 1)) {
        uint32_t low = at[0], high = at[1];
        if (low < 0x80) {
            *out = unzigzag32(low);
            return at + 1;
        }
        if (high < 0x80) {
            *out = unzigzag32((low & 0x7f) | high << 7);
            return at + 2;
        }
    }
    uint64_t v;
    at = take_base128(at, end, VARINT_MAX_BYTES, &v);
    if (!at || v > UINT32_MAX) return NULL;
    *out = unzigzag32((uint32_t)v);
    return at;
}

static inline const uint8_t *take_varlong(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    if (__builtin_expect(at < end && *at < 0x80, 1)) {
        *out = unzigzag64(*at);
        return at + 1;
    }
    uint64_t v;
    at = take_base128(at, end, VARLONG_MAX_BYTES, &v);
    if (!at) return NULL;
    *out = unzigzag64(v);
    return at;
}

/* Writes v in base 128; there has to be room. The byte behind it. */
static inline uint8_t *put_base128(uint8_t *at, uint64_t v)
{
    while (v > 0x7f) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}
static inline uint8_t *put_varint(uint8_t *at, int32_t v) { return put_base128(at, zigzag32(v)); }
static inline uint8_t *put_varlong(uint8_t *at, int64_t v) { return put_base128(at, zigzag64(v)); }
