/* Varints. Seven bits a byte, low bits first, the top bit says that more follow; zig-zag folds the
 * sign into bit 0. */
#include "bytes.h"

/* A value of at most `bits` bits: neither more bytes than those need, nor a bit beyond them in the
 * last byte. */
static uint64_t read_base128(struct reader *r, int bits)
{
    uint64_t v = 0;
    for (int shift = 0; shift < bits; shift += 7) {
        uint8_t b = read_u8(r);
        if (shift + 7 > bits && (b & 0x7f) >> (bits - shift)) break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return r->bad ? 0 : v;
    }
    r->bad = true;
    return 0;
}

uint32_t read_uvarint(struct reader *r) { return (uint32_t)read_base128(r, 32); }

int32_t read_varint(struct reader *r)
{
    uint32_t v = read_uvarint(r);
    return (int32_t)(v >> 1) ^ -(int32_t)(v & 1);
}

int64_t read_varlong(struct reader *r)
{
    uint64_t v = read_base128(r, 64);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void write_base128(struct writer *w, uint64_t v)
{
    while (v > 0x7f) {
        write_u8(w, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    write_u8(w, (uint8_t)v);
}

static uint32_t zigzag32(int32_t v) { return ((uint32_t)v << 1) ^ (uint32_t)(v >> 31); }
static uint64_t zigzag64(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }

void write_uvarint(struct writer *w, uint32_t v) { write_base128(w, v); }
void write_varint(struct writer *w, int32_t v) { write_base128(w, zigzag32(v)); }
void write_varlong(struct writer *w, int64_t v) { write_base128(w, zigzag64(v)); }

static size_t base128_size(uint64_t v)
{
    int bits = 64 - __builtin_clzll(v | 1);
    return (size_t)(bits + 6) / 7;
}

size_t uvarint_size(uint32_t v) { return base128_size(v); }
size_t varint_size(int32_t v) { return base128_size(zigzag32(v)); }
size_t varlong_size(int64_t v) { return base128_size(zigzag64(v)); }
