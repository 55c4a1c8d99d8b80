/* The byte-by-byte half of varint.h. */
#include "varint.h"

/* Base 128, at most max_bytes of it. The byte behind it, or NULL. */
static const uint8_t *take_base128(const uint8_t *at, const uint8_t *end, int max_bytes,
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

const uint8_t *take_varint_slow(const uint8_t *at, const uint8_t *end, int32_t *out)
{
    uint64_t v;
    at = take_base128(at, end, VARINT_MAX_BYTES, &v);
    if (!at || v > UINT32_MAX) return NULL;
    *out = unzigzag32((uint32_t)v);
    return at;
}

const uint8_t *take_varlong_slow(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    uint64_t v;
    at = take_base128(at, end, VARLONG_MAX_BYTES, &v);
    if (!at) return NULL;
    *out = unzigzag64(v);
    return at;
}
