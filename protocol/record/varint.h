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

/* The long way, for what the inline ones below do not see at a glance. */
const uint8_t *take_varint_slow(const uint8_t *at, const uint8_t *end, int32_t *out);
const uint8_t *take_varlong_slow(const uint8_t *at, const uint8_t *end, int64_t *out);

/* The varint at `at`: the byte behind it, or NULL if it does not end or is too long. Two bytes are
 * tried by hand: lengths and deltas rarely need more. */
static inline const uint8_t *take_varint(const uint8_t *at, const uint8_t *end, int32_t *out)
{
    if (at < end && *at < 0x80) {
        *out = unzigzag32(*at);
        return at + 1;
    }
    if (__builtin_expect(end - at < 2 || at[1] >= 0x80, 0)) return take_varint_slow(at, end, out);
    *out = unzigzag32((at[0] & 0x7fu) | (uint32_t)at[1] << 7);
    return at + 2;
}

static inline const uint8_t *take_varlong(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    if (__builtin_expect(at == end || *at >= 0x80, 0)) return take_varlong_slow(at, end, out);
    *out = unzigzag64(*at);
    return at + 1;
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
