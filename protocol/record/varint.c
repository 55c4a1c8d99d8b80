/* The byte-by-byte half of varint.h. */
#include "varint.h"

/* A value of at most `bits` bits: neither more bytes than those need, nor a bit beyond them in the
 * last byte. The byte behind it, or NULL. */
static const uint8_t *take_base128(const uint8_t *at, const uint8_t *end, int bits, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; shift < bits && at < end; shift += 7) {
        uint8_t byte = *at++;
        if (shift + 7 > bits && (byte & 0x7f) >> (bits - shift)) return NULL;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte >= 0x80) continue;
        *out = v;
        return at;
    }
    return NULL;
}

const uint8_t *take_varint_slow(const uint8_t *at, const uint8_t *end, int32_t *out)
{
    uint64_t v;
    at = take_base128(at, end, 32, &v);
    if (at) *out = unzigzag32((uint32_t)v);
    return at;
}

const uint8_t *take_varlong_slow(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    uint64_t v;
    at = take_base128(at, end, 64, &v);
    if (at) *out = unzigzag64(v);
    return at;
}
